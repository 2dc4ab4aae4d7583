"""Times as they are written and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.answers.instant import SECONDS, iso_ms, iso_ms_or_none, read_instant
from rtcdp.definitions import MAX_SIZE_MS
from rtcdp.errors import BadRequest
from rtcdp.events.event import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS


def test_times_are_written_in_utc_with_milliseconds() -> None:
    assert iso_ms(1_767_225_600_007) == "2026-01-01T00:00:00.007Z"
    assert iso_ms(-1) == "1969-12-31T23:59:59.999Z"


@pytest.mark.parametrize(
    "instant", [MIN_TIMESTAMP_MS - MAX_SIZE_MS, MAX_TIMESTAMP_MS + MAX_SIZE_MS]
)
def test_where_any_window_begins_or_ends_is_written_with_four_digits_and_read_back(
    instant: int,
) -> None:
    assert len(iso_ms(instant)) == len("2026-01-01T00:00:00.000Z")
    assert read_instant("from", iso_ms(instant)) == instant


def test_what_is_asked_for_is_rounded_down_like_events() -> None:
    assert read_instant("from", "1970-01-01T00:00:00.999999999Z") == 999


def test_no_time_stays_none() -> None:
    assert iso_ms_or_none(None) is None
    assert iso_ms_or_none(0) == "1970-01-01T00:00:00.000Z"


@given(st.integers(MIN_TIMESTAMP_MS, MAX_TIMESTAMP_MS))
def test_a_time_is_read_back_from_text_and_from_milliseconds(instant: int) -> None:
    assert read_instant("from", iso_ms(instant)) == instant
    if abs(instant) not in SECONDS:
        assert read_instant("from", str(instant)) == instant


def test_a_date_alone_is_its_beginning_in_utc() -> None:
    assert read_instant("from", "2026-01-31") == read_instant("from", "2026-01-31T00:00:00Z")


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("1767225600", "seconds"),
        ("1767225600.5", "seconds"),
        ("1767225600000000", "microseconds"),
        ("1767225600000000000", "nanoseconds"),
    ],
)
def test_a_number_in_another_unit_is_refused_with_its_milliseconds(text: str, unit: str) -> None:
    with pytest.raises(BadRequest, match=f"looks like {unit} since 1970") as refused:
        read_instant("from", text)
    assert refused.value.hint == "send milliseconds: from=1767225600000"


@pytest.mark.parametrize(
    "text", ["2026-01-31T09:30:00", "2026-01-31 09:30", "2026-01-31T09:30:00.5"]
)
def test_a_time_without_an_offset_is_refused_with_one(text: str) -> None:
    with pytest.raises(BadRequest, match="has no offset") as refused:
        read_instant("from", text)
    assert f"send from={text}Z" in refused.value.hint


def test_an_offset_is_heeded() -> None:
    assert read_instant("from", "1970-01-01T02:00:00+02:00") == 0


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-02-30", "2026-1-31", "1.5", "9" * 13 + "z", "9" * 400, "١"]
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_instant("from", text)
    assert "send from=2026-01-31T09:30:00.000Z" in refused.value.hint
