"""From a body to records: what is one event, and which of them the log may take as verified.

A body is one JSON object, a JSON array of objects, or NDJSON:

- Content type NDJSON (`application/x-ndjson` and its other names): every line is a record, good or
  bad, so a body of nothing but bad lines is split as well. Blank lines are ignored; a line may end
  with CR LF.
- Content type CloudEvents: one of them, or an array; the records are the events that they hold
  (`rtcdp.intake.cloud_events`).
- Any other content type, first character `[`: an array. One that is not JSON as a whole (a NaN, a
  lone surrogate, an element nested too deep) is split at the commas between its brackets if those
  match, so that only the bad elements are rejected.
- Any other first character: one JSON object, over as many lines as it likes, if the whole body is
  one JSON value; else NDJSON, if at least one line is a JSON object by itself.

Everything else, and any body with a byte order mark, can't be split: nothing of it is recorded.

A record's bytes are judged and kept as they came. The one exception is an accepted object that
spans lines: the log holds one record a line, so the white space between its tokens is taken out.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import msgspec

from rtcdp.breather import Breather
from rtcdp.events.codec import LINE_BREAK, count_of, decode, is_clean
from rtcdp.events.dead_letter import Rejection
from rtcdp.events.event import MAX_EVENT_BYTES, CustomerActivityEvent, KnownFieldsOnly
from rtcdp.events.judged import Run
from rtcdp.events.mistaken_units import doubt_about
from rtcdp.events.product_update import ProductUpdate
from rtcdp.intake.cloud_events import CLOUD_EVENT_TYPES, STRUCTURED, event_line
from rtcdp.intake.decompression import encoding_by_start
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.problem import RequestRefused

NDJSON_TYPES = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
    }
)

_BLANK = b" \t\r\n"
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_RUN_LENGTH = 50
_MAX_ID_LENGTH = 100
_MAX_KEPT_BYTES = 4 * MAX_EVENT_BYTES
"""What is kept of a rejected record that is longer than this is its first part."""
_INLINE_SEPARATORS = 1_000
"""So many line breaks and commas are at most as many events: some milliseconds."""
_ARRAY_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]|,', re.DOTALL)

_decode_value = msgspec.json.Decoder(msgspec.Raw).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class RejectedEvent(msgspec.Struct, frozen=True, rename="camel"):
    """One event that was not taken: its place in the request, from 0, its id where it could be
    read, the reason (the reason of its dead letter), and what to send instead."""

    index: int
    event_id: str | None
    code: str
    message: str


class Batch(msgspec.Struct, frozen=True):
    """The events of one request, judged.

    `lines` are the accepted records, each ended by a newline; `rejects` the others with their place
    among those that are kept, and `summaries` the first of each reason's others with how many it
    stands for; `rejected` names the first of all for the answer, and `rejected_count` counts them.
    `id_hashes` are of the accepted events' ids, where they have one, and `id_times` the times of
    the same events. `first_time` is that of the first accepted event, where it was looked at.
    """

    lines: bytes
    line_count: int
    id_hashes: list[int]
    rejects: tuple[tuple[int, bytes], ...] = ()
    rejected: tuple[RejectedEvent, ...] = ()
    id_times: list[datetime | int] = []
    rejected_count: int = 0
    summaries: tuple[tuple[bytes, int], ...] = ()
    first_time: datetime | int | None = None

    @property
    def event_count(self) -> int:
        return self.line_count + self.rejected_count

    @property
    def byte_count(self) -> int:
        kept = sum(len(raw) for _, raw in self.rejects)
        return len(self.lines) + kept + sum(len(raw) for raw, _ in self.summaries)

    @property
    def doubt(self) -> str | None:
        """What is odd about the accepted events: who sends seconds does so in all, so the first one
        tells."""
        return doubt_about(self.first_time) if isinstance(self.first_time, int) else None


Judge = Callable[[bytes], CustomerActivityEvent | ProductUpdate | Rejection]
"""The one rule of a stream: what a record means, or why it is none."""


class _OnlyId(msgspec.Struct, rename="camel"):
    event_id: str | None = None


_decode_id = msgspec.json.Decoder(_OnlyId).decode


def split(body: bytes, content_type: str, limits: CollectorLimits, judge: Judge = decode) -> Batch:
    """Split `body` into events, or what else `judge` decides about, and judge each of them.

    `content_type` is the media type in lower case, without parameters. Raises `RequestRefused`
    when the body can't be split (400) or holds more than `max_events_per_request` (413).
    """
    clean = clean_batch(body, content_type, limits, judge)
    return clean or judged_batch(body, content_type, limits, judge)


def judged_batch(
    body: bytes, content_type: str, limits: CollectorLimits, judge: Judge = decode
) -> Batch:
    """The same for a body that is no `clean_batch`: its events are judged one by one."""
    if body.startswith(_BYTE_ORDER_MARKS):
        raise RequestRefused("byte_order_mark", "send UTF-8 without a byte order mark")
    stripped = body.strip(_BLANK)
    if not stripped:
        raise RequestRefused("empty_body", "send one event or more; an empty array is [] in JSON")
    if content_type in CLOUD_EVENT_TYPES and judge is decode:
        return _judge(_cloud_events(stripped, content_type, limits), limits, judge)
    if content_type in NDJSON_TYPES:
        return _judge(_lines_of(body, limits), limits, judge)
    if stripped.startswith(b"["):
        return _judge(_elements_of(stripped, limits), limits, judge)
    if _is_json(stripped):
        return _judge_value(stripped, limits, judge)
    lines = _lines_of(body, limits)
    if not any(map(_is_json_object, lines)):
        raise _no_lines(body)
    return _judge(lines, limits, judge)


def clean_batch(
    body: bytes, content_type: str, limits: CollectorLimits, judge: Judge = decode
) -> Batch | None:
    """The whole body as NDJSON of verified events, if it is that; the path nearly all take.

    Raises `RequestRefused` (413) when it holds more than `max_events_per_request`.
    """
    if judge is not decode or content_type in CLOUD_EVENT_TYPES:
        return None
    if count_of(LINE_BREAK, body) > limits.max_events_per_request:
        return None
    events: list[KnownFieldsOnly] = []
    times: list[datetime | int] = []
    if not is_clean(body, events, times):
        return None
    _check_count(len(events), limits)
    lines = body if body.endswith(b"\n") else body + b"\n"
    id_hashes = _hashes_of(events)
    id_times = times if len(id_hashes) == len(events) else _times_of(events)
    return Batch(
        lines, len(events), id_hashes, id_times=id_times, first_time=next(iter(times), None)
    )


def batch_of_runs(runs: Sequence[Run], limits: CollectorLimits) -> Batch:
    """The records of runs as a batch: those that are not verified are judged. Duplicates among them
    are not told from others, for that needs their ids."""
    # As many dead letters are kept as of several requests, which they would be otherwise.
    requests = 1 + sum(run.line_count for run in runs) // limits.max_events_per_request
    kept = replace(
        limits,
        max_dead_letters=requests * limits.max_dead_letters,
        max_dead_letter_bytes=requests * limits.max_dead_letter_bytes,
    )
    judged = _Judged(kept, decode)
    for run in runs:
        if run.is_verified:
            judged.take_verified(run.lines, run.line_count)
        else:
            for record in run.records():
                judged.take(judged.record_count, record)
    return judged.batch()


def _lines_of(body: bytes, limits: CollectorLimits) -> list[bytes]:
    # Blank lines cost memory too, so twice the events is as many lines as are looked at.
    if body.count(b"\n") > 2 * limits.max_events_per_request:
        raise _too_many(limits)
    lines = [line.removesuffix(b"\r") for line in body.split(b"\n") if line.strip(_BLANK)]
    _check_count(len(lines), limits)
    return lines


def _cloud_events(body: bytes, content_type: str, limits: CollectorLimits) -> list[bytes]:
    if content_type == STRUCTURED:
        return [event_line(body)]
    if not body.startswith(b"["):
        raise _not_events("a batch of CloudEvents is a JSON array")
    return [event_line(element) for element in _elements_of(body, limits)]


def _elements_of(array: bytes, limits: CollectorLimits) -> list[bytes]:
    if array.count(b",") > limits.max_array_commas:
        raise _too_many(limits)
    try:
        elements = [bytes(element) for element in _decode_array(array)]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        if len(array) > limits.max_torn_array_bytes:
            raise _not_events(f"the array is not JSON: {error}") from error
        elements = _between_brackets(array, limits)
    _check_count(len(elements), limits)
    return elements


def _between_brackets(array: bytes, limits: CollectorLimits) -> list[bytes]:
    """The elements of an array that is not JSON as a whole, told apart by brackets, commas and
    quotes alone."""
    elements: list[bytes] = []
    depth = start = end = 0
    for token in _ARRAY_TOKEN.finditer(array):
        if end:
            raise _not_events("something follows the array")
        symbol = token.group()
        if symbol in (b"[", b"{"):
            depth += 1
            start = start or token.end()
        elif symbol in (b"]", b"}"):
            depth -= 1
            end = token.start() if depth == 0 else 0
        elif symbol == b"," and depth == 1:
            elements.append(array[start : token.start()].strip(_BLANK))
            start = token.end()
            _check_count(len(elements), limits)
    if end != len(array) - 1 or not array.endswith(b"]"):
        raise _not_events("the brackets of the array don't match")
    elements.append(array[start:end].strip(_BLANK))
    if not all(elements):
        raise _not_events("the array has an empty element")
    return elements


def takes_long(body: bytes) -> bool:
    """Whether to judge what is in the body, one by one, may take longer than others should wait."""
    return body.count(b"\n") + body.count(b",") > _INLINE_SEPARATORS


def _judge_value(value: bytes, limits: CollectorLimits, judge: Judge) -> Batch:
    if not value.startswith(b"{"):
        raise _not_events("it is a single JSON value that is no object")
    return _judge([value], limits, judge)


def _judge(records: Sequence[bytes], limits: CollectorLimits, judge: Judge) -> Batch:
    """Judge each record; runs of clean ones at once."""
    judged, breather = _Judged(limits, judge), Breather()
    if len(records) <= _RUN_LENGTH or not judged.take_if_clean(records):
        for first in range(0, len(records), _RUN_LENGTH):
            breather.breathe()
            run = records[first : first + _RUN_LENGTH]
            if not judged.take_if_clean(run):
                for index, record in enumerate(run, start=first):
                    judged.take(index, record)
    return judged.batch()


class _Judged:
    """Records on both sides of the verdict, as they come in."""

    def __init__(self, limits: CollectorLimits, judge: Judge) -> None:
        self._limits = limits
        self._judge = judge
        self._kept_bytes = self._rejected_count = 0
        self._kept: Counter[str] = Counter()
        self._summaries: dict[str, tuple[bytes, int]] = {}
        self._texts: list[bytes] = []
        self._line_count = 0
        self._id_hashes: list[int] = []
        self._id_times: list[datetime | int] = []
        self._first_time: datetime | int | None = None
        self._rejects: list[tuple[int, bytes]] = []
        self._rejected: list[RejectedEvent] = []

    def take_if_clean(self, run: Sequence[bytes]) -> bool:
        if self._judge is not decode:
            return False
        events: list[KnownFieldsOnly] = []
        # As many events as records: no record holds two lines.
        together = b"\n".join([*run, b""])
        if not is_clean(together, events) or len(events) != len(run):
            return False
        if self._line_count == 0:
            self._first_time = events[0].timestamp
        self._texts.append(together)
        self._line_count += len(run)
        self._id_hashes.extend(_hashes_of(events))
        self._id_times.extend(_times_of(events))
        return True

    @property
    def record_count(self) -> int:
        """How many were taken up to now."""
        return self._line_count + self._rejected_count

    def take_verified(self, lines: bytes, line_count: int) -> None:
        self._texts.append(lines)
        self._line_count += line_count

    def take(self, index: int, record: bytes) -> None:
        verdict = self._judge(record)
        if isinstance(verdict, Rejection):
            self._reject(index, record, verdict)
            return
        self._texts.append(_on_one_line(record) + b"\n")
        self._line_count += 1
        if isinstance(verdict, ProductUpdate):
            return
        if self._line_count == 1:
            self._first_time = verdict.timestamp_ms
        if verdict.event_id is not None:
            self._id_hashes.append(hash(verdict.event_id))
            self._id_times.append(verdict.timestamp_ms)

    def _reject(self, index: int, record: bytes, rejection: Rejection) -> None:
        limits, reason = self._limits, rejection.reason
        self._rejected_count += 1
        if len(self._rejected) < limits.max_rejections_named:
            event_id = _readable_id(record)
            self._rejected.append(RejectedEvent(index, event_id, reason, rejection.message))
        # What is too long is so still when the rest of it is missing.
        kept = record[:_MAX_KEPT_BYTES]
        has_room = self._kept_bytes + len(kept) <= limits.max_dead_letter_bytes
        is_one_more = reason in self._summaries or self._kept[reason] >= limits.max_dead_letters
        if is_one_more or not has_room:
            first, count = self._summaries.get(reason, (kept, 0))
            self._summaries[reason] = (first, count + 1)
            return
        self._kept[reason] += 1
        self._kept_bytes += len(kept)
        self._rejects.append((self._line_count + len(self._rejects), kept))

    def batch(self) -> Batch:
        return Batch(
            b"".join(self._texts),
            self._line_count,
            self._id_hashes,
            tuple(self._rejects),
            tuple(self._rejected),
            self._id_times,
            self._rejected_count,
            tuple(self._summaries.values()),
            self._first_time,
        )


def _on_one_line(record: bytes) -> bytes:
    """`record` without line breaks. In JSON that `decode` accepts they are white space between
    tokens; `format` copies strings and numbers as they are."""
    return msgspec.json.format(record, indent=-1) if b"\n" in record else record


def _hashes_of(events: Sequence[KnownFieldsOnly]) -> list[int]:
    return [hash(event.event_id) for event in events if event.event_id]


def _times_of(events: Sequence[KnownFieldsOnly]) -> list[datetime | int]:
    return [event.timestamp for event in events if event.event_id]


def _readable_id(record: bytes) -> str | None:
    if len(record) > MAX_EVENT_BYTES:
        return None
    try:
        event_id = _decode_id(record).event_id
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return event_id if event_id is not None and len(event_id) <= _MAX_ID_LENGTH else None


def _is_json(text: bytes) -> bool:
    try:
        _decode_value(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True


def _is_json_object(line: bytes) -> bool:
    return line.lstrip(_BLANK).startswith(b"{") and _is_json(line)


def _check_count(count: int, limits: CollectorLimits) -> None:
    if count > limits.max_events_per_request:
        raise _too_many(limits)


def _too_many(limits: CollectorLimits) -> RequestRefused:
    return RequestRefused(
        "too_many_events",
        f"send at most {limits.max_events_per_request} events a request; "
        "split them over several requests",
    )


def _no_lines(body: bytes) -> RequestRefused:
    encoding = encoding_by_start(body)
    if encoding is None:
        return _not_events("no line of it is a JSON object")
    return RequestRefused(
        "not_events",
        f"send the header Content-Encoding: {encoding} with it, for its bytes begin like "
        f"{encoding}; nothing of this request was recorded",
    )


def _not_events(why: str) -> RequestRefused:
    return RequestRefused(
        "not_events",
        f"send one JSON object, a JSON array of objects, or one JSON object a line ({why}); "
        "nothing of this request was recorded",
    )
