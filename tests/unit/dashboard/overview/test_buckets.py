"""Time in the pieces of a chart."""

from datetime import datetime
from zoneinfo import ZoneInfo

from rtcdp.clock import DAY_MS, HOUR_MS
from rtcdp.dashboard.overview.buckets import Buckets, buckets_of
from rtcdp.dashboard.period import Period
from tests.unit.dashboard.overview.conftest import MINUTE_MS, NOW


def test_the_last_hour_has_sixty_minutes_and_the_open_one(hour: Buckets) -> None:
    assert (hour.interval, len(hour.starts), hour.closed) == ("minute", 61, 60)
    assert hour.gone_ms == 12_000
    assert hour.open_ms == MINUTE_MS
    assert hour.closed_end == NOW - 12_000
    assert hour.start == hour.before[-1]
    assert len(hour.before) == hour.closed + 1


def test_the_time_before_is_whole_if_nothing_was_missing_when_it_began(hour: Buckets) -> None:
    assert hour.has_all_before(None)
    assert hour.has_all_before(hour.before[0])
    assert not hour.has_all_before(hour.before[0] + 1)
    ahead = buckets_of(Period(NOW + DAY_MS, NOW + 2 * DAY_MS, False), "UTC", NOW)
    assert not ahead.has_all_before(None)


def test_a_time_to_come_has_nothing_open() -> None:
    ahead = buckets_of(Period(NOW + DAY_MS, NOW + 2 * DAY_MS, False), "UTC", NOW)
    assert (ahead.gone_ms, ahead.closed) == (None, 0)


def test_a_time_that_is_over_has_nothing_open() -> None:
    past = buckets_of(Period(NOW - 3 * DAY_MS, NOW - 2 * DAY_MS, False), "UTC", NOW)
    assert (past.interval, past.gone_ms, past.closed) == ("hour", None, len(past.starts))


def test_a_time_to_come_has_nothing_to_compare_with() -> None:
    future = buckets_of(Period(NOW + DAY_MS, NOW + 2 * DAY_MS, False), "UTC", NOW)
    assert (future.closed, len(future.before)) == (0, 1)


def test_days_are_those_of_the_zone_also_when_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    end = int(datetime(2026, 4, 10, 12, tzinfo=berlin).timestamp() * 1000)
    days = buckets_of(Period(end - 30 * DAY_MS, end, True), "Europe/Berlin", end)
    hours = [datetime.fromtimestamp(at / 1000, berlin).hour for at in (*days.before, *days.edges)]
    assert days.interval == "day"
    assert set(hours) == {0}
    lengths = {after - at for at, after in zip(days.edges, days.edges[1:], strict=False)}
    assert lengths == {DAY_MS, DAY_MS - HOUR_MS}
    assert len(days.before) == days.closed + 1
