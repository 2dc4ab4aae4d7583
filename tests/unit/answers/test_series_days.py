"""The windows of a series: the newest ones up to a limit, whole, each moment in one of them."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from rtcdp.answers.series_days import VALUE, Windows, WindowsWanted, newest_windows, step_ms
from rtcdp.clock import DAY_MS
from rtcdp.definitions import BUCKET_START, Count, Metric, sliding, tumbling
from rtcdp.store import StoreSnapshot
from rtcdp.testing.driver import Driver
from tests.watched import HOUR, HOURS, START, events_in

COUNT = Count("n")
HOURLY = Metric("hourly", "t", tumbling(hours=1), (COUNT,), key=("eventType",))
OVERLAPPING = Metric("overlapping", "t", sliding(size_seconds=7_200, every_seconds=600), (COUNT,))


@pytest.fixture
def snapshot(make_driver: Callable[..., Driver]) -> Iterator[StoreSnapshot]:
    """Of each hour of six days, as many page views as it has passed hours of its day, and a
    purchase."""
    driver = make_driver(HOURLY, OVERLAPPING)
    driver.advance(seconds=(START + HOURS * HOUR - driver.now_ms) / 1_000)
    events = [
        event
        for hour in range(HOURS)
        for event in (
            *events_in(hour, "PAGE_VIEW", hour % 24),
            *events_in(hour, "PURCHASE", 1),
        )
    ]
    driver.feed(*events, intake="import")
    driver.process()
    with driver.store.snapshot() as snapshot:
        yield snapshot


def wanted(start: int = START, end: int | None = None, **equals: tuple[str, ...]) -> WindowsWanted:
    return WindowsWanted(COUNT, equals, start, end)


def counted(parts: list[Windows], key: tuple[str, ...] | None) -> dict[int, int]:
    found: dict[int, int] = {}
    for part in parts:
        starts, values = part.of_key(key)
        for start, value in zip(starts.tolist(), values.tolist(), strict=True):
            found[start] = found.get(start, 0) + round(value)
    return found


def test_each_hour_of_each_key_has_its_number(snapshot: StoreSnapshot) -> None:
    parts, is_cut = newest_windows(snapshot, HOURLY, wanted(), 10_000)
    assert not is_cut
    views = {START + hour * HOUR: hour % 24 for hour in range(HOURS) if hour % 24}
    assert counted(parts, ("PAGE_VIEW",)) == views
    assert counted(parts, ("PURCHASE",)) == {START + hour * HOUR: 1 for hour in range(HOURS)}
    assert counted(parts, ("NOBODY",)) == {}
    days = pl.concat([part.by_day for part in parts]).filter(pl.col("eventType") == "PAGE_VIEW")
    assert days[VALUE].to_list() == [sum(range(24))] * 6


def test_a_range_and_some_keys_are_asked_for(snapshot: StoreSnapshot) -> None:
    span = START + DAY_MS, START + DAY_MS + 3 * HOUR
    one, _ = newest_windows(snapshot, HOURLY, wanted(*span, eventType=("PURCHASE",)), 10_000)
    assert counted(one, None) == dict.fromkeys(range(*span, HOUR), 1)
    kinds = ("PURCHASE", "NOBODY")
    some, _ = newest_windows(snapshot, HOURLY, wanted(*span, eventType=kinds), 10_000)
    assert counted(some, None) == counted(one, None)


def test_beyond_the_limit_the_newest_windows_are_left_and_they_are_whole(
    snapshot: StoreSnapshot,
) -> None:
    parts, is_cut = newest_windows(snapshot, HOURLY, wanted(), 41)
    assert is_cut
    starts = sorted(counted(parts, None))
    assert starts[-1] == START + (HOURS - 1) * HOUR
    assert all(after - before == HOUR for before, after in pairwise(starts))
    assert 15 < len(starts) <= 41
    whole = counted(newest_windows(snapshot, HOURLY, wanted(), 10_000)[0], None)
    assert counted(parts, None) == {start: whole[start] for start in starts}


def test_of_windows_that_overlap_those_are_taken_that_do_not(snapshot: StoreSnapshot) -> None:
    assert step_ms(OVERLAPPING) == 2 * HOUR
    parts, _ = newest_windows(snapshot, OVERLAPPING, wanted(), 10_000)
    found = counted(parts, None)
    assert all(start % (2 * HOUR) == 0 for start in found)
    assert sum(found.values()) == 6 * (sum(range(24)) + 24)


def test_windows_since_a_time_are_those_that_begin_then_or_later() -> None:
    rows = pl.DataFrame({BUCKET_START: [3, 1, 2], "kind": ["b", "a", "b"], VALUE: [1.0, -2.0, 4.0]})
    windows = Windows.of(rows, ["kind"], np.array([1, 2, 3]))
    later = windows.since(2)
    assert sorted(later.of_key(None)[0].tolist()) == [2, 3]
    assert later.of_key(("a",))[0].tolist() == []
    assert windows.since(1) is windows
    assert windows.by_day.sort("kind")[VALUE].to_list() == [2.0, 5.0]
    assert windows.size_bytes > later.size_bytes
