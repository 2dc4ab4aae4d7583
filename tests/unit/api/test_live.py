"""The live stream."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.response import ServerSentEventMessage
from litestar.testing import TestClient

from rtcdp.api.context import ApiContext
from rtcdp.api.limits import ApiLimits
from rtcdp.api.live import LiveFeed
from rtcdp.catalog.catalog import load_folds
from rtcdp.store import StoreUnavailable
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import Driver
from tests.stories import event
from tests.told import START, Teller

MakeContext = Callable[..., ApiContext]
FAST = ApiLimits(live_every_ms=1)


async def following(messages: AsyncIterator[ServerSentEventMessage]) -> dict[str, Any]:
    return msgspec.json.decode((await anext(messages)).data)


def send(driver: Driver, count: int = 1) -> None:
    event = {"userId": "ada", "eventType": "PAGE_VIEW", "timestamp": driver.now_ms}
    driver.feed(*[event] * count)


async def test_a_tick_tells_the_totals_the_lag_and_the_newest_windows(
    driver: Driver, make_context: MakeContext
) -> None:
    send(driver)
    driver.process()
    send(driver)
    driver.advance(seconds=3)
    messages = LiveFeed(make_context(limits=FAST)).messages()
    tick = await following(messages)
    await messages.aclose()
    assert tick["totals"]["received"] == tick["totals"]["admitted"] == tick["epoch"] == 1
    assert (tick["at"], tick["as_of"]) == ("2026-01-01T00:00:03.000Z", "2026-01-01T00:00:00.000Z")
    assert tick["lag_ms"] == 3000
    assert tick["rates"] is None
    assert [window["userId"] for window in tick["windows"]] == ["ada", "ada"]


async def test_rates_are_per_second_since_the_tick_before(
    driver: Driver, make_context: MakeContext
) -> None:
    messages = LiveFeed(make_context(limits=ApiLimits(live_every_ms=1000))).messages()
    await following(messages)
    send(driver, 10)
    driver.process()
    driver.advance(seconds=2)
    tick = await following(messages)
    await messages.aclose()
    assert tick["rates"]["received"] == 5.0
    assert tick["rates"]["late"] == 0.0


async def test_after_a_pause_rates_begin_anew(driver: Driver, make_context: MakeContext) -> None:
    messages = LiveFeed(make_context(limits=FAST)).messages()
    await following(messages)
    driver.advance(seconds=60)
    assert (await following(messages))["rates"] is None
    await messages.aclose()


async def test_clients_share_one_sample_per_tick(
    driver: Driver, make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed, real, taken = LiveFeed(make_context()), driver.store.snapshot, []

    def counted() -> object:
        taken.append(1)
        return real()

    monkeypatch.setattr(driver.store, "snapshot", counted)
    clients = [feed.messages() for _ in range(3)]
    ticks = [await following(client) for client in clients]
    for client in clients:
        await client.aclose()
    assert ticks[0] == ticks[1] == ticks[2]
    assert len(taken) == 1


async def test_who_comes_between_two_ticks_shares_the_sample(
    driver: Driver, make_context: MakeContext
) -> None:
    feed = LiveFeed(make_context(limits=ApiLimits(live_every_ms=1000)))
    early, late = feed.messages(), feed.messages()
    tick = await following(early)
    driver.advance(seconds=0.7)
    assert await following(late) == tick
    await early.aclose()
    await late.aclose()


async def test_while_the_store_is_away_the_stream_says_so_and_goes_on(
    driver: Driver, make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise StoreUnavailable("the disk is gone", "put it back")

    messages = LiveFeed(make_context(limits=FAST)).messages()
    with monkeypatch.context() as patch:
        patch.setattr(driver.store, "snapshot", away)
        message = await anext(messages)
    assert message.event == "problem"
    assert msgspec.json.decode(message.data) == {
        "detail": "the disk is gone",
        "hint": "put it back",
    }
    assert (await anext(messages)).event == "tick"
    await messages.aclose()


async def test_the_stream_ends_when_the_server_stops(make_context: MakeContext) -> None:
    stop = threading.Event()
    feed = LiveFeed(make_context(limits=FAST, stop=stop))
    messages = feed.messages()
    await anext(messages)
    stop.set()
    assert [message async for message in messages] == []
    assert feed.clients == 0


async def test_the_stream_ends_when_its_client_may_not_know_any_more(
    teller: Teller, make_context: MakeContext
) -> None:
    context = make_context(limits=FAST, store=teller.store, folds=teller.folds, log=None)
    feed, answers = LiveFeed(context), [True, True, False]
    messages = feed.messages(["sessions"], may_go_on=lambda: answers.pop(0))
    assert (await anext(messages)).event == "tick"
    teller.tell([event(START, eventId="1")], START)
    context.installation.clock._driver.advance(seconds=1)
    assert [message.event async for message in messages] == ["tick"], "and no rows after it"
    assert (answers, feed.clients) == ([], 0)


def test_streams_are_limited(make_api: Callable[..., TestClient[Litestar]]) -> None:
    stop = threading.Event()
    api = make_api(limits=ApiLimits(live_clients=0), stop=stop)
    # A stream that is given all the same has an end.
    unwanted = threading.Timer(5.0, stop.set)
    unwanted.start()
    answer = api.get("/api/live")
    unwanted.cancel()
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "limit" in answer.json()["detail"]


def test_the_stream_is_made_of_server_sent_events(
    make_api: Callable[..., TestClient[Litestar]],
) -> None:
    class StopOnceBegun(threading.Event):
        """Is set from the second time on that it is looked at."""

        looks = 0

        def is_set(self) -> bool:
            self.looks += 1
            return self.looks > 1

    answer = make_api(limits=FAST, stop=StopOnceBegun()).get("/api/live")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith("event: tick\r\ndata: {")


async def test_a_tick_tells_what_is_wrong_with_a_part(
    driver: Driver, make_context: MakeContext
) -> None:
    del driver
    checks = {"processor": lambda: "no such column", "collector": lambda: None}
    messages = LiveFeed(make_context(limits=FAST, checks=checks)).messages()
    assert (await following(messages))["problems"] == {"processor": "no such column"}
    await messages.aclose()


@pytest.fixture
def teller(tmp_path: Path) -> Iterator[Teller]:
    store = SqliteStore(tmp_path / "told.db")
    yield Teller(store)
    store.close()


async def test_rows_that_change_are_told_to_those_who_ask_and_no_change_is_missed(
    teller: Teller, make_context: MakeContext
) -> None:
    context = make_context(limits=FAST, store=teller.store, folds=teller.folds, log=None)
    feed = LiveFeed(context)
    asking, plain = feed.messages(["sessions"]), feed.messages()
    assert (await anext(asking)).event == (await anext(plain)).event == "tick"
    for number in range(3):
        teller.tell([event(START, user=f"u{number}", eventId=f"{number}")], START)
        context.installation.clock._driver.advance(seconds=1)
        assert (await anext(plain)).event == "tick"
    seen = [await anext(asking) for _ in range(4)]
    assert [message.event for message in seen] == ["rows", "rows", "rows", "tick"]
    told = [msgspec.json.decode(message.data) for message in seen[:3]]
    assert [change["number"] for change in told] == [1, 2, 3]
    assert [change["changed"][0]["userId"] for change in told] == ["u0", "u1", "u2"]
    await asking.aclose()
    await plain.aclose()


async def test_who_comes_between_two_samples_is_told_what_changes_from_then_on(
    teller: Teller, make_context: MakeContext
) -> None:
    slow = ApiLimits(live_every_ms=1000)
    context = make_context(limits=slow, store=teller.store, folds=teller.folds, log=None)
    feed = LiveFeed(context)
    plain, asking = feed.messages(), feed.messages(["sessions"])
    await anext(plain)
    # The sample that everybody gets was taken before anybody asked for rows.
    assert (await anext(asking)).event == "tick"
    teller.tell([event(START, user="new", eventId="new")], START)
    context.installation.clock._driver.advance(seconds=2)
    seen = [await anext(asking), await anext(asking)]
    assert [message.event for message in seen] == ["tick", "rows"]
    await asking.aclose()
    await plain.aclose()


async def test_a_fold_that_nobody_follows_any_more_is_looked_at_anew(
    teller: Teller, make_context: MakeContext
) -> None:
    context = make_context(limits=FAST, store=teller.store, folds=teller.folds, log=None)
    feed = LiveFeed(context)
    first = feed.messages(["sessions"])
    await anext(first)
    await first.aclose()
    teller.tell([event(START, eventId="1")], START)
    context.installation.clock._driver.advance(seconds=1)
    await following(feed.messages())
    later = feed.messages(["sessions"])
    context.installation.clock._driver.advance(seconds=1)
    assert (await anext(later)).event == "tick"
    context.installation.clock._driver.advance(seconds=1)
    assert (await anext(later)).event == "tick"
    await later.aclose()


def test_an_unknown_fold_is_told(make_api: Callable[..., TestClient[Litestar]]) -> None:
    answer = make_api(folds=load_folds()).get("/api/live?rows=visits")
    assert answer.status_code == 404
    assert "sessions" in answer.json()["hint"]
