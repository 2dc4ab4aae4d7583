"""Whatever the exact decoder accepts, the columnar one reads as the same values."""

import json

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rtcdp.events.codec import decode, decode_all, is_clean
from rtcdp.events.columns import EVENT_SCHEMA, decode_lines, from_event, split_lines
from rtcdp.events.dead_letter import Rejection
from rtcdp.events.event import CustomerActivityEvent

text = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["", "\0", '"', "\\", "a\nb", "é", "😀", "\x7f\x80", "null", "1e5", " x "]
)
number = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**66), 2**66)
    | st.sampled_from([0.1, 0.3, 1e22, 5e-324, 2.2250738585072011e-308, 9007199254740993, -0.0])
)
anything = st.recursive(
    st.none() | st.booleans() | number | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
instant = (
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
    | st.integers(-(2**50), 2**50)
    | st.sampled_from(["2026-01-31T09:30:00.250Z", "0001-01-01T00:00:00+14:00", 0, -1, "x"])
)
wire_event = st.fixed_dictionaries(
    {"userId": text, "timestamp": instant, "eventType": st.sampled_from(["A", "PAGE_VIEW", "b"])},
    optional={
        "eventId": text | st.none(),
        "sessionId": text | st.none(),
        "productId": text | st.none(),
        "pageUrl": text | st.none(),
        "value": number | st.none() | text,
        "properties": anything,
        "extra": anything,
    },
)
layout = st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :\r")])


@st.composite
def encoded_event(draw: st.DrawFn) -> bytes:
    separators, ascii_only = draw(layout), draw(st.booleans())
    encoded = json.dumps(draw(wire_event), separators=separators, ensure_ascii=ascii_only)
    return encoded.encode("utf-8", "surrogatepass")


def rows_of(events: list[CustomerActivityEvent]) -> list[dict[str, object]]:
    """Without `properties`, which are no column: what is derived of them has tests of its own."""
    rows = [from_event(event) for event in events]
    return [{name: row[name] for name in row if name != "properties"} for row in rows]


@settings(max_examples=400)
@given(st.lists(encoded_event(), min_size=1, max_size=12))
@example([b'{"userId":"a","timestamp":1,"eventType":"A","value":1234567890.1234567}'])
def test_columns_equal_the_exact_events(records: list[bytes]) -> None:
    verdicts = [(record, decode(record)) for record in records]
    accepted = [(r, e) for r, e in verdicts if not isinstance(e, Rejection)]
    if not accepted:
        return
    lines = b"".join(record.strip() + b"\n" for record, _ in accepted)
    frame = decode_lines(lines, len(accepted), list(EVENT_SCHEMA))
    assert frame.rows(named=True) == rows_of([event for _, event in accepted])
    times = 1_000 // len(accepted) + 1
    many = decode_lines(lines * times, len(accepted) * times, list(EVENT_SCHEMA))
    assert many.equals(pl.concat([frame] * times))
    assert split_lines(lines).to_list() == [record.strip().decode() for record, _ in accepted]


@settings(max_examples=400)
@given(st.lists(encoded_event(), min_size=1, max_size=4))
def test_a_batch_is_clean_only_if_every_event_is_accepted(records: list[bytes]) -> None:
    if is_clean(b"\n".join(records)):
        assert not [record for record in records if isinstance(decode(record), Rejection)]


clean_event = st.fixed_dictionaries(
    {"userId": st.sampled_from(["ada", "é"]), "eventType": st.just("PAGE_VIEW")},
    optional={
        "eventId": st.sampled_from(["1", "2"]) | st.none(),
        "value": st.floats(-1000, 1000) | st.sampled_from([-0.0]) | st.none(),
        "properties": st.sampled_from([None, {}, {"a": [1]}]),
    },
)
times = st.sampled_from(
    ["2026-01-31T09:30:00.250Z", "2026-01-31T09:30:00.2509999999Z", "2026-01-31T09:30:00+02:00", 7]
)


@settings(max_examples=300)
@given(st.lists(clean_event, max_size=6), st.lists(times, min_size=6, max_size=6), encoded_event())
def test_many_are_decoded_as_each_of_them_is(
    events: list[dict[str, object]], moments: list[object], odd: bytes
) -> None:
    timed = [{"timestamp": moment, **event} for moment, event in zip(moments, events, strict=False)]
    records = [json.dumps(event, ensure_ascii=False).encode() for event in timed]
    two_in_one = [b"\n".join(records[:2]), b""]
    for some in (records, [*records, odd], [odd], [*records[2:], *two_in_one]):
        assert repr(decode_all(some)) == repr([decode(record) for record in some])


@settings(max_examples=200)
@given(st.lists(st.floats(-(2.0**33), 2.0**33), min_size=1, max_size=50))
def test_amounts_are_read_to_the_last_bit(values: list[float]) -> None:
    lines = b"".join(
        b'{"userId":"u","timestamp":1,"eventType":"A","value":%b}\n' % json.dumps(value).encode()
        for value in values
    )
    frame = decode_lines(lines, len(values), ["value"])
    assert frame["value"].to_list() == pl.Series(values).to_list()


@settings(max_examples=300)
@given(st.binary(max_size=80) | st.text(max_size=40).map(str.encode))
def test_any_bytes_get_a_verdict(record: bytes) -> None:
    verdict = decode(record)
    assert isinstance(verdict, CustomerActivityEvent | Rejection)
    assert not (is_clean(record) and isinstance(verdict, Rejection))
