"""What is made of an event means the same in columns and for one event in plain Python."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtcdp.events.codec import decode
from rtcdp.events.columns import column_type, decode_lines, from_event, row_of
from rtcdp.events.derived import (
    Buckets,
    Property,
    UrlHost,
    UrlPath,
    derived,
    field_name,
    number_column,
    number_text,
    text_column,
)

PLAN = Property("plan type", called="plan")
QUANTITY = Property("quantity")
DERIVED = [PLAN, QUANTITY, UrlPath(), UrlHost(), Buckets("value", (0, 10, 99.5))]
COLUMNS = [
    *map(text_column, [*DERIVED, Buckets(QUANTITY, (-1, 1e6))]),
    *map(number_column, [PLAN, QUANTITY]),
]

addresses = st.from_regex(
    r"((https?|ftp|a\.b):)?(//)?([a-zA-Z:@.\[\]0-9]{0,8})(/[a-z/]{0,4})?(\?[a-z/:@]{0,4})?(#[a-z?/]{0,4})?",
    fullmatch=True,
) | st.text(max_size=12)
things = st.one_of(
    st.text(max_size=5),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.lists(st.none(), max_size=1),
    st.sampled_from(["x" * 256, "x" * 257, "a\0b", "12", -0.0, 1e15, 10.0, 2.0**33, 2.0**33 + 1]),
)
properties = st.none() | st.dictionaries(
    st.sampled_from(["plan type", "quantity", "other"]), things, max_size=3
)


def lines_of(*events: dict[str, object]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def event(**fields: object) -> dict[str, object]:
    return {"userId": "ada", "eventType": "A", "timestamp": 5, **fields}


@given(st.lists(st.tuples(addresses, properties, st.none() | st.floats(-200, 200)), max_size=5))
@example([("https://Ann:pw@Shop.EXAMPLE:8080/a/b?c#d", {"plan type": "pro"}, 10.0)])
@example([("//[::1]:80", {"quantity": 3}, 0.0), ("?q", None, None), ("", {}, -0.0)])
def test_a_batch_says_what_each_event_says(given_events) -> None:
    lines = lines_of(
        *(event(pageUrl=url, properties=held, value=value) for url, held, value in given_events)
    )
    accepted = [line for line in lines.splitlines(keepends=True) if hasattr(decode(line), "value")]
    frame = decode_lines(b"".join(accepted), len(accepted), COLUMNS) if accepted else None
    for number, line in enumerate(accepted):
        expected = row_of(from_event(decode(line)), COLUMNS)
        assert frame is not None
        assert frame.select(COLUMNS).row(number, named=True) == expected


@pytest.mark.parametrize(
    ("address", "path", "host"),
    [
        ("https://Shop.Example/a/b?c=d#e", "/a/b", "shop.example"),
        ("https://shop.example", "/", "shop.example"),
        ("https://ann:pw@shop.example:8080?c", "/", "shop.example"),
        ("//shop.example/a", "/a", "shop.example"),
        ("http://[::1]:80/a", "/a", "[::1]"),
        ("/a?next=https://x.example/", "/a", None),
        ("a/b", "a/b", None),
        ("file:///a", "/a", None),
        ("", "/", None),
        (None, None, None),
    ],
)
def test_paths_and_hosts(address, path, host) -> None:
    row = row_of({"pageUrl": address}, ["url_path:pageUrl", "url_host:pageUrl"])
    assert list(row.values()) == [path, host]


@pytest.mark.parametrize(
    ("value", "text", "number"),
    [
        ("pro", "pro", None),
        ("", "", None),
        ("12", "12", None),
        (12, "12", 12.0),
        (12.0, "12", 12.0),
        (-0.0, "0", 0.0),
        (0.25, "0.25", 0.25),
        (1e16, "1e+16", None),
        (True, "true", None),
        (False, "false", None),
        (None, None, None),
        (["pro"], None, None),
        ({"pro": 1}, None, None),
        ("x" * 257, None, None),
        ("a\0b", None, None),
    ],
)
def test_properties_as_text_and_as_number(value, text, number) -> None:
    fields = {"properties": json.dumps({"plan type": value}).encode()}
    row = row_of(fields, [text_column(PLAN), number_column(PLAN)])
    assert list(row.values()) == [text, number]


def test_a_bucket_holds_its_lower_limit() -> None:
    buckets = Buckets("value", (0, 10, 99.5))
    assert buckets.labels == ["..0", "0..10", "10..99.5", "99.5.."]
    found = [buckets.of_event({"value": value}) for value in (-0.1, 0.0, 9.9, 10.0, 99.5, None)]
    assert found == ["..0", "0..10", "0..10", "10..99.5", "99.5..", None]


@pytest.mark.parametrize("made", [*DERIVED, Buckets(QUANTITY, (1, 2.5))])
def test_a_column_tells_what_is_in_it(made) -> None:
    again = derived(made.column)
    assert again is not None
    assert again.column == made.column
    assert type(again) is type(made)
    assert again.fields == made.fields


def test_names_and_types() -> None:
    assert [field_name(each) for each in DERIVED] == [
        "plan",
        "quantity",
        "pageUrlPath",
        "pageUrlHost",
        "valueBucket",
    ]
    assert [str(column_type(column)) for column in ("value", *COLUMNS[-2:])] == ["Float64"] * 3
    assert derived("pageUrl") is None
    assert [number_text(number) for number in (3.0, 0.1, -2, 1e15, 1e16)] == [
        *("3", "0.1", "-2", "1000000000000000", "1e+16")
    ]
