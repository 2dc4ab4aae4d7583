"""One record, one verdict: what is an event, and why something is none."""

import json
import time
import tracemalloc

import pytest

from rtcdp.events.codec import decode, is_clean, parse_timestamp_ms, unmapped_line
from rtcdp.events.dead_letter import Rejection
from rtcdp.events.event import CustomerActivityEvent

GOOD = '{"userId":"ada","timestamp":"2026-01-31T09:30:00.250Z","eventType":"PAGE_VIEW"%s}'


def event_with(extra: str) -> bytes:
    return (GOOD % extra).encode()


def minimal(user_id: str = '"u"', timestamp: str = "1", event_type: str = '"A"') -> bytes:
    return f'{{"userId":{user_id},"timestamp":{timestamp},"eventType":{event_type}}}'.encode()


def reason_of(record: bytes) -> str | None:
    verdict = decode(record)
    return verdict.reason if isinstance(verdict, Rejection) else None


def test_a_minimal_event_is_accepted() -> None:
    assert decode(event_with("")) == CustomerActivityEvent(
        user_id="ada", timestamp_ms=1_769_851_800_250, event_type="PAGE_VIEW"
    )


def test_every_field_is_read() -> None:
    record = event_with(
        ',"eventId":"e1","sessionId":"s1","productId":"p1","pageUrl":"/p1","value":12.5'
        ',"properties":{"brand":"acme"}'
    )
    assert decode(record) == CustomerActivityEvent(
        user_id="ada",
        timestamp_ms=1_769_851_800_250,
        event_type="PAGE_VIEW",
        event_id="e1",
        session_id="s1",
        product_id="p1",
        page_url="/p1",
        value=12.5,
        properties=b'{"brand":"acme"}',
    )


def test_null_is_the_same_as_absent_for_optional_fields() -> None:
    nulls = ',"eventId":null,"productId":null,"value":null,"properties":null'
    assert decode(event_with(nulls)) == decode(event_with(""))


def test_unknown_fields_are_ignored() -> None:
    assert decode(event_with(',"color":"blue"')) == decode(event_with(""))


def test_strings_are_kept_exactly() -> None:
    record = ' {"userId":" Ädá\\u0009\\ud83d\\ude00 ","timestamp":0,"eventType":"A"} '.encode()
    verdict = decode(record)
    assert isinstance(verdict, CustomerActivityEvent)
    assert verdict.user_id == " Ädá\t😀 "


def test_minus_zero_is_zero() -> None:
    verdict = decode(event_with(',"value":-0.0'))
    assert isinstance(verdict, CustomerActivityEvent)
    assert str(verdict.value) == "0.0"


POISON = {
    "nothing": (b"", "not_json"),
    "not json": (b"hello", "not_json"),
    "cut off": (event_with("")[:-1], "not_json"),
    "two objects": (event_with("") + event_with(""), "not_json"),
    "byte order mark": (b"\xef\xbb\xbf" + event_with(""), "not_json"),
    "NaN": (event_with(',"value":NaN'), "not_json"),
    "Infinity": (event_with(',"value":-Infinity'), "not_json"),
    "lone surrogate": (event_with(',"x":"\\ud800"'), "not_json"),
    "reversed surrogates": (event_with(',"x":"\\udc00\\ud800"'), "not_json"),
    "raw control character": (event_with(',"x":"a\tb"'), "not_json"),
    "invalid UTF-8 in a value": (event_with(',"x":"')[:-1] + b'\xff"}', "not_utf8"),
    "UTF-8 of a surrogate": (event_with(',"x":"')[:-1] + b'\xed\xa0\x80"}', "not_utf8"),
    "overlong UTF-8": (event_with(',"x":"')[:-1] + b'\xc0\xaf"}', "not_utf8"),
    "array": (b"[1]", "not_an_object"),
    "number": (b"3", "not_an_object"),
    "null": (b"null", "not_an_object"),
    "string": (b'"x"', "not_an_object"),
    "1e999": (event_with(',"value":1e999'), "out_of_range"),
    "1e999 in an unknown field": (event_with(',"x":1e999'), "out_of_range"),
    "2^63 as a value": (event_with(',"value":9223372036854775808'), "out_of_range"),
    "2^64 in an unknown field": (event_with(',"x":18446744073709551616'), "out_of_range"),
    "2^64 in properties": (event_with(',"properties":{"x":18446744073709551616}'), "out_of_range"),
    "5,000 digits": (event_with(',"x":' + "9" * 5000), "out_of_range"),
    "a value too large to add up": (event_with(',"value":1.1e10'), "out_of_range"),
    "depth 100,000": (event_with(',"x":' + "[" * 30_000 + "]" * 30_000), "too_deep"),
    "depth 65": (event_with(',"x":' + "[" * 64 + "]" * 64), "too_deep"),
    "1 MB key": (event_with(',"' + "k" * 1_000_000 + '":1'), "too_large"),
    "properties too large": (event_with(',"properties":{"a":"' + "x" * 33_000 + '"}'), "too_large"),
    "field twice": (event_with(',"userId":"bob"'), "duplicate_key"),
    "field twice, spaced": (event_with(',"userId" : "bob"'), "duplicate_key"),
    "field twice, escaped": (event_with(',"user\\u0049d":"bob"'), "duplicate_key"),
    "field twice, second null": (event_with(',"value":1,"value":null'), "duplicate_key"),
    "no userId": (b'{"timestamp":1,"eventType":"A"}', "missing_field"),
    "null userId": (minimal(user_id="null"), "wrong_type"),
    "number as userId": (minimal(user_id="5"), "wrong_type"),
    "empty userId": (minimal(user_id='""'), "out_of_range"),
    "long userId": (minimal(user_id='"' + "u" * 257 + '"'), "out_of_range"),
    "NUL in userId": (minimal(user_id='"a\\u0000"'), "invalid_character"),
    "text as value": (event_with(',"value":"1"'), "wrong_type"),
    "boolean as value": (event_with(',"value":true'), "wrong_type"),
    "array as properties": (event_with(',"properties":[]'), "wrong_type"),
    "long eventId": (event_with(',"eventId":"' + "x" * 101 + '"'), "out_of_range"),
    "lower-case type": (minimal(event_type='"view"'), "invalid_event_type"),
    "newline after type": (minimal(event_type='"A\\n"'), "invalid_event_type"),
    "no offset": (minimal(timestamp='"2026-01-01T00:00:00"'), "invalid_timestamp"),
    "date only": (minimal(timestamp='"2026-01-01"'), "invalid_timestamp"),
    "30 February": (minimal(timestamp='"2026-02-30T00:00:00Z"'), "invalid_timestamp"),
    "float timestamp": (minimal(timestamp="1.5"), "invalid_timestamp"),
    "digits as text": (minimal(timestamp='"1767225600000"'), "invalid_timestamp"),
    "year 1": (minimal(timestamp="-62104060800001"), "invalid_timestamp"),
    "year 9999": (minimal(timestamp="253370764800000"), "invalid_timestamp"),
    "microseconds": (minimal(timestamp="1767225600000000"), "invalid_timestamp"),
}


@pytest.mark.parametrize("name", POISON)
def test_poison_is_rejected_with_its_reason(name: str) -> None:
    record, reason = POISON[name]
    assert reason_of(record) == reason


@pytest.mark.parametrize("name", POISON)
def test_poison_is_never_clean(name: str) -> None:
    record, _ = POISON[name]
    assert not is_clean(record)
    assert not is_clean(event_with("") + b"\n" + record + b"\n" + event_with(""))


BORDERLINE = {
    "2^63 in an unknown field": event_with(',"x":9223372036854775808'),
    "depth 64": event_with(',"x":' + "[" * 63 + "]" * 63),
    "brackets in a string": event_with(',"x":"' + "[" * 500 + '"'),
    "unknown field twice": event_with(',"x":1,"x":2'),
    "known name inside properties": event_with(',"properties":{"userId":"a","userId":"b"}'),
    "NUL in an unknown field": event_with(',"x":"\\u0000"'),
    "year 2": b'{"userId":"u","timestamp":-62104060800000,"eventType":"A"}',
    "value at the limit": event_with(',"value":-8589934592'),
    "surrounding space": b" \t" + event_with("") + b" \r",
    "100 characters of two bytes": event_with(',"eventId":"' + "ä" * 100 + '"'),
}


@pytest.mark.parametrize("name", BORDERLINE)
def test_what_is_just_within_the_rules_is_accepted(name: str) -> None:
    assert reason_of(BORDERLINE[name]) is None


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.001Z", 1),
        ("1969-12-31T23:59:59.999Z", -1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01 00:00:00z", 0),
        ("1970-01-01T00:00:00.0019Z", 1),
        ("1969-12-31T23:59:59.9989Z", -2),
        ("2024-02-29T12:00:00.5-05:30", 1_709_227_800_500),
    ],
)
def test_timestamps_become_utc_milliseconds_rounded_down(text: str, milliseconds: int) -> None:
    assert parse_timestamp_ms(text) == milliseconds


def test_a_clean_batch_is_recognised_and_its_events_handed_out() -> None:
    events: list[object] = []
    times: list[object] = []
    lines = event_with(',"eventId":"1"') + b"\n" + event_with(',"eventId":"2"') + b"\n"
    assert is_clean(lines, events, times)
    assert [event.event_id for event in events] == ["1", "2"]
    assert times == [event.timestamp for event in events]


@pytest.mark.parametrize(
    "lines",
    [
        event_with("").replace(b",", b",\n", 1),
        event_with("") + b"\n\n" + event_with(""),
        event_with("") + event_with("") + b"\n\n",
        b"\n" + event_with(""),
        event_with("") + b"\n\n",
        event_with("") + b"\n " + event_with(""),
    ],
    ids=[
        *("event over two lines", "blank line", "two events on a line", "leading newline"),
        *("blank line at the end", "a space before an event"),
    ],
)
def test_a_batch_is_clean_only_if_each_line_is_one_event(lines: bytes) -> None:
    assert not is_clean(lines)
    others = b"\n".join([event_with("")] * 100)
    assert is_clean(others)
    for body in (others + b"\n" + lines, lines + b"\n" + others):
        assert not is_clean(body)
    assert not is_clean(event_with("") + event_with("") + b"\n\n" + others)


@pytest.mark.parametrize(("excess", "is_accepted"), [(0, True), (1, False)])
def test_the_longest_event_of_many_is_clean_and_a_longer_one_is_not(
    excess: int, is_accepted: bool
) -> None:
    most, property_most = 65_536, 32_000
    rest = len(event_with(f',"pageUrl":"","properties":{{"a":"{"x" * property_most}"}}'))
    assert rest + 2_048 < most
    spaces = b" " * (most - rest - 1_000 + excess)
    long = event_with(
        f',"pageUrl":"{"u" * 1_000}","properties":{{"a":"{"x" * property_most}"}}'
    ).replace(b"{", b"{" + spaces, 1)
    assert len(long) == most + excess
    few = [event_with("")] * 3
    assert is_clean(b"\n".join([*few, long, *few])) == is_accepted
    assert is_clean(b"\n".join([*few, long])) == is_accepted


@pytest.mark.parametrize(
    "line",
    [
        b"a,b",
        b"",
        b"\xff" * 70_000,
        b"\x01" * 70_000,
        "😀".encode() * 20_000,
        event_with("") + b"\n" + event_with(""),
        event_with(',"x":"' + "y" * 65_400 + '"'),
    ],
    ids=["short", "empty", "no UTF-8", "escapes", "wide", "two events", "a long event"],
)
def test_an_unmapped_line_is_rejected_with_its_beginning(line: bytes) -> None:
    for why in ("no time", "\x01" * 2_000, "\ud800"):
        verdict = decode(unmapped_line(why, line))
        assert isinstance(verdict, Rejection)
        assert verdict.reason == "not_mapped"
        kept = json.loads(unmapped_line(why, line))["line"]
        assert line.decode(errors="replace").startswith(kept)
        assert len(kept) >= min(len(line.decode(errors="replace")), 8_192)


PADDED = event_with(',"properties":{"a":"' + "x" * 1_000 + '","b":[' + "1.5," * 40 + "2]}")
LONG = event_with(',"properties":{"a":1234567890123456789}')


def test_one_long_number_does_not_make_its_neighbours_slow() -> None:
    def least_s(lines: list[bytes]) -> float:
        body = b"\n".join(lines)
        times = []
        for _ in range(3):
            start = time.thread_time()
            assert is_clean(body)
            times.append(time.thread_time() - start)
        return min(times)

    assert least_s([PADDED] * 1_000 + [LONG]) < 3 * least_s([PADDED] * 1_000)


def test_a_large_batch_is_not_made_objects_of_at_once() -> None:
    body = b"\n".join([event_with(',"properties":{"a":[' + "1.5," * 1_000 + "2]}")] * 1_000)
    tracemalloc.start()
    assert is_clean(body)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4 * len(body)


@pytest.mark.parametrize("number", ["92345678901234567890", "1e999"])
@pytest.mark.parametrize("place", [0, 700, 1_400])
def test_a_number_that_is_none_is_found_wherever_it_stands(number: str, place: int) -> None:
    lines = [PADDED] * 1_400
    assert is_clean(b"\n".join(lines))
    lines.insert(place, event_with(f',"properties":{{"a":{number}}}'))
    assert not is_clean(b"\n".join(lines))


@pytest.mark.parametrize("digits", ["999", "999999", "9999999", "999999999", "99949999999999999"])
@pytest.mark.parametrize("zone", ["Z", "+00:00"])
def test_a_time_is_rounded_down_however_many_digits_it_has(digits: str, zone: str) -> None:
    text = f"2026-03-01T11:59:59.{digits}{zone}"
    noon = parse_timestamp_ms("2026-03-01T12:00:00Z")
    assert parse_timestamp_ms(text) == noon - 1
    event = decode(minimal(timestamp=f'"{text}"'))
    assert isinstance(event, CustomerActivityEvent)
    assert event.timestamp_ms == noon - 1


def test_a_time_whose_digits_are_written_as_escapes_is_rounded_down_too() -> None:
    event = decode(minimal(timestamp='"2026-03-01T11:59:59.99999999\\u0039Z"'))
    assert isinstance(event, CustomerActivityEvent)
    assert event.timestamp_ms % 1000 == 999


@pytest.mark.parametrize(
    ("timestamp", "reason"),
    [
        ('"0001-12-31T23:59:59.999Z"', "invalid_timestamp"),
        ('"0002-01-01T00:00:00Z"', None),
        ('"9998-12-31T23:59:59.999999999Z"', None),
        ('"9999-01-01T00:00:00Z"', "invalid_timestamp"),
    ],
)
def test_a_year_is_left_at_both_ends_of_time(timestamp: str, reason: str | None) -> None:
    assert reason_of(minimal(timestamp=timestamp)) == reason


@pytest.mark.parametrize("value", ["8589934592", "-8589934592", "8589934591.999999"])
def test_values_are_within_what_keeps_millionths_apart(value: str) -> None:
    assert reason_of(event_with(f',"value":{value}')) is None


@pytest.mark.parametrize("value", ["8589934592.000002", "-9e9", "1e10"])
def test_values_beyond_would_not_add_up_to_six_places(value: str) -> None:
    assert reason_of(event_with(f',"value":{value}')) == "out_of_range"


@pytest.mark.parametrize("depth", [62, 63, 64, 65])
def test_depth_is_told_alike_alone_and_among_neighbours(depth: int) -> None:
    """The event itself is one level, so its properties may have 63."""
    record = event_with(',"properties":' + '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1))
    is_accepted = reason_of(record) is None
    assert is_accepted == (depth <= 63)
    assert is_clean(record) == is_clean(event_with("") + b"\n" + record) == is_accepted


def test_a_line_that_a_mapping_made_nothing_of_says_why():
    verdict = decode(b'{"unmapped":"line 7: column who is empty","line":"a,,b"}')
    assert verdict == Rejection("not_mapped", "parse", "line 7: column who is empty")


@pytest.mark.parametrize(
    "record",
    [
        b'{"unmapped":"","line":"a"}',
        b'{"unmapped":"x"}',
        b'{"unmapped":7,"line":"a"}',
        b'{"unmapped":"x","line":"a","more":1}',
    ],
)
def test_what_only_looks_like_it_is_an_event_without_fields(record):
    assert decode(record).reason == "missing_field"


def test_an_event_with_such_a_field_is_an_event():
    assert decode(b'{"unmapped":"x",' + minimal()[1:]).user_id
