"""What is told of a window does not depend on the page that is asked for, and has its own."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtcdp.answers import series
from rtcdp.answers.anomalies import AnomaliesQuestion, Anomaly, anomalies_page, anomaly_page
from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import read_instant
from rtcdp.definitions import Alarms, Count, Metric, tumbling
from rtcdp.testing.driver import Driver
from tests.watched import HOUR, START, events_in

HOURS = 25 * 24
TYPES = ("VIEW", "CART", "SEARCH", "RARE")
BY_TYPE = Metric(
    name="by_type",
    title="By type",
    key=("eventType",),
    window=tumbling(hours=1),
    measures=(Count("n"),),
    alarms=Alarms(surprise=3.0, rarity=30),
)


@pytest.fixture
def installation(
    make_driver: Callable[..., Driver],
    make_installation: Callable[..., Installation],
    monkeypatch: pytest.MonkeyPatch,
) -> Installation:
    """Some weeks in which a lot happens, of more keys than are looked at, one of them from of
    old."""
    monkeypatch.setattr(series, "KEYS_MAX", 2)
    driver = make_driver(BY_TYPE)
    driver.advance(seconds=HOURS * 3_600 + 600)
    chance = np.random.default_rng(11)
    events = [{**events_in(0, "RARE", 1)[0], "timestamp": "2019-01-01T00:00:00Z"}]
    for hour in range(HOURS):
        for number, event_type in enumerate(TYPES):
            mean = 9 - number if (hour // 72 + number) % 4 else 3
            mean *= chance.choice([1, 4, 8, 0], p=[0.96, 0.015, 0.015, 0.01])
            events += events_in(hour, event_type, int(chance.poisson(mean)))
    driver.feed(*events, intake="import")
    driver.process()
    return make_installation(store=driver.store, metrics=(BY_TYPE,), allowed_lateness_ms=60_000)


def told(installation: Installation, first: int, end: int, limit: int = 1000) -> list[Anomaly]:
    found: list[Anomaly] = []
    cursor = None
    while not found or cursor is not None:
        question = AnomaliesQuestion(
            start_from=START + first * HOUR, start_to=START + end * HOUR, limit=limit, cursor=cursor
        )
        page = anomalies_page(installation, question)
        found += page.items
        cursor = page.next_cursor
        if not page.items:
            break
    return found


def hour_of(anomaly: Anomaly) -> int:
    return (read_instant("start", anomaly.window_start) - START) // HOUR


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_page_tells_the_same(installation: Installation, data: st.DataObject) -> None:
    whole = told(installation, -60_000, HOURS)
    assert len({each.key.get("eventType") for each in whole}) >= 4
    assert len(whole) > 15
    first = data.draw(st.integers(0, HOURS - 1))
    end = data.draw(st.integers(first + 1, HOURS))
    part = told(installation, first, end, data.draw(st.sampled_from([1, 3, 1000])))
    assert part == [each for each in whole if first <= hour_of(each) < end]
    for each in part[:3]:
        assert anomaly_page(installation, each.id).anomaly == each


@pytest.mark.parametrize("rows", [400, 900])
def test_one_of_a_cut_history_is_there_by_its_id(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(series, "ROWS_MAX", rows)
    page = anomalies_page(installation, AnomaliesQuestion(start_from=START))
    assert page.history_from is not None
    assert page.items
    for each in page.items:
        assert anomaly_page(installation, each.id).anomaly == each
