"""However events are packed, each gets the verdict it would get alone, and the log has them all."""

import asyncio
import gzip
import json
import tempfile
from pathlib import Path

import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.clock import ManualClock
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.intake.collector import Collector, IntakeAnswer
from rtcdp.intake.limits import CollectorLimits
from rtcdp.log.contract import RawRecord
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter

text = st.text(st.characters(codec="utf-8"), max_size=8)
event_fields = st.fixed_dictionaries(
    {
        "userId": text,
        "timestamp": st.sampled_from([0, 1_767_225_600_000, "2026-01-31T09:30:00Z", "today"]),
        "eventType": st.sampled_from(["PAGE_VIEW", "PURCHASE", "bad type"]),
    },
    optional={
        "eventId": st.sampled_from(["a", "b", "c", "ü", "\n"]) | text,
        "value": st.floats() | st.none(),
        "properties": st.dictionaries(text, text, max_size=2),
        "unknown": st.integers(-(2**70), 2**70) | text,
    },
)

ANY_TIME = 10**18
LIMITS = CollectorLimits(
    max_inline_bytes=2000, max_clock_skew_ms=ANY_TIME, allowed_lateness_ms=ANY_TIME
)


@st.composite
def event(draw: st.DrawFn) -> bytes:
    return json.dumps(draw(event_fields), ensure_ascii=draw(st.booleans())).encode()


bad_value = st.sampled_from(
    [b"1", b"null", b"[]", b"{}", b'"x"', b"NaN", b"garbage", b'{"a":NaN}', b'{"a":"\\ud800"}']
)
broken_line = st.sampled_from([b'{"userId":', b'"', b"}{", b"]", b"\xff\xfe", b"\xef\xbb\xbf{}"])
value = event() | event() | event() | bad_value


@st.composite
def packed(draw: st.DrawFn) -> tuple[list[bytes], bytes, str]:
    """Records, and a body with its content type that holds exactly them."""
    if draw(st.booleans()):
        records = draw(st.lists(value, max_size=80))
        joint = draw(st.sampled_from([b",", b" ,\n\t"]))
        return records, b"[" + joint.join(records) + b"]", "application/json"
    records = draw(st.lists(value | broken_line, min_size=1, max_size=80))
    if records[0].startswith(b"\xef\xbb\xbf") or records[0].startswith(b"\xff\xfe"):
        records.insert(0, b"{}")
    joint = draw(st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r\n \t\n"]))
    return records, joint.join(records) + joint, "application/x-ndjson"


encoded = st.sampled_from(
    [("", bytes), ("gzip", gzip.compress), ("zstd", zstandard.compress)],
)


async def take_all(
    collector: Collector, requests: list[tuple[bytes, str, str]]
) -> list[IntakeAnswer]:
    return list(await asyncio.gather(*[collector.take(*request) for request in requests]))


def taken(requests: list[tuple[bytes, str, str]]) -> tuple[list[IntakeAnswer], list[RawRecord]]:
    """The answers to all requests at once, and what is in a real log after them."""
    with tempfile.TemporaryDirectory() as directory:
        writer = EmbeddedLogWriter(Path(directory), ManualClock(1))
        collector = Collector(writer, ManualClock(1), LIMITS)
        answers = asyncio.run(take_all(collector, requests))
        collector.close()
        writer.close()
        reader = EmbeddedLogReader(Path(directory))
        found: list[RawRecord] = []
        offset = 0
        while len(records := reader.read(0, offset, 2**20)):
            found.extend(records.each())
            offset = records.next_offset
        reader.close()
    return answers, found


@settings(max_examples=60)
@given(packed(), encoded)
def test_the_log_has_exactly_what_was_sent_in_its_order(request, encoding) -> None:
    records, body, content_type = request
    name, compress = encoding
    (answer,), found = taken([(compress(body), content_type, name)])
    verdicts = [decode(record) for record in records]
    rejected = [
        (index, verdict.reason)
        for index, verdict in enumerate(verdicts)
        if isinstance(verdict, Rejection)
    ]
    ids = [
        verdict.event_id
        for verdict in verdicts
        if not isinstance(verdict, Rejection) and verdict.event_id is not None
    ]
    assert [record.raw for record in found] == records
    assert [record.offset for record in found] == list(range(len(records)))
    assert [(each.index, each.code) for each in answer.rejected] == rejected
    assert answer.duplicates == len(ids) - len(set(ids))
    assert answer.accepted + answer.duplicates + len(rejected) == len(records)


@settings(max_examples=25)
@given(st.lists(packed(), max_size=8))
def test_requests_at_the_same_time_add_up(requests) -> None:
    answers, found = taken([(body, content_type, "") for _, body, content_type in requests])
    sent = [record for records, _, _ in requests for record in records]
    assert sorted(record.raw for record in found) == sorted(sent)
    ids = [
        verdict.event_id
        for verdict in map(decode, sent)
        if not isinstance(verdict, Rejection) and verdict.event_id is not None
    ]
    assert sum(answer.duplicates for answer in answers) == len(ids) - len(set(ids))
    assert len(sent) == sum(
        answer.accepted + answer.duplicates + len(answer.rejected) for answer in answers
    )
