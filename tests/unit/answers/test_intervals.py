"""Time, cut where people's clocks begin something new."""

from datetime import datetime

import pytest

from rtcdp.answers.instant import iso_ms
from rtcdp.answers.intervals import PIECES_MAX, Cut
from rtcdp.errors import BadRequest, UsageError


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def hours(zone: str, start: str, end: str, interval: str = "hour") -> list[str]:
    edges = Cut(interval, zone).edges(at(start), at(end))  # type: ignore[arg-type]
    return [iso_ms(edge)[11:16] for edge in edges]


def test_without_an_interval_all_time_is_one_piece() -> None:
    assert Cut("none").edges(3, 7) == [3, 7]


def test_the_first_and_the_last_piece_are_only_as_long_as_what_is_cut() -> None:
    assert hours("UTC", "2026-01-01T00:20Z", "2026-01-01T02:10Z") == [
        "00:20",
        "01:00",
        "02:00",
        "02:10",
    ]


def test_an_hour_of_a_zone_with_half_hours_begins_at_half_past() -> None:
    assert hours("Asia/Kolkata", "2026-01-01T00:30Z", "2026-01-01T02:30Z") == [
        "00:30",
        "01:30",
        "02:30",
    ]


def test_a_day_has_23_or_25_hours_where_clocks_are_changed() -> None:
    zone = "Europe/Berlin"
    spring = hours(zone, "2026-03-28T23:00Z", "2026-03-29T22:00Z")
    autumn = hours(zone, "2026-10-24T22:00Z", "2026-10-25T23:00Z")
    assert (len(spring) - 1, len(autumn) - 1) == (23, 25)
    assert Cut("day", zone).edges(at("2026-03-28T23:00Z"), at("2026-03-30T22:00Z")) == [
        at("2026-03-28T23:00Z"),
        at("2026-03-29T22:00Z"),
        at("2026-03-30T22:00Z"),
    ]


def test_where_clocks_change_by_half_an_hour_a_piece_ends_there() -> None:
    """Lord Howe: at 15:00 UTC it is 2:00, and then half past one once more."""
    zone = "Australia/Lord_Howe"
    assert hours(zone, "2026-04-04T14:00Z", "2026-04-04T16:30Z") == [
        "14:00",
        "15:00",
        "15:30",
        "16:30",
    ]
    cut = Cut("hour", zone)
    assert cut.start_of(at("2026-04-04T15:20Z")) == at("2026-04-04T15:00Z")
    assert cut.start_of(at("2026-04-04T14:59Z")) == at("2026-04-04T14:00Z")


@pytest.mark.parametrize(("day", "edge"), [("monday", "2026-01-05"), ("sunday", "2026-01-04")])
def test_a_week_begins_with_the_day_that_is_said(day: str, edge: str) -> None:
    cut = Cut("week", "UTC", day)  # type: ignore[arg-type]
    assert cut.edges(at("2026-01-01T00:00Z"), at("2026-01-06T00:00Z"))[1] == at(f"{edge}T00:00Z")


def test_minutes_and_months_are_pieces_too() -> None:
    minutes = hours("UTC", "2026-01-01T00:00Z", "2026-01-01T00:02Z", "minute")
    assert minutes == ["00:00", "00:01", "00:02"]
    months = Cut("month").edges(at("2026-01-01T00:00Z"), at("2026-03-01T00:00Z"))
    assert len(months) == 3


def test_more_pieces_than_can_be_shown_are_refused() -> None:
    end = at("2026-01-01T00:00Z")
    assert len(Cut("minute").edges(end - PIECES_MAX * 60_000, end)) == PIECES_MAX + 1
    with pytest.raises(BadRequest, match="more than 10,000 of each minute"):
        Cut("minute").edges(end - (PIECES_MAX + 1) * 60_000, end)


def test_a_zone_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UsageError, match="no time zone"):
        Cut("day", "Europe/Atlantis")
