"""Windows of a metric as series: in order, with zeros, by key, and within limits."""

from collections.abc import Callable, Mapping

import pytest

from rtcdp.anomalies import reach
from rtcdp.answers import series
from rtcdp.answers.keeper import Keeper
from rtcdp.answers.kept_days import KeptDays
from rtcdp.answers.series import KeyedSeries, SeriesFound, Wanted, series_of
from rtcdp.definitions import Calendar, Count, Metric, sliding, tumbling
from rtcdp.events.event import MIN_TIMESTAMP_MS
from rtcdp.testing.driver import Driver
from tests.watched import HOUR, START, events_in

DAY = 24 * HOUR
BY_TYPE = Metric("by_type", "By type", tumbling(hours=1), (Count("n"),), key=("eventType",))
IN_BERLIN = Metric("in_berlin", "By days", Calendar("day", "Europe/Berlin"), (Count("n"),))
OF_TWO_DAYS = Metric(
    "of_two_days",
    "Of two days",
    sliding(size_seconds=2 * 86_400, every_seconds=3_600),
    (Count("n"),),
)

MakeDriver = Callable[..., Driver]


def found(
    driver: Driver,
    metric: Metric,
    equals: Mapping[str, tuple[str, ...]] | None = None,
    final_until: int = START,
    start_from: int = START,
) -> SeriesFound:
    wanted = Wanted(metric.measures[0], equals or {}, start_from, None, final_until)
    with driver.store.snapshot() as snapshot:
        return series_of(snapshot, metric, wanted)


def told(keyed: KeyedSeries) -> tuple[tuple[str, ...] | None, list[int], list[float]]:
    hours = [(int(start) - START) // HOUR for start in keyed.starts]
    return keyed.key, hours, keyed.series.values.tolist()


@pytest.fixture
def driver(make_driver: MakeDriver) -> Driver:
    driver = make_driver(BY_TYPE)
    driver.advance(seconds=86_400)
    driver.feed(
        *events_in(0, "A", 2), *events_in(3, "A", 5), *events_in(2, "B", 1), intake="import"
    )
    driver.process()
    return driver


def test_hours_without_events_are_zero_from_the_first_one_on(driver: Driver) -> None:
    overall, most, least = found(driver, BY_TYPE).items
    assert told(overall) == (None, [0, 1, 2, 3], [2, 0, 1, 5])
    assert told(most) == (("A",), [0, 1, 2, 3], [2, 0, 0, 5])
    assert told(least) == (("B",), [2, 3], [1, 0])
    assert [each.series.per_day for each in (overall, most, least)] == [24] * 3


def test_what_has_ended_by_the_watermark_is_final_and_there(driver: Driver) -> None:
    overall, _, least = found(driver, BY_TYPE, final_until=START + 6 * HOUR + 1).items
    assert told(overall) == (None, [0, 1, 2, 3, 4, 5], [2, 0, 1, 5, 0, 0])
    assert (overall.series.final_count, least.series.final_count) == (6, 4)
    overall, *_ = found(driver, BY_TYPE, final_until=START + 2 * HOUR - 1).items
    assert overall.series.final_count == 1


def test_keys_can_be_asked_for(driver: Driver) -> None:
    for wanted in (("B",), ("B", "C")):  # C has no events
        (only,) = found(driver, BY_TYPE, {"eventType": wanted}).items
        assert told(only) == (("B",), [2], [1])
    both = found(driver, BY_TYPE, {"eventType": ("A", "B")}).items
    assert [each.key for each in both] == [("A",), ("B",)]
    assert found(driver, BY_TYPE, {"eventType": ("C",)}).items == ()


def test_the_keys_with_the_most_are_watched(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "KEYS_MAX", 1)
    some = found(driver, BY_TYPE)
    assert ([each.key for each in some.items], some.left_out) == ([None, ("A",)], 1)


def test_where_there_is_too_much_history_is_shorter(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(driver, BY_TYPE).cut_at is None
    monkeypatch.setattr(series, "ROWS_MAX", 2)
    cut = found(driver, BY_TYPE)
    assert cut.cut_at == START + 3 * HOUR
    assert told(cut.items[0]) == (None, [3], [5])


@pytest.mark.parametrize("rows_max", range(2, 6))
def test_where_history_is_cut_no_window_is_told_of_in_part(
    make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch, rows_max: int
) -> None:
    """Though it is longer than the days that are read one by one."""
    driver = make_driver(OF_TWO_DAYS)
    driver.advance(seconds=5 * 86_400)
    days = [event for day in range(5) for event in events_in(24 * day, "A", 1)]
    driver.feed(*days, intake="import")
    driver.process()
    monkeypatch.setattr(series, "ROWS_MAX", rows_max)
    until = START + 5 * DAY
    wanted = Wanted(OF_TWO_DAYS.measures[0], {}, until, None, until)
    with driver.store.snapshot() as snapshot:
        at_once = series_of(snapshot, OF_TWO_DAYS, wanted)
        by_days = series_of(snapshot, OF_TWO_DAYS, wanted, Keeper(KeptDays(), (OF_TWO_DAYS,)))
    (one,), (other,) = at_once.items, by_days.items
    assert one.starts.tolist() == other.starts.tolist()
    assert one.series.values.tolist() == other.series.values.tolist()


def test_a_series_has_no_more_windows_than_memory_holds(
    make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = make_driver(BY_TYPE)
    driver.advance(seconds=86_400)
    old = {**events_in(0, "A", 1)[0], "eventId": "old", "timestamp": "0002-01-01T00:00:00Z"}
    driver.feed(old, *events_in(3, "A", 5), *events_in(7, "B", 1), intake="import")
    driver.process()
    overall, a, b = found(driver, BY_TYPE, start_from=MIN_TIMESTAMP_MS).items
    for keyed in (overall, a):
        assert len(keyed.starts) == series.WINDOWS_MAX
    assert (overall.series.values.sum(), a.series.values.sum()) == (6, 5)
    assert told(b) == (("B",), [7], [1])
    monkeypatch.setattr(series, "WINDOWS_MAX", 4)
    cut = found(driver, BY_TYPE)
    assert told(cut.items[0]) == (None, [4, 5, 6, 7], [0, 0, 0, 1])
    assert cut.cut_at == START + 4 * HOUR
    assert cut.judge_from == cut.cut_at + reach(24) * HOUR, "their history is gone"


def test_a_series_begins_with_its_first_window_or_where_it_is_looked_at(
    make_driver: MakeDriver,
) -> None:
    driver = make_driver(BY_TYPE)
    driver.advance(seconds=86_400)
    long_ago = {**events_in(0, "A", 1)[0], "timestamp": "2001-01-01T00:00:00Z"}
    driver.feed(long_ago, *events_in(3, "A", 5), *events_in(3, "B", 1), intake="import")
    driver.process()
    overall, a, b = found(driver, BY_TYPE).items
    assert [len(keyed.starts) for keyed in (overall, a, b)] == [reach(24) + 4] * 2 + [1]


def test_days_of_a_time_zone_are_as_long_as_they_are(make_driver: MakeDriver) -> None:
    driver = make_driver(IN_BERLIN)
    driver.advance(seconds=100 * 86_400)
    saturday = (1_774_652_400_000 - START) // HOUR  # 2026-03-28T00:00+01:00; then a day of 23 h
    for hour in (saturday, saturday + 24, saturday + 47):
        driver.feed(*events_in(hour, "A", 1), intake="import")
    driver.process()
    (days,) = found(driver, IN_BERLIN).items
    assert told(days) == (None, [saturday, saturday + 24, saturday + 47], [1, 1, 1])
    assert days.series.per_day == 1
