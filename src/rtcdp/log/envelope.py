"""From messages on a wire to `Records`: what the value, time and headers of a message mean. Pure.

A message's value is one event as JSON, from our own collector or from any other producer; so each
value passes the strict rule of `rtcdp.events.codec` before it may be a verified line. What a value
can't say of itself stands in headers: `rtcdp-source` (the record's source), `rtcdp-intake`
("import" for recorded history) and `rtcdp-replay-of` (the place of the dead letter that this
message repeats). A message without them is a live record of the default source.

Our collector has judged already. Where nobody else may write `rtcdp-judged`, it does so, and what
has it isn't judged again.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from rtcdp.events.codec import LINE_BREAK, count_of, decode, is_clean
from rtcdp.events.dead_letter import Rejection
from rtcdp.events.event import MAX_TIMESTAMP_MS, KnownFieldsOnly
from rtcdp.log.contract import DEFAULT_SOURCE, Int64Array, Intake, RawRecord, Records
from rtcdp.log.limits import SOURCE_NAME, Headers
from rtcdp.telemetry import TRACES_MAX

SOURCE_HEADER = "rtcdp-source"
INTAKE_HEADER = "rtcdp-intake"
REPLAY_HEADER = "rtcdp-replay-of"
JUDGED_HEADER, JUDGED = "rtcdp-judged", b"1"
"""Of a line that passed the strict rule at intake. Who makes a rule that accepts less than the one
of before gives it another number, unless what was accepted may stay so."""

TRACE_HEADER = "traceparent"
"""Of W3C Trace Context, as any producer sends it; only what is sampled is taken notice of."""

_SAMPLED = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f][13579bdf]")

UNKNOWN_RECEIVED_AT = 0
"""The intake time of a message without one: it moves no watermark, its event becomes a dead letter
("future"), and a replay gives it the time that it lacks."""

_CLEAN_RUN_LENGTH = 1_024
"""Values are judged in runs of this length, as long as all of them are clean."""
_RUN_LENGTHS = (256, 16)
"""From the first run on that isn't, in runs of the first length; where one of these isn't clean, in
runs of the next; and single ones at last."""

"""What the collector takes as a source; other names are not kept: answers are labelled by it."""


@dataclass(frozen=True)
class WireBatch:
    """Messages of one partition in offset order, in columns.

    `values` are their bytes (None: a tombstone), `timestamps` their times (int64, UTC ms; below 0:
    unknown), `headers` theirs, None where a message has none, or None altogether. They span the
    offsets `[first_offset, next_offset)`; some may be missing in between.
    """

    partition: int
    first_offset: int
    next_offset: int
    values: Sequence[bytes | None]
    offsets: Int64Array
    timestamps: Int64Array
    headers: Sequence[Headers | None] | None = None


@dataclass(frozen=True)
class _Marks:
    """What the headers of a message say."""

    source: str = DEFAULT_SOURCE
    intake: Intake = "live"
    replay_of: str | None = None
    trace: str = ""
    is_judged: bool = False


_PLAIN = _Marks()


@dataclass(frozen=True)
class _Marked:
    """The places `[start, stop)` of messages of which headers say this."""

    start: int
    stop: int
    marks: _Marks


def headers_for(
    source: str,
    intake: Intake,
    replay_of: str | None,
    trace: str = "",
    *,
    is_judged: bool = False,
) -> list[tuple[str, bytes]]:
    """The headers that say this; none for a live record of the default source. `is_judged` is for
    lines that passed the strict rule, where the topic is ours alone to mark."""
    headers = []
    if source != DEFAULT_SOURCE:
        headers.append((SOURCE_HEADER, source.encode()))
    if intake != "live":
        headers.append((INTAKE_HEADER, intake.encode()))
    if replay_of is not None:
        headers.append((REPLAY_HEADER, replay_of.encode()))
    if trace:
        headers.append((TRACE_HEADER, trace.encode()))
    if is_judged:
        headers.append((JUDGED_HEADER, JUDGED))
    return headers


def header_runs(
    headers: Sequence[Headers | None],
) -> Iterator[tuple[int, int, Headers | None]]:
    """Messages that share their headers: the places `[start, stop)` of those that have one and the
    same object, and that."""
    same = np.fromiter(map(id, headers), np.uint64, len(headers))
    borders = (np.flatnonzero(same[1:] != same[:-1]) + 1).tolist()
    for start, stop in pairwise([0, *borders, len(headers)] if headers else []):
        yield start, stop, headers[start]


def records_of(batch: WireBatch, *, is_ours: bool = False) -> Records:
    """Judge every value and put it among the verified lines or the odd records.

    A value is a line when `codec.decode` accepts it and it holds no line break. Tombstones are
    empty odd records. Unknown headers are ignored; bytes in ours that are no UTF-8 are replaced.
    Where the topic `is_ours`, what is marked as judged at intake is a line; all else is judged.
    """
    marked = [] if batch.headers is None else _marked(batch.headers)
    is_judged = np.zeros(len(batch.values), np.bool_)
    for each in marked if is_ours else ():
        is_judged[each.start : each.stop] = each.marks.is_judged
    return _records_of(batch, marked, is_judged)


def _records_of(
    batch: WireBatch, marked: Sequence[_Marked], is_judged: npt.NDArray[np.bool_]
) -> Records:
    """The same, with what headers say, where `is_judged` tells which values are lines for sure."""
    received_at = np.where(
        (batch.timestamps >= 0) & (batch.timestamps <= MAX_TIMESTAMP_MS),
        batch.timestamps,
        UNKNOWN_RECEIVED_AT,
    )
    is_line = is_judged.copy()
    _judge(batch.values, is_line)
    codes = np.zeros(len(batch.values), np.int64)
    imported = np.zeros(len(batch.values), np.bool_)
    sources = tuple(dict.fromkeys([DEFAULT_SOURCE, *(each.marks.source for each in marked)]))
    code_of = {name: code for code, name in enumerate(sources)}
    for each in marked:
        here = slice(each.start, each.stop)
        codes[here] = code_of[each.marks.source]
        imported[here] = each.marks.intake == "import"
        is_line[here] &= each.marks.replay_of is None
    columns = (batch.offsets, received_at, codes, imported)
    odd: tuple[RawRecord, ...] = ()
    values: Iterable[bytes | None] = batch.values
    if not is_line.all():
        odd = tuple(
            _odd_record(batch, place, int(received_at[place]), _marks_at(marked, place))
            for place in np.flatnonzero(~is_line).tolist()
        )
        columns = tuple(column[is_line] for column in columns)  # type: ignore[assignment]
        values = [batch.values[place] for place in np.flatnonzero(is_line).tolist()]
    offsets, received_at, codes, imported = columns
    try:
        lines = _joined(values)
    except TypeError:  # a tombstone was marked
        return _records_of(batch, marked, np.zeros_like(is_judged))
    # Lines are told apart by nothing else: one that holds a break would give the next ones its
    # neighbours' offsets. Whoever marked it did not judge it, and nobody is believed then.
    if is_judged.any() and count_of(LINE_BREAK, lines) != len(offsets):
        return _records_of(batch, marked, np.zeros_like(is_judged))
    return Records(
        partition=batch.partition,
        first_offset=batch.first_offset,
        next_offset=batch.next_offset,
        lines=lines,
        offsets=offsets,
        received_at=received_at,
        source_codes=codes,
        imported=imported,
        sources=sources,
        odd=odd,
        traces=_traces_of(marked),
    )


def _traces_of(marked: Sequence[_Marked]) -> tuple[str, ...]:
    traces = dict.fromkeys(each.marks.trace for each in marked if each.marks.trace)
    return tuple(traces)[:TRACES_MAX]


def _judge(values: Sequence[bytes | None], is_line: npt.NDArray[np.bool_]) -> None:
    """Set `is_line` for what is one among those that aren't known to be."""
    asked = np.flatnonzero(~is_line)
    if len(asked) == len(values):
        _judge_each(values, is_line)
        return
    if len(asked):
        rest = [values[place] for place in asked.tolist()]
        found = np.zeros(len(rest), np.bool_)
        _judge_each(rest, found)
        is_line[asked] = found


def _judge_each(values: Sequence[bytes | None], is_line: npt.NDArray[np.bool_]) -> None:
    """Set `is_line` for every value."""
    start, count = 0, len(values)
    while start < count and _is_clean_run(values[start : start + _CLEAN_RUN_LENGTH]):
        start = min(start + _CLEAN_RUN_LENGTH, count)
    is_line[:start] = True
    _judge_runs(values, start, count, is_line, _RUN_LENGTHS)


def _judge_runs(
    values: Sequence[bytes | None],
    start: int,
    stop: int,
    is_line: npt.NDArray[np.bool_],
    run_lengths: Sequence[int],
) -> None:
    """Set `is_line` in `[start, stop)`."""
    if not run_lengths:
        is_line[start:stop] = [_is_line(value) for value in values[start:stop]]
        return
    length, *shorter = run_lengths
    for first in range(start, stop, length):
        end = min(first + length, stop)
        if _is_clean_run(values[first:end]):
            is_line[first:end] = True
        else:
            _judge_runs(values, first, end, is_line, shorter)


def _is_clean_run(values: Sequence[bytes | None]) -> bool:
    try:
        lines = _joined(values)
    except TypeError:
        return False
    events: list[KnownFieldsOnly] = []
    # As many events as values, each on a line of its own: none of the values holds two of them.
    return is_clean(lines, events) and len(events) == len(values)


def _is_line(value: bytes | None) -> bool:
    if value is None or b"\n" in value or b"\r" in value:
        return False
    return not isinstance(decode(value), Rejection)


def _joined(values: Iterable[bytes | None]) -> bytes:
    """The values as lines. Raises `TypeError` for a tombstone, which is none."""
    return b"\n".join([*values, b""])  # type: ignore[list-item]


def _marked(headers: Sequence[Headers | None]) -> list[_Marked]:
    """What the headers say, in order of places; those that say nothing are left out."""
    known: dict[tuple[tuple[str, bytes | None], ...], _Marks] = {}
    marked: list[_Marked] = []
    for start, stop, pairs in header_runs(headers):
        if not pairs:
            continue
        key = tuple(pairs)
        marks = known.get(key)
        if marks is None:
            marks = known[key] = _marks_of(key)
        if marks != _PLAIN:
            marked.append(_Marked(start, stop, marks))
    return marked


def _marks_at(marked: Sequence[_Marked], place: int) -> _Marks:
    found = bisect_right(marked, place, key=lambda each: each.start) - 1
    if found >= 0 and place < marked[found].stop:
        return marked[found].marks
    return _PLAIN


def _marks_of(pairs: Headers) -> _Marks:
    texts = {name: value.decode(errors="replace") for name, value in pairs if value is not None}
    source = texts.get(SOURCE_HEADER, DEFAULT_SOURCE)
    trace = texts.get(TRACE_HEADER, "")
    return _Marks(
        source=source if SOURCE_NAME.fullmatch(source) else DEFAULT_SOURCE,
        intake="import" if texts.get(INTAKE_HEADER) == "import" else "live",
        replay_of=texts.get(REPLAY_HEADER),
        trace=trace if _SAMPLED.fullmatch(trace) else "",
        is_judged=(JUDGED_HEADER, JUDGED) in pairs,
    )


def _odd_record(batch: WireBatch, place: int, received_at: int, marks: _Marks) -> RawRecord:
    return RawRecord(
        partition=batch.partition,
        offset=int(batch.offsets[place]),
        received_at=received_at,
        source=marks.source,
        intake=marks.intake,
        raw=batch.values[place] or b"",
        replay_of=marks.replay_of,
    )
