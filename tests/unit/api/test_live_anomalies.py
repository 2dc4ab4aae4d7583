"""Anomalies on the live stream; tests/unit/answers/test_anomaly_changes.py says what is told."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from litestar.response import ServerSentEventMessage

from rtcdp.answers.anomaly_changes import AnomaliesWatch
from rtcdp.api import live_anomalies
from rtcdp.api.context import ApiContext
from rtcdp.api.limits import ApiLimits
from rtcdp.api.live import LiveFeed
from rtcdp.testing.driver import Driver
from tests.watched import HOURS, METRICS, events_in, watched

MakeContext = Callable[..., ApiContext]


@pytest.fixture
def driver(make_driver: Callable[..., Driver]) -> Driver:
    return watched(make_driver(*METRICS))


@pytest.fixture
def context(driver: Driver, make_context: MakeContext) -> ApiContext:
    return make_context(
        limits=ApiLimits(live_every_ms=1), store=driver.store, metrics=METRICS, log=driver.log
    )


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's clock stands still: a rest would never end."""
    monkeypatch.setattr(live_anomalies, "thread_time", lambda: 0.0)


async def next_of_anomalies(messages: AsyncIterator[ServerSentEventMessage]) -> dict[str, Any]:
    async for message in messages:
        if message.event == "anomalies":
            return msgspec.json.decode(message.data)
    raise AssertionError("the stream has ended")


async def test_each_client_is_told_what_there_is_and_then_what_changes(
    context: ApiContext, driver: Driver
) -> None:
    feed = LiveFeed(context)
    first, second = (feed.messages(anomalies=True) for _ in range(2))
    for client in (first, second):
        standing = await next_of_anomalies(client)
        assert [each["direction"] for each in standing["standing"]] == ["down"]
    driver.feed(*events_in(HOURS, "PAGE_VIEW", 400))
    driver.process()
    for client in (first, second):
        change = await next_of_anomalies(client)
        assert [each["direction"] for each in change["onset"]] == ["up", "up"]
        assert (change["number"], change["onset_count"], "standing" in change) == (1, 2, False)
        await client.aclose()
    looks = context.registry.get_sample_value("rtcdp_anomaly_looks_total")
    assert looks is not None
    assert looks >= 2


async def test_nobody_waits_for_them_and_nothing_is_looked_at_for_nobody(
    context: ApiContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_let_go, looked = threading.Event(), threading.Event()

    def slow(_: object, __: object) -> None:
        looked.set()
        is_let_go.wait()

    monkeypatch.setattr(live_anomalies.AnomaliesWatch, "look", slow)
    feed = LiveFeed(context)
    plain = feed.messages()
    assert [(await anext(plain)).event for _ in range(3)] == ["tick"] * 3
    assert not looked.is_set()
    asking = feed.messages(anomalies=True)
    assert [(await anext(asking)).event for _ in range(5)] == ["tick"] * 5
    assert await asyncio.to_thread(looked.wait, 10)
    is_let_go.set()
    await asking.aclose()
    await plain.aclose()
    assert feed._anomalies._looking is None


async def test_who_comes_while_it_rests_is_told_what_was_found_last(
    context: ApiContext, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, look = [], live_anomalies.AnomaliesWatch.look

    def slow(watch: Any, installation: Any) -> Any:
        looks.append(1)
        return look(watch, installation)

    monkeypatch.setattr(live_anomalies.AnomaliesWatch, "look", slow)
    monkeypatch.setattr(live_anomalies, "thread_time", lambda: float(len(looks)))
    feed = LiveFeed(context)
    for _ in range(3):
        client = feed.messages(anomalies=True)
        assert "standing" in await next_of_anomalies(client)
        await client.aclose()
    assert len(looks) == 1
    driver.advance(seconds=49)
    client = feed.messages(anomalies=True)
    assert "standing" in await next_of_anomalies(client)
    await client.aclose()
    assert len(looks) == 2


async def test_what_is_found_while_the_last_client_goes_is_told_to_the_next_one(
    context: ApiContext, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_let_go, is_waiting, look = threading.Event(), threading.Event(), AnomaliesWatch.look

    def waiting(watch: Any, installation: Any) -> Any:
        is_waiting.set()
        is_let_go.wait()
        return look(watch, installation)

    feed = LiveFeed(context)
    gone = feed.messages(anomalies=True)
    assert (await next_of_anomalies(gone))["number"] == 0
    monkeypatch.setattr(AnomaliesWatch, "look", waiting)
    driver.feed(*events_in(HOURS, "PAGE_VIEW", 400))
    driver.process()
    assert await asyncio.to_thread(is_waiting.wait, 10)
    await gone.aclose()
    client = feed.messages(anomalies=True)
    assert (await next_of_anomalies(client))["number"] == 0
    is_let_go.set()
    change = await asyncio.wait_for(next_of_anomalies(client), 10)
    assert (change["number"], change["onset_count"]) == (1, 2)
    await client.aclose()
