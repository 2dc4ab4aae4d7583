"""What is made of fields and how calendars cut time, read twice: the written rule's words and
numbers, and the product's own reading beside them."""

import json
from datetime import datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.definitions import Buckets, Calendar, Number, Property, Text, UrlHost, UrlPath
from rtcdp.events.calendar import Unit, Weekday
from rtcdp.events.derived import number_in, text_in
from rtcdp.verify.event_values import end_of, starts_of, value_in

PATH, HOST = {"made": "path", "of": "pageUrl"}, {"made": "host", "of": "pageUrl"}
TEXT, NUMBER = {"made": "property", "key": "k"}, {"made": "number", "key": "k"}


@pytest.mark.parametrize(
    ("address", "path", "host"),
    [
        (None, None, None),
        ("", "/", None),
        ("/a?b#c", "/a", None),
        ("https://Shop.example:8080", "/", "shop.example"),
        ("//me:x@ÄB.example/a//b?c", "/a//b", "Äb.example"),
        ("a1+b-c.d://[::1]:/x", "/x", "[::1]"),
        ("1a://h/x", "1a://h/x", None),
        ("https:///only", "/only", None),
        ("?//host/x", "/", None),
        ("x/y", "x/y", None),
    ],
)
def test_of_an_address(address: str | None, path: str | None, host: str | None) -> None:
    event = {"pageUrl": address}
    assert (value_in(PATH, event), value_in(HOST, event)) == (path, host)


@pytest.mark.parametrize(
    ("value", "text", "number"),
    [
        ("a", "a", None),
        ("x" * 256, "x" * 256, None),
        ("x" * 257, None, None),
        ("a\0", None, None),
        (True, "true", None),
        (None, None, None),
        (3, "3", 3.0),
        (3.0, "3", 3.0),
        (-0.0, "0", 0.0),
        (0.25, "0.25", 0.25),
        (1e16, "1e+16", None),
        (2**33, "8589934592", 2.0**33),
        (2**33 + 1, "8589934593", None),
    ],
)
def test_of_a_property(value: object, text: str | None, number: float | None) -> None:
    event = {"properties": (("k", "before", 0), ("k", value, 0))}
    assert (value_in(TEXT, event), value_in(NUMBER, event)) == (text, number)
    assert str(value_in(NUMBER, event)) == str(number)
    assert value_in(TEXT, {"properties": None}) is None


@pytest.mark.parametrize(
    ("value", "found"),
    [(-1.0, "..0"), (0.0, "0..2.5"), (2.4, "0..2.5"), (2.5, "2.5.."), (None, None)],
)
def test_of_ranges(value: float | None, found: str | None) -> None:
    field = {"made": "buckets", "of": "value", "limits": (0, 2.5)}
    assert value_in(field, {"value": value}) == found


texts = st.text(st.sampled_from("/:?#@aZ1.+-[]é\n"), max_size=12)
values = st.one_of(
    st.none(), st.booleans(), st.text(max_size=300), st.integers(-(2**63), 2**64 - 1), st.floats()
)


@given(texts)
def test_addresses_are_read_alike(address: str) -> None:
    event = {"pageUrl": address}
    assert value_in(PATH, event) == text_in(UrlPath(), event)
    assert value_in(HOST, event) == text_in(UrlHost(), event)


@given(values.filter(lambda value: value == value and abs_of(value) != float("inf")))
def test_properties_are_read_alike(value: object) -> None:
    event: dict[str, object] = {"properties": json.dumps({"k": value}).encode()}
    plain = {"properties": (("k", value, 0),)}
    fields: list[tuple[Any, Text]] = [
        (TEXT, Property("k")),
        (
            {"made": "buckets", "of": NUMBER, "limits": (-1.5, 0, 1e9)},
            Buckets(Property("k"), (-1.5, 0, 1e9)),
        ),
    ]
    for field, product_s in fields:
        assert value_in(field, plain) == text_in(product_s, event)
    number: Number = Property("k")
    assert value_in(NUMBER, plain) == number_in(number, event)


def abs_of(value: object) -> float:
    return abs(value) if isinstance(value, float) else 0.0


zones = st.sampled_from(
    ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Pacific/Apia", "Asia/Beirut")
)


@given(
    st.integers(-(10**13), 10**14),
    st.sampled_from(get_args(Unit)),
    zones,
    st.sampled_from(get_args(Weekday)),
)
def test_calendars_cut_time_alike(instant: int, unit: Unit, zone: str, first: Weekday) -> None:
    metric = {"calendar": {"unit": unit, "zone": zone, "week_starts": first}}
    calendar = Calendar(unit, zone, first)
    (start,) = starts_of(metric, instant)
    assert start == calendar.first_open(instant) <= instant < end_of(metric, start)
    assert end_of(metric, start) == calendar.end_of(start)


@pytest.mark.parametrize(
    ("moment", "start", "end"),
    [
        ("2026-03-29T12:00+02:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("2026-10-25T00:00+02:00", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
    ],
)
def test_a_day_has_as_many_hours_as_clocks_say(moment: str, start: str, end: str) -> None:
    metric = {"calendar": {"unit": "day", "zone": "Europe/Berlin", "week_starts": "monday"}}
    (found,) = starts_of(metric, milliseconds(moment))
    assert (found, end_of(metric, found)) == (milliseconds(start), milliseconds(end))


def milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
