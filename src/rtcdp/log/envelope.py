"""From messages on a wire to `Records`: what the value, time and headers of a message mean. Pure.

A message's value is one event as JSON, from our own collector or from any other producer; so each
value passes the strict rule of `rtcdp.events.codec` before it may be a verified line. What a value
can't say of itself stands in headers: `rtcdp-source` (the record's source), `rtcdp-intake`
("import" for recorded history) and `rtcdp-replay-of` (the place of the dead letter that this
message repeats). A message without them is a live record of the default source.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtcdp.events.codec import decode, is_clean
from rtcdp.events.dead_letter import Rejection
from rtcdp.events.event import MAX_TIMESTAMP_MS, KnownFieldsOnly
from rtcdp.log.contract import DEFAULT_SOURCE, Int64Array, Intake, RawRecord, Records
from rtcdp.log.limits import SOURCE_NAME, Headers
from rtcdp.telemetry import TRACES_MAX

SOURCE_HEADER = "rtcdp-source"
INTAKE_HEADER = "rtcdp-intake"
REPLAY_HEADER = "rtcdp-replay-of"
TRACE_HEADER = "traceparent"
"""Of W3C Trace Context, as any producer sends it; only what is sampled is taken notice of."""

_SAMPLED = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f][13579bdf]")

UNKNOWN_RECEIVED_AT = 0
"""The intake time of a message without one: it moves no watermark, its event becomes a dead letter
("future"), and a replay gives it the time that it lacks."""

_RUN_LENGTHS = (256, 16)
"""Values are judged in runs of the first length, which fit into a processor's cache; where one
isn't clean, in runs of the next; and single ones at last."""

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


_PLAIN = _Marks()


def headers_for(
    source: str, intake: Intake, replay_of: str | None, trace: str = ""
) -> list[tuple[str, bytes]]:
    """The headers that say this; none for a live record of the default source."""
    headers = []
    if source != DEFAULT_SOURCE:
        headers.append((SOURCE_HEADER, source.encode()))
    if intake != "live":
        headers.append((INTAKE_HEADER, intake.encode()))
    if replay_of is not None:
        headers.append((REPLAY_HEADER, replay_of.encode()))
    if trace:
        headers.append((TRACE_HEADER, trace.encode()))
    return headers


def records_of(batch: WireBatch) -> Records:
    """Judge every value and put it among the verified lines or the odd records.

    A value is a line when `codec.decode` accepts it and it holds no line break. Tombstones are
    empty odd records. Unknown headers are ignored; bytes in ours that are no UTF-8 are replaced.
    """
    received_at = np.where(
        (batch.timestamps >= 0) & (batch.timestamps <= MAX_TIMESTAMP_MS),
        batch.timestamps,
        UNKNOWN_RECEIVED_AT,
    )
    is_line = _are_lines(batch.values)
    codes = np.zeros(len(batch.values), np.int64)
    imported = np.zeros(len(batch.values), np.bool_)
    sources: tuple[str, ...] = (DEFAULT_SOURCE,)
    marked = {} if batch.headers is None else _marked(batch.headers)
    traces = dict.fromkeys(marks.trace for marks in marked.values() if marks.trace)
    if marked:
        sources = tuple(dict.fromkeys([*sources, *(marks.source for marks in marked.values())]))
        code_of = {name: code for code, name in enumerate(sources)}
        at = list(marked)
        codes[at] = [code_of[marks.source] for marks in marked.values()]
        imported[at] = [marks.intake == "import" for marks in marked.values()]
        is_line[at] &= [marks.replay_of is None for marks in marked.values()]
    columns = (batch.offsets, received_at, codes, imported)
    odd: tuple[RawRecord, ...] = ()
    values: Iterable[bytes | None] = batch.values
    if not is_line.all():
        odd = tuple(
            _odd_record(batch, place, int(received_at[place]), marked.get(place, _PLAIN))
            for place in np.flatnonzero(~is_line).tolist()
        )
        columns = tuple(column[is_line] for column in columns)  # type: ignore[assignment]
        values = [batch.values[place] for place in np.flatnonzero(is_line).tolist()]
    offsets, received_at, codes, imported = columns
    return Records(
        partition=batch.partition,
        first_offset=batch.first_offset,
        next_offset=batch.next_offset,
        lines=_joined(values),
        offsets=offsets,
        received_at=received_at,
        source_codes=codes,
        imported=imported,
        sources=sources,
        odd=odd,
        traces=tuple(traces)[:TRACES_MAX],
    )


def _are_lines(values: Sequence[bytes | None]) -> npt.NDArray[np.bool_]:
    is_line = np.zeros(len(values), np.bool_)
    _judge_runs(values, 0, len(values), is_line, _RUN_LENGTHS)
    return is_line


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


def _marked(headers: Sequence[Headers | None]) -> dict[int, _Marks]:
    """What the headers say, by the place of their message; those that say nothing are left out."""
    known: dict[tuple[tuple[str, bytes | None], ...], _Marks] = {}
    marked: dict[int, _Marks] = {}
    for place, pairs in enumerate(headers):
        if not pairs:
            continue
        key = tuple(pairs)
        marks = known.get(key)
        if marks is None:
            marks = known[key] = _marks_of(key)
        if marks != _PLAIN:
            marked[place] = marks
    return marked


def _marks_of(pairs: Headers) -> _Marks:
    texts = {name: value.decode(errors="replace") for name, value in pairs if value is not None}
    source = texts.get(SOURCE_HEADER, DEFAULT_SOURCE)
    trace = texts.get(TRACE_HEADER, "")
    return _Marks(
        source=source if SOURCE_NAME.fullmatch(source) else DEFAULT_SOURCE,
        intake="import" if texts.get(INTAKE_HEADER) == "import" else "live",
        replay_of=texts.get(REPLAY_HEADER),
        trace=trace if _SAMPLED.fullmatch(trace) else "",
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
