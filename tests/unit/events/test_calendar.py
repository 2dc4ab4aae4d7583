"""Days, weeks and months of a time zone, in columns and for one event."""

import random
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from rtcdp.errors import UsageError
from rtcdp.events.calendar import CalendarStart, zone_of
from rtcdp.events.derived import Batch, derived
from rtcdp.events.event import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS

HOUR_MS = 3_600_000
ZONES = (
    *("UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo"),
    *("Africa/Cairo", "Pacific/Apia", "America/Toronto", "Etc/GMT+12"),
)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def batch(instants: list[int]) -> Batch:
    return Batch(pl.DataFrame({"timestamp": np.array(instants, np.int64)}), lambda _: [])


@pytest.mark.parametrize(
    ("unit", "instant", "start", "end"),
    [
        ("day", "2026-03-29T12:00+02:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("day", "2026-10-25T23:59+01:00", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        ("day", "2026-01-01T00:00+01:00", "2026-01-01T00:00+01:00", "2026-01-02T00:00+01:00"),
        ("week", "2026-03-29T23:59+02:00", "2026-03-23T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("month", "2026-10-31T23:00+01:00", "2026-10-01T00:00+02:00", "2026-11-01T00:00+01:00"),
        ("month", "2024-02-29T00:00+01:00", "2024-02-01T00:00+01:00", "2024-03-01T00:00+01:00"),
    ],
)
def test_berlin(unit, instant, start, end) -> None:
    calendar = CalendarStart(unit, "Europe/Berlin", "monday")
    assert calendar.start_of(at(instant)) == at(start)
    assert calendar.end_of(at(start)) == at(end)
    assert batch([at(instant)]).column(calendar.column).to_list() == [at(start)]
    assert calendar.start_of(at(end)) == at(end)
    assert calendar.start_of(at(end) - 1) == at(start)


def test_a_week_begins_when_it_is_told_to() -> None:
    sunday = CalendarStart("week", "UTC", "sunday")
    assert sunday.start_of(at("2026-03-28T23:59+00:00")) == at("2026-03-22T00:00+00:00")
    assert sunday.start_of(at("2026-03-29T00:00+00:00")) == at("2026-03-29T00:00+00:00")


def test_a_day_without_midnight_begins_when_it_would_have_been() -> None:
    calendar = CalendarStart("day", "America/Sao_Paulo", "monday")
    first = at("2018-11-04T00:00-03:00")
    assert calendar.start_of(first) == first == at("2018-11-04T01:00-02:00")
    assert calendar.end_of(first) - first == 23 * HOUR_MS


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", ["day", "week", "month"])
def test_a_batch_says_what_each_event_says(unit, zone) -> None:
    draw = random.Random(f"{unit} {zone}")
    ranges = [
        (MIN_TIMESTAMP_MS, MAX_TIMESTAMP_MS),
        (at("1900-01-01T00:00+00:00"), at("2030-01-01T00:00+00:00")),
        (at("2011-12-28T00:00+00:00"), at("2012-01-02T00:00+00:00")),
        (at("2026-03-28T00:00+00:00"), at("2026-03-31T00:00+00:00")),
    ]
    instants = [draw.randrange(*span) for span in ranges for _ in range(60)]
    instants += [MIN_TIMESTAMP_MS, MAX_TIMESTAMP_MS]
    calendar = CalendarStart(unit, zone, "thursday")
    expected = [calendar.of_event({"timestamp": instant}) for instant in instants]
    assert batch(instants).column(calendar.column).to_list() == expected
    assert [calendar.start_of(instant) for instant in instants] == expected
    for start, instant in zip(expected, instants, strict=True):
        assert start <= instant < calendar.end_of(int(start))


def test_its_column_tells_all_about_it() -> None:
    calendar = CalendarStart("week", "America/Argentina/Buenos_Aires", "sunday")
    assert derived(calendar.column) == calendar
    assert batch([]).column(calendar.column).to_list() == []


@pytest.mark.parametrize("name", ["Mars/Phobos", "", "../secrets", "Europe", "/etc/passwd"])
def test_a_zone_that_there_is_none_of(name) -> None:
    with pytest.raises(UsageError, match="no time zone"):
        zone_of(name)
