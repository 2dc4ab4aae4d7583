import gzip
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
import zstandard

from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.events.event import MAX_EVENT_BYTES
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.problem import RequestRefused
from rtcdp.intake.splitting import Batch, split

LIMITS = CollectorLimits()
NDJSON = "application/x-ndjson"
JSON = "application/json"


def event(n: int = 1) -> bytes:
    return b'{"eventId":"e-%d","userId":"u","timestamp":1767225600000,"eventType":"PAGE_VIEW"}' % n


def records_of(batch: Batch) -> list[bytes]:
    return batch.lines.split(b"\n")[:-1]


def refusal_of(body: bytes, content_type: str = JSON, limits: CollectorLimits = LIMITS) -> str:
    with pytest.raises(RequestRefused) as refused:
        split(body, content_type, limits)
    return refused.value.code


@pytest.mark.parametrize("content_type", [JSON, NDJSON, "text/plain", ""])
def test_a_clean_line_is_one_record_as_it_came(content_type: str) -> None:
    assert split(event(), content_type, LIMITS).lines == event() + b"\n"


@pytest.mark.parametrize("ending", [b"", b"\n"])
@pytest.mark.parametrize("content_type", [JSON, NDJSON, ""])
def test_ndjson_is_one_record_a_line(content_type: str, ending: bytes) -> None:
    batch = split(event(1) + b"\n" + event(2) + ending, content_type, LIMITS)
    assert records_of(batch) == [event(1), event(2)]
    assert batch.line_count == 2
    assert batch.id_hashes == [hash("e-1"), hash("e-2")]


def test_blank_lines_and_carriage_returns_are_no_part_of_ndjson_records() -> None:
    body = b"\r\n" + event(1) + b"\r\n\n  \t\n" + event(2) + b"\r\n\r\n"
    assert records_of(split(body, NDJSON, LIMITS)) == [event(1), event(2)]


def test_a_bad_line_is_rejected_and_its_neighbours_are_kept() -> None:
    batch = split(event(1) + b'\n{"userId": NaN}\n' + event(2), NDJSON, LIMITS)
    assert records_of(batch) == [event(1), event(2)]
    assert batch.rejects == ((1, b'{"userId": NaN}'),)
    assert [(each.index, each.code) for each in batch.rejected] == [(1, "not_json")]


def test_one_bad_line_among_many_is_found() -> None:
    lines = [event(n) for n in range(500)]
    lines[333] = b"{}"
    batch = split(b"\n".join(lines), NDJSON, LIMITS)
    assert batch.rejects == ((333, b"{}"),)
    assert records_of(batch) == [*lines[:333], *lines[334:]]
    assert len(batch.id_hashes) == 499


def test_ndjson_of_nothing_but_bad_lines_is_recorded_as_rejected() -> None:
    batch = split(b"garbage\n[1]", NDJSON, LIMITS)
    assert batch.rejects == ((0, b"garbage"), (1, b"[1]"))
    assert batch.lines == b""


def test_two_objects_on_one_line_are_one_bad_record() -> None:
    batch = split(event(1) + event(2) + b"\n" + event(3), NDJSON, LIMITS)
    assert batch.rejects == ((0, event(1) + event(2)),)
    assert records_of(batch) == [event(3)]


def test_lines_need_no_content_type_when_one_of_them_is_an_object() -> None:
    batch = split(b"garbage\n" + event() + b'\n{"half', JSON, LIMITS)
    assert records_of(batch) == [event()]
    assert batch.rejects == ((0, b"garbage"), (2, b'{"half'))


def test_an_array_is_split_into_its_elements_as_they_came() -> None:
    spaced = b'{ "userId" : "u", "timestamp":1767225600000 , "eventType":"SEARCH"}'
    batch = split(b" [ " + event(1) + b" ,\n" + spaced + b" ]\n", JSON, LIMITS)
    assert records_of(batch) == [event(1), spaced]


def test_an_empty_array_holds_no_events() -> None:
    batch = split(b" [ ] ", JSON, LIMITS)
    assert (batch.lines, batch.line_count, batch.event_count) == (b"", 0, 0)


def test_elements_that_are_no_events_are_rejected_one_by_one() -> None:
    batch = split(b'[1, "x", null, [], {}, ' + event() + b"]", JSON, LIMITS)
    assert [each.code for each in batch.rejected] == [*["not_an_object"] * 4, "missing_field"]
    assert batch.rejects[1] == (1, b'"x"')
    assert records_of(batch) == [event()]


@pytest.mark.parametrize(
    "bad",
    [
        b'{"value": NaN}',
        b'{"a": "\\ud800"}',
        b'{"a": "\\ud800, \\" ] } "}',
        b'{"value": 01}',
        b"garbage",
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_in_an_array_that_is_not_json_only_the_bad_element_is_rejected(bad: bytes) -> None:
    batch = split(b"[" + event(1) + b",\n" + bad + b", " + event(2) + b"]", JSON, LIMITS)
    assert records_of(batch) == [event(1), event(2)]
    assert batch.rejects == ((1, bad),)


@pytest.mark.parametrize("between", [b"", b" ", b"\n"])
def test_two_elements_without_a_comma_are_one_bad_record(between: bytes) -> None:
    both = event(1) + between + event(2)
    batch = split(b"[" + both + b"," + event(3) + b"]", JSON, LIMITS)
    assert batch.rejects == ((0, both),)
    assert records_of(batch) == [event(3)]


@pytest.mark.parametrize(
    "body",
    [
        b"[",
        b"[{}",
        b"[{}}",
        b"[{},]",
        b"[,]",
        b"[{}] {}",
        b"[{}]\n{}\n",
        b"[{}] []",
        b"[{}][{}]",
        b'[{"a":"]',
        b'["' + b'\\"' * 100_000,
        b"[" * 100_000,
        b"]",
        b"garbage",
        b'{"a":',
        b"{garbage}\n{more}",
        b'{\n"a": NaN\n}',
        b"null",
        b"1",
        b'"text"',
        b"1 2",
        b"\x00\x01",
        event().decode().encode("utf-16-le"),
    ],
)
def test_what_is_neither_json_nor_lines_of_it_is_refused_whole(body: bytes) -> None:
    assert refusal_of(body) == "not_events"


@pytest.mark.parametrize("content_type", [JSON, NDJSON])
@pytest.mark.parametrize("body", [b"", b"  \r\n\n"])
def test_a_body_without_anything_is_refused(body: bytes, content_type: str) -> None:
    assert refusal_of(body, content_type) == "empty_body"


@pytest.mark.parametrize("content_type", [JSON, NDJSON])
@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"])
def test_a_byte_order_mark_is_refused_in_any_packaging(mark: bytes, content_type: str) -> None:
    assert refusal_of(mark + event() + b"\n" + event(2), content_type) == "byte_order_mark"
    assert refusal_of(mark + b"[" + event() + b"]", content_type) == "byte_order_mark"


PRETTY = (
    b'{\r\n  "userId" : "u\\n \xc3\xa9",\n  "timestamp": 1767225600000,\n'
    b'  "eventType": "PURCHASE",\n  "value": 1.50E+1,\n'
    b'  "properties": {"big": 12345678901234567, "s": " a  b ", "l": [ 1,\n 2 ]}\n}'
)


@pytest.mark.parametrize("body", [PRETTY, b"[" + PRETTY + b"]", b"[NaN, " + PRETTY + b"]"])
def test_an_object_over_several_lines_becomes_one_line_with_the_same_values(body: bytes) -> None:
    (record,) = records_of(split(body, JSON, LIMITS))
    assert b"\n" not in record
    assert b'"value":1.50E+1' in record
    assert b'"s":" a  b "' in record
    compact, original = decode(record), decode(PRETTY)
    assert not isinstance(compact, Rejection)
    assert not isinstance(original, Rejection)
    assert msgspec.structs.replace(compact, properties=None) == msgspec.structs.replace(
        original, properties=None
    )


def test_a_rejected_object_over_several_lines_keeps_its_bytes() -> None:
    pretty = b'{\n  "userId": ""\n}'
    assert split(pretty, JSON, LIMITS).rejects == ((0, pretty),)


def test_events_with_escapes_or_unknown_fields_are_taken() -> None:
    escaped = event().replace(b'"u"', b'"\\u00e9"')
    unknown = event().replace(b"{", b'{"extra":[1],', 1)
    batch = split(escaped + b"\n" + unknown, NDJSON, LIMITS)
    assert records_of(batch) == [escaped, unknown]
    assert len(batch.id_hashes) == 2


def test_events_without_an_id_have_no_hash() -> None:
    without = b'{"userId":"u","timestamp":0,"eventType":"A"}'
    null = b'{"userId":"u","timestamp":0,"eventType":"A","eventId":null}'
    assert split(without + b"\n" + null, NDJSON, LIMITS).id_hashes == []


@pytest.mark.parametrize(
    ("record", "event_id"),
    [
        (b'{"eventId":"x-7"}', "x-7"),
        (b'{"eventId":7}', None),
        (b'{"eventId":"' + b"x" * 101 + b'"}', None),
        (b'{"eventId":"\\ud800"}', None),
        (b'{"eventId":"x"', None),
        (b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}", None),
        (b'{"eventId":"x","a":"' + b"x" * 70_000 + b'"}', None),
    ],
)
def test_a_rejected_event_is_named_by_its_id_where_it_has_one(
    record: bytes, event_id: str | None
) -> None:
    (rejected,) = split(record, NDJSON, LIMITS).rejected
    assert rejected.event_id == event_id


FEW = CollectorLimits(max_events_per_request=3, max_array_commas=100, max_torn_array_bytes=1000)


@pytest.mark.parametrize("bad", [b"{}", event()])
def test_as_many_events_as_allowed_are_taken_and_one_more_is_refused(bad: bytes) -> None:
    three, four = [event(), bad, event()], [event(), bad, event(), event()]
    assert split(b"\n".join(three), NDJSON, FEW).event_count == 3
    assert split(b"[" + b",".join(three) + b"]", JSON, FEW).event_count == 3
    assert refusal_of(b"\n".join(four), NDJSON, FEW) == "too_many_events"
    assert refusal_of(b"[" + b",".join(four) + b"]", JSON, FEW) == "too_many_events"
    assert refusal_of(b"[NaN," + b",".join(three) + b"]", JSON, FEW) == "too_many_events"


def test_what_would_cost_much_memory_to_split_is_refused_before() -> None:
    assert refusal_of(b"[[" + b"1," * 101 + b"1]]", JSON, FEW) == "too_many_events"
    assert refusal_of(b"\n" * 7 + event(), NDJSON, FEW) == "too_many_events"
    assert refusal_of(b"[NaN" + b" " * 1000 + b"]", JSON, FEW) == "not_events"


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("zstd", zstandard.compress)]
)
def test_a_compressed_body_that_says_nothing_of_it_is_told_what_to_say(
    encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(RequestRefused) as refused:
        split(compress(event()), "application/x-www-form-urlencoded", LIMITS)
    assert refused.value.code == "not_events"
    assert f"Content-Encoding: {encoding}" in refused.value.hint


SUMMED = replace(LIMITS, max_dead_letters=2, max_rejections_named=3)


def test_beyond_a_number_a_summary_stands_for_the_rejected_of_a_reason() -> None:
    records = [b"{}", b"x", b"{}", event(1), b"{ }", b"{  }", b"x", event(2)]
    batch = split(b"\n".join(records), NDJSON, SUMMED)
    # Places are those among what is kept: the log holds nothing else.
    assert batch.rejects == ((0, b"{}"), (1, b"x"), (2, b"{}"), (4, b"x"))
    assert batch.summaries == ((b"{ }", 2),)
    assert (batch.line_count, batch.rejected_count, batch.event_count) == (2, 6, 8)
    assert [each.index for each in batch.rejected] == [0, 1, 2]


def test_what_is_kept_of_the_rejected_has_a_limit_in_bytes() -> None:
    limits = replace(LIMITS, max_dead_letter_bytes=5)
    batch = split(b"xxxx\n" + b"yyyy\n" + b"{}", NDJSON, limits)
    assert batch.rejects == ((0, b"xxxx"),)
    assert batch.summaries == ((b"yyyy", 1), (b"{}", 1))


def test_of_a_long_rejected_record_the_first_part_is_kept() -> None:
    batch = split(b"x" * 2**20, NDJSON, LIMITS)
    ((_, kept),) = batch.rejects
    assert kept == b"x" * (4 * MAX_EVENT_BYTES)
    assert batch.rejected[0].code == "too_large"
