"""Anomalies of what an engine has counted: told, explained, paged, and gone when they are none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rtcdp.answers import series
from rtcdp.answers.anomalies import AnomaliesQuestion, anomalies_page, anomaly_page
from rtcdp.answers.drill_down import Effort
from rtcdp.answers.events import EventsQuestion, events_page
from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import EARLIEST, LATEST
from rtcdp.clock import SystemClock
from rtcdp.definitions import Alarms, Average, Calendar, Count, Metric, Product, tumbling
from rtcdp.errors import BadRequest, NotThere, UsageError
from rtcdp.testing.driver import Driver
from tests.watched import DROP, HOUR, HOURS, METRICS, RISE, START, events_in, watched

MakeDriver = Callable[..., Driver]


@pytest.fixture
def driver(make_driver: MakeDriver) -> Driver:
    return watched(make_driver(*METRICS))


@pytest.fixture
def installation(driver: Driver, make_installation: Callable[..., Installation]) -> Installation:
    return make_installation(store=driver.store, metrics=METRICS, allowed_lateness_ms=60_000)


def told(installation: Installation, **asked: object) -> list[tuple[str, str, int]]:
    page = anomalies_page(installation, AnomaliesQuestion(**asked))
    return [
        (each.key.get("eventType", "all"), each.direction, hour_of(each.window_start))
        for each in page.items
    ]


def hour_of(iso: str) -> int:
    return int((np.datetime64(iso.removesuffix("Z"), "ms").astype(int) - START) // HOUR)


def test_rises_and_drops_are_told_by_key_and_overall(installation: Installation) -> None:
    assert told(installation) == [
        ("PURCHASE", "down", DROP),
        ("all", "up", RISE),
        ("PAGE_VIEW", "up", RISE),
    ]
    assert told(installation, direction="down") == [("PURCHASE", "down", DROP)]
    assert told(installation, since=HOUR) == []
    assert told(installation, start_to=START + DROP * HOUR)[0][2] == RISE
    of_views = {"eventType": ("PAGE_VIEW",)}
    assert told(installation, metric="hourly", equals=of_views) == [("PAGE_VIEW", "up", RISE)]


def test_each_says_what_came_and_what_is_usual(installation: Installation) -> None:
    page = anomalies_page(installation, AnomaliesQuestion())
    assert (page.watched, page.left_out, page.history_from) == (3, 0, None)
    drop = page.items[0]
    assert (drop.metric, drop.measure, drop.observed) == ("hourly", "event_count", 0)
    assert 40 < drop.expected < 60
    assert 0 < drop.low < drop.expected < drop.high
    assert (drop.rank, drop.compared, drop.final) == (0, DROP - 24, True)
    usual = f"{drop.expected:.0f}"
    assert drop.says == f"0 where {usual} is usual: as far off never in the 111 windows before"


def test_the_events_behind_one_are_as_many_as_were_observed(installation: Installation) -> None:
    rise = anomalies_page(installation, AnomaliesQuestion()).items[2]
    assert rise.events_url == (
        "/api/events?metric=hourly&window_start=2026-01-05T03%3A00%3A00.000Z&eventType=PAGE_VIEW"
    )
    question = EventsQuestion(
        metric="hourly",
        window_start=START + RISE * HOUR,
        equals={"eventType": ("PAGE_VIEW",)},
        limit=1000,
    )
    assert len(events_page(installation, question, Effort()).items) == rise.observed


def test_one_is_shown_with_what_led_up_to_it(installation: Installation) -> None:
    for item in anomalies_page(installation, AnomaliesQuestion()).items:
        page = anomaly_page(installation, item.id)
        assert page.anomaly == item
        assert len(page.series) == 49
        last = page.series[-1]
        assert (last.window_start, last.observed) == (item.window_start, item.observed)
        assert (last.low, last.expected, last.high) == (item.low, item.expected, item.high)


def test_pages_together_are_all_of_them(installation: Installation) -> None:
    whole = anomalies_page(installation, AnomaliesQuestion()).items
    found, cursor = [], None
    while not found or cursor is not None:
        page = anomalies_page(installation, AnomaliesQuestion(limit=1, cursor=cursor))
        found += page.items
        cursor = page.next_cursor
    assert found == whole


def test_what_became_ordinary_is_none_any_more(installation: Installation, driver: Driver) -> None:
    drop = anomalies_page(installation, AnomaliesQuestion()).items[0]
    driver.feed(*events_in(DROP, "PURCHASE", 50), intake="import")
    driver.process()
    assert ("PURCHASE", "down", DROP) not in told(installation)
    with pytest.raises(NotThere, match="nothing is out of the ordinary there any more"):
        anomaly_page(installation, drop.id)


def test_an_hour_that_lasts_is_told_when_it_is_high_and_not_when_it_is_low(
    installation: Installation, driver: Driver
) -> None:
    assert HOURS not in [hour for _, _, hour in told(installation)]
    driver.feed(*events_in(HOURS, "PAGE_VIEW", 400))
    driver.process()
    page = anomalies_page(installation, AnomaliesQuestion())
    assert [(each.key, each.final) for each in page.items[:2]] == [
        ({}, False),
        ({"eventType": "PAGE_VIEW"}, False),
    ]


def test_windows_that_overlap_count_an_event_once(installation: Installation) -> None:
    page = anomalies_page(installation, AnomaliesQuestion(metric="sliding_hours"))
    hourly = anomalies_page(installation, AnomaliesQuestion(metric="hourly"))
    (rise,) = page.items
    (same,) = [each for each in hourly.items if not each.key]
    assert (rise.window_start, rise.observed, rise.rank) == (
        same.window_start,
        same.observed,
        same.rank,
    )


def test_days_of_a_time_zone_need_more_history_than_there_is(installation: Installation) -> None:
    page = anomalies_page(installation, AnomaliesQuestion(metric="daily"))
    assert (page.items, page.watched) == ([], 1)


def test_a_question_about_any_time_has_an_answer(
    make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also about the first year that there is, where calendars end."""
    monkeypatch.setattr(series, "WINDOWS_MAX", 30_000)
    monthly = Metric("monthly", "M", Calendar("month", "America/New_York"), (Count("n"),))
    metrics = (*METRICS[:2], monthly)
    driver = watched(make_driver(*metrics))
    read = Installation(driver.store, metrics, SystemClock())
    for metric in metrics:
        for start_from in (EARLIEST, START, LATEST):
            for start_to in (EARLIEST, START + HOUR, LATEST):
                if start_from > start_to:
                    continue  # no span of time, and refused
                asked = AnomaliesQuestion(
                    metric=metric.name, start_from=start_from, start_to=start_to
                )
                assert anomalies_page(read, asked).next_cursor is None


def test_what_is_keyed_by_what_products_are_can_be_asked_about(tmp_path: Path) -> None:
    by_category = Metric(
        "carts_by_category", "C", tumbling(hours=1), (Count("n"),), (Product("category"),)
    )
    driver = Driver((by_category,), tmp_path)
    driver.advance(seconds=74 * 3_600)
    for product, category in (("kettle", "kitchen"), ("tent", "outdoor")):
        driver.update_products({"productId": product, "category": category, "validFrom": 0})
        driver.feed(
            *(
                {**event, "productId": product}
                for hour in range(72)
                for count in (90 if (hour, product) == (70, "tent") else 10,)
                for event in events_in(hour, "ADD_TO_CART", count)
            ),
            intake="import",
        )
    driver.process()
    read = Installation(driver.store, (by_category,), SystemClock())
    asked = AnomaliesQuestion(
        metric="carts_by_category", start_from=START, start_to=START + 71 * HOUR
    )
    found = [(each.key, each.observed) for each in anomalies_page(read, asked).items]
    assert found == [({}, 100), ({"category": "outdoor"}, 90)]
    driver.close()


def test_wrong_questions_say_what_to_ask(installation: Installation) -> None:
    for asked, what in (
        ({"metric": "averages"}, "nothing that adds up"),
        ({"equals": {"eventType": ("A",)}}, "a key is one of a metric"),
        ({"metric": "daily", "equals": {"eventType": ("A",)}}, "no part of the key"),
        ({"cursor": "abc"}, "the cursor does not belong"),
    ):
        with pytest.raises(BadRequest, match=what):
            anomalies_page(installation, AnomaliesQuestion(**asked))
    with pytest.raises(NotThere):
        anomalies_page(installation, AnomaliesQuestion(metric="nothing"))
    with pytest.raises(NotThere, match="there is no anomaly 'abc'"):
        anomaly_page(installation, "abc")


def test_alarms_need_a_measure_that_adds_up() -> None:
    for alarms, measures in (
        (Alarms(), (Average("average"),)),
        (Alarms(measure="nothing"), (Count("event_count"),)),
        (Alarms(measure="average"), (Average("average"), Count("event_count"))),
    ):
        with pytest.raises(UsageError, match="can be watched"):
            Metric("some", "Some", tumbling(hours=1), measures, alarms=alarms)
    watched = Metric("some", "Some", tumbling(hours=1), (Count("n"),), alarms=Alarms())
    unwatched = Metric("some", "Some", tumbling(hours=1), (Count("n"),))
    assert watched.fingerprint == unwatched.fingerprint


def test_a_store_without_events_has_nothing_to_tell(make_driver: MakeDriver) -> None:
    empty = make_driver(*METRICS)
    page = anomalies_page(Installation(empty.store, METRICS, SystemClock()), AnomaliesQuestion())
    assert (page.items, page.watched) == ([], 0)


def test_what_is_told_does_not_depend_on_how_far_back_is_asked(
    installation: Installation, driver: Driver
) -> None:
    """A key that was there years ago, and then all at once again."""
    again = "AGAIN"
    long_ago = {**events_in(0, again, 1)[0], "timestamp": "2024-01-01T00:00:00Z"}
    driver.feed(long_ago, *events_in(HOURS - 1, again, 200), intake="import")
    driver.process()
    lists = [
        [each for each in page.items if each.key == {"eventType": again}]
        for start_from in (START, 1_640_995_200_000)
        for page in [anomalies_page(installation, AnomaliesQuestion(start_from=start_from))]
    ]
    assert lists[0] == lists[1]
    (one,) = lists[0]
    assert anomaly_page(installation, one.id).anomaly == one
