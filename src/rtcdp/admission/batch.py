"""Admission of a micro-batch in columns: records in, admitted events and the reasons for the rest.

`decode_batch` is everything that a record tells by itself and may run ahead in another thread;
`admit` adds what depends on the records before it: duplicates.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from rtcdp.admission.erased import NOBODY_ERASED, ErasedUsers
from rtcdp.admission.event_id_index import SeenIds
from rtcdp.admission.order import columns_of, lined_up, rows_by_partition
from rtcdp.admission.repeats import Forgotten, Ids, Repeats, places_of
from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.steps import (
    ASSIGNED,
    FUTURE_MESSAGE,
    LATE_MESSAGE,
    ahead_of_clock,
    assigned_id,
    behind_lateness,
)
from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA, VERDICTS
from rtcdp.clock import MINUTE_MS
from rtcdp.events.codec import decode
from rtcdp.events.columns import (
    decode_lines,
    event_ids,
    from_event,
    line_hashes,
    row_of,
    split_lines,
)
from rtcdp.events.dead_letter import Rejection
from rtcdp.log.contract import RawRecord, Records
from rtcdp.telemetry import TRACES_MAX

ADMITTED, DUPLICATE, LATE, DEAD_LETTER, ERASED = range(5)
VERDICT_NAMES = np.array(VERDICTS)
"""The names of the verdicts, by their codes."""

_PART_BYTES = 2 * 2**20
"""So many lines are worth what it costs to begin with them."""

CONFLICT_MESSAGE = "an earlier event has the same eventId and another content"
DUPLICATE_MESSAGE = "an earlier event has the same eventId"
SUMMARY_MESSAGE = "{count} records of one request, of which this is the first: {message}"
SUMMARY_OF_GOOD_MESSAGE = "a summary of rejected records holds one that is an event"
_ERASED_RECORD = Rejection("corrupt", "log", "its user was erased")
"""What stands for the event of a record that was erased; it is told as no dead letter."""

CORRUPT_MESSAGE = "the stored bytes do not match their checksum; the disk may be failing"


@dataclass(frozen=True)
class DecodedBatch:
    """Records as events, with what they tell by themselves: a row for each well-formed record, by
    partition and in each in log order.

    `pieces` are what was read, in the same order. `events` has the asked fields, `eventId`,
    `userId`, `timestamp` and `source`. `verdicts` (int8) is ADMITTED where a record may still turn
    out to be a duplicate; `id_hashes` and `contents` (uint64) are for finding that out. `rejected`
    are the records that are no events.
    """

    pieces: tuple[Records, ...]
    events: pl.DataFrame
    partitions: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    received_at: npt.NDArray[np.int64]
    verdicts: npt.NDArray[np.int8]
    id_hashes: npt.NDArray[np.uint64]
    has_id: npt.NDArray[np.bool_]
    contents: npt.NDArray[np.uint64]
    rejected: tuple[tuple[RawRecord, Rejection], ...]

    @property
    def traces(self) -> tuple[str, ...]:
        """The traces that its records have brought with them, each once, `TRACES_MAX` at most."""
        every = dict.fromkeys(trace for piece in self.pieces for trace in piece.traces)
        return tuple(every)[:TRACES_MAX]


@dataclass(frozen=True)
class AdmittedBatch:
    """What came of a micro-batch: the admitted `events`, the rows of `LEDGER_SCHEMA` and of
    `UNCOUNTED_SCHEMA`, and the range of event times of all well-formed records."""

    events: pl.DataFrame
    ledger: pl.DataFrame
    uncounted: pl.DataFrame
    min_event_time: int | None
    max_event_time: int | None


def decode_batch(
    pieces: Sequence[Records],
    fields: Sequence[str],
    rules: AdmissionRules | None,
    erased: ErasedUsers = NOBODY_ERASED,
) -> DecodedBatch:
    """Decode records, with the asked `fields` of their events, and judge them by the `rules` that
    need nothing but the record: clock and lateness, after whether its user was `erased`. Without
    rules, every event is taken for admitted.

    Pieces may be those of several partitions; those of one follow each other in the log. The cost
    of a step does not grow with the number of pieces.
    """
    decoded, imported = _decoded(pieces, fields)
    if rules is not None:
        timestamps, received_at = decoded.events["timestamp"].to_numpy(), decoded.received_at
        verdicts = decoded.verdicts
        verdicts[~imported & (behind_lateness(timestamps, received_at, rules) > 0)] = LATE
        verdicts[ahead_of_clock(timestamps, received_at, rules) > 0] = DEAD_LETTER
        if erased:
            verdicts[erased.among(decoded.events)] = ERASED
    return decoded


def decode_identities(pieces: Sequence[Records]) -> DecodedBatch:
    """Records as `decode_batch` gives them without rules, except that `events` has nothing but
    `eventId` and `source`: all that an index of ids has to know, in half the time."""

    def ids_of(lines: bytes, count: int, split: pl.Series) -> pl.DataFrame:
        if not count:
            return _no_events(("eventId",)).select("eventId")
        return event_ids(lines, split).to_frame()

    return _told_by(pieces, ids_of)[0]


def _decoded(
    pieces: Sequence[Records], fields: Sequence[str]
) -> tuple[DecodedBatch, npt.NDArray[np.bool_]]:
    """Records as events, and which of them were imported."""
    wanted = tuple(dict.fromkeys((*fields, "eventId", "userId")))

    def events_of(lines: bytes, count: int, _: pl.Series) -> pl.DataFrame:
        return decode_lines(lines, count, wanted) if count else _no_events(wanted)

    return _told_by(pieces, events_of)


def _told_by(
    pieces: Sequence[Records], events_of: Callable[[bytes, int, pl.Series], pl.DataFrame]
) -> tuple[DecodedBatch, npt.NDArray[np.bool_]]:
    """Records as what `events_of` makes of lines, how many, and each; and which were imported."""
    pieces = tuple(sorted(pieces, key=_place_of))
    partitions, offsets, received_at, imported = columns_of(pieces)
    told = []
    for lines, count in _parts_of(pieces):
        split = split_lines(lines)
        told.append((events_of(lines, count, split), line_hashes(split)))
    events = pl.concat([each for each, _ in told], rechunk=True)
    events = events.with_columns(_sources_of(pieces))
    contents = np.concatenate([hashes for _, hashes in told])
    rejected: list[tuple[RawRecord, Rejection]] = []
    accepted: list[tuple[RawRecord, dict[str, object]]] = []
    for record in (odd for piece in pieces for odd in piece.odd):
        verdict = _decode_odd(record)
        if isinstance(verdict, Rejection):
            rejected.append((record, verdict))
        else:
            accepted.append((record, verdict))
    if accepted:
        events = pl.concat([events, _frame_of(accepted, events.schema)])
        partitions = np.append(partitions, [record.partition for record, _ in accepted])
        offsets = np.append(offsets, [record.offset for record, _ in accepted])
        received_at = np.append(received_at, [record.received_at for record, _ in accepted])
        imported = np.append(imported, [record.intake == "import" for record, _ in accepted])
        raws = pl.Series([record.raw for record, _ in accepted], dtype=pl.Binary)
        contents = np.append(contents, raws.cast(pl.String).hash().to_numpy())
        order = np.lexsort((offsets, partitions))
        events, contents = events[order], contents[order]
        partitions, offsets = partitions[order], offsets[order]
        received_at, imported = received_at[order], imported[order]
    decoded = DecodedBatch(
        pieces=pieces,
        events=events,
        partitions=partitions,
        offsets=offsets,
        received_at=received_at,
        verdicts=np.full(len(offsets), ADMITTED, np.int8),
        id_hashes=_id_hashes(events),
        has_id=events["eventId"].is_not_null().to_numpy(),
        contents=contents,
        rejected=tuple(rejected),
    )
    return decoded, imported


def _parts_of(pieces: Sequence[Records]) -> Iterator[tuple[bytes, int]]:
    """The lines of all pieces in order, and how many there are, some at a time: what is made of
    them meanwhile is as large as they are. At least one part, which may be empty."""
    part: list[bytes] = []
    size = count = 0
    for piece in pieces:
        part.append(piece.lines)
        size, count = size + len(piece.lines), count + len(piece.offsets)
        if size >= _PART_BYTES:
            yield b"".join(part), count
            part, size, count = [], 0, 0
    if part or not pieces:
        yield b"".join(part), count


def reject(pieces: Sequence[Records], rejection: Rejection) -> DecodedBatch:
    """All of these records as dead letters, for one reason, whatever they are."""
    nothing = decode_batch([_without_records(piece) for piece in pieces], (), None)
    ordered = tuple(sorted(pieces, key=_place_of))
    records = [record for piece in ordered for record in piece.each()]
    rejected = tuple((record, rejection) for record in records)
    return replace(nothing, pieces=ordered, rejected=rejected)


def admit(decoded: DecodedBatch, seen: SeenIds) -> AdmittedBatch:
    """Find the duplicates, remember the ids, and account for every record of the batch.

    Of several partitions, what was taken in earlier comes first.
    """
    verdicts = decoded.verdicts.copy()
    is_conflict = np.zeros(len(verdicts), np.bool_)
    candidates, repeats = _check_and_add(decoded, verdicts == ADMITTED, seen)
    verdicts[candidates[repeats.is_duplicate]] = DUPLICATE
    is_conflict[candidates[repeats.is_conflict]] = True
    return account(decoded, verdicts, is_conflict)


def remember(decided: DecodedBatch, seen: SeenIds) -> None:
    """Give the index what it knew when these records had been decided, in the same order."""
    reached_it = (decided.verdicts == ADMITTED) | (decided.verdicts == DUPLICATE)
    _check_and_add(decided, reached_it, seen)


def _check_and_add(
    decoded: DecodedBatch, is_candidate: npt.NDArray[np.bool_], seen: SeenIds
) -> tuple[npt.NDArray[np.intp], Repeats]:
    """Let the ids of the candidates be checked and remembered; gives the rows that have one."""
    order = order_of_decision(decoded)
    positions = np.empty(len(order), np.int64)
    positions[order] = np.arange(len(order))
    forgotten = Forgotten(seen.remembered_from)
    for partition, rows in rows_by_partition(decoded.partitions):
        turns = list(
            seen.observe(
                partition, decoded.offsets[rows], decoded.received_at[rows], positions[rows]
            )
        )
        if turns:
            forgotten.add(partition, turns)
    candidates = order[(is_candidate & decoded.has_id)[order]]
    repeats = seen.check_and_add(
        Ids(
            decoded.id_hashes[candidates],
            decoded.received_at[candidates],
            decoded.contents[candidates],
            places_of(decoded.partitions[candidates], decoded.offsets[candidates]),
            positions[candidates],
        ),
        forgotten,
    )
    return candidates, repeats


def order_of_decision(decoded: DecodedBatch) -> npt.NDArray[np.intp]:
    """The rows of a batch in the order in which they are decided: by `due_times`, those of one
    partition as they stand in its log."""
    if len({piece.partition for piece in decoded.pieces}) <= 1:
        return np.arange(len(decoded.offsets))
    partitions, offsets, due = lined_up(decoded.pieces)
    if len(offsets) > len(decoded.offsets):
        is_row = np.zeros(len(offsets), np.bool_)
        for partition, rows in rows_by_partition(partitions):
            start, stop = decoded.partitions.searchsorted([partition, partition + 1])
            is_row[rows] = np.isin(offsets[rows], decoded.offsets[start:stop], assume_unique=True)
        due = due[is_row]
    return np.argsort(due, kind="stable")


def account(
    decoded: DecodedBatch, verdicts: npt.NDArray[np.int8], is_conflict: npt.NDArray[np.bool_]
) -> AdmittedBatch:
    """Put every record of the batch where its verdict says. Both arrays have one entry per row of
    `decoded.events`; conflicts are duplicates that came with another content."""
    is_admitted = verdicts == ADMITTED
    timestamps = decoded.events["timestamp"]
    return AdmittedBatch(
        events=decoded.events if is_admitted.all() else decoded.events.filter(is_admitted),
        ledger=_ledger(decoded, verdicts, is_conflict),
        uncounted=_uncounted(decoded, verdicts, is_conflict),
        min_event_time=None if timestamps.is_empty() else int(timestamps.min()),  # type: ignore[arg-type]
        max_event_time=None if timestamps.is_empty() else int(timestamps.max()),  # type: ignore[arg-type]
    )


def _place_of(piece: Records) -> tuple[int, int]:
    return piece.partition, piece.first_offset


def _without_records(records: Records) -> Records:
    return replace(
        records,
        lines=b"",
        offsets=records.offsets[:0],
        received_at=records.received_at[:0],
        source_codes=records.source_codes[:0],
        imported=records.imported[:0],
        odd=(),
    )


def _sources_of(pieces: Sequence[Records]) -> pl.Series:
    names: dict[str, int] = {}
    codes = [np.zeros(0, np.int64)]
    for piece in pieces:
        known = [names.setdefault(source, len(names)) for source in piece.sources]
        codes.append(np.array(known, np.int64)[piece.source_codes])
    return pl.Series("source", list(names), dtype=pl.String).gather(np.concatenate(codes))


def _decode_odd(record: RawRecord) -> dict[str, object] | Rejection:
    if record.is_corrupt:
        return Rejection("corrupt", "log", CORRUPT_MESSAGE)
    if record.is_erased:
        return _ERASED_RECORD
    event = decode(record.raw)
    if record.stands_for > 1:
        return _of_summary(event, record.stands_for)
    if isinstance(event, Rejection):
        return event
    row = from_event(event)
    if record.replay_of is not None and event.event_id is None:
        row["eventId"] = assigned_id(record.replay_of)
    return {**row, "source": record.source}


def _of_summary(first: object, count: int) -> Rejection:
    """What a summary says: how many records it stands for, and what is wrong with the first."""
    if not isinstance(first, Rejection):
        return Rejection("corrupt", "log", SUMMARY_OF_GOOD_MESSAGE)
    message = SUMMARY_MESSAGE.format(count=count, message=first.message)
    return Rejection(first.reason, first.step, message)


def _frame_of(
    accepted: Sequence[tuple[RawRecord, dict[str, object]]], schema: pl.Schema
) -> pl.DataFrame:
    rows = [row_of(row, schema) for _, row in accepted]
    return pl.DataFrame(rows, schema=schema)


def _no_events(fields: Sequence[str]) -> pl.DataFrame:
    return decode_lines(b'{"timestamp":0}\n', 1, fields).clear()


def _id_hashes(events: pl.DataFrame) -> npt.NDArray[np.uint64]:
    """Hash of (source, event id). Equal only within one process, which is all that it is for."""
    of_source = events["source"].hash(seed=1).to_numpy() if len(events) else np.zeros(0, np.uint64)
    of_id: npt.NDArray[np.uint64] = events["eventId"].hash().to_numpy()
    return of_id + of_source * np.uint64(0x9E3779B97F4A7C15)


def _ledger(
    decoded: DecodedBatch, verdicts: npt.NDArray[np.int8], is_conflict: npt.NDArray[np.bool_]
) -> pl.DataFrame:
    minutes = decoded.received_at // MINUTE_MS * MINUTE_MS
    # Records that follow each other are most often alike, and are counted together.
    firsts = _firsts_of_runs(decoded.events["source"], minutes, verdicts, is_conflict)
    of_events = pl.DataFrame(
        {
            "source": decoded.events["source"].gather(firsts),
            "minute": minutes[firsts],
            "verdict": verdicts[firsts],
            "is_conflict": is_conflict[firsts],
            "weight": np.diff(firsts, append=len(verdicts)),
        }
    )
    others = pl.DataFrame(
        {
            "source": [record.source for record, _ in decoded.rejected],
            "minute": [
                record.received_at // MINUTE_MS * MINUTE_MS for record, _ in decoded.rejected
            ],
            "verdict": [
                ERASED if record.is_erased else DEAD_LETTER for record, _ in decoded.rejected
            ],
            "is_conflict": [False] * len(decoded.rejected),
            "weight": [record.stands_for for record, _ in decoded.rejected],
        },
        schema=of_events.schema,
    )
    verdict, weight = pl.col("verdict"), pl.col("weight")
    return (
        (of_events.vstack(others) if len(others) else of_events)
        .group_by("source", "minute")
        .agg(
            weight.sum().alias("received"),
            *(weight.filter(verdict == n).sum().alias(name) for n, name in enumerate(VERDICTS)),
            weight.filter("is_conflict").sum().alias("conflict"),
        )
        .select(LEDGER_SCHEMA.names())
        .sort("source", "minute")
    )


def _firsts_of_runs(sources: pl.Series, *columns: npt.NDArray[np.generic]) -> npt.NDArray[np.intp]:
    """The rows that differ from the one before in any of these columns, and the first of all."""
    is_first = (sources != sources.shift()).fill_null(True).to_numpy(writable=True)
    for column in columns:
        is_first[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(is_first)


def _uncounted(
    decoded: DecodedBatch, verdicts: npt.NDArray[np.int8], is_conflict: npt.NDArray[np.bool_]
) -> pl.DataFrame:
    rejected = pl.DataFrame(
        [_row_of(*each) for each in decoded.rejected], schema=UNCOUNTED_SCHEMA, orient="row"
    )
    at = np.flatnonzero(verdicts != ADMITTED)
    if len(at) == 0:
        return rejected
    verdict = verdicts[at]
    told = [
        _TOLD[verdict == DUPLICATE and conflict, int(verdict)]
        for verdict, conflict in zip(verdict.tolist(), is_conflict[at].tolist(), strict=True)
    ]
    reason, step, message = zip(*told, strict=True)
    events = decoded.events[at]
    is_told = pl.Series(verdict != ERASED)
    of_events = pl.DataFrame(
        {
            "partition": decoded.partitions[at],
            "offset": decoded.offsets[at],
            "source": events["source"],
            "received_at": decoded.received_at[at],
            "verdict": pl.Series(VERDICT_NAMES[verdict].tolist(), dtype=pl.String),
            "reason": pl.Series(reason, dtype=pl.String),
            "step": pl.Series(step, dtype=pl.String),
            "message": pl.Series(message, dtype=pl.String),
            "event_id": shown_ids(events["eventId"]),
            "user_id": events["userId"],
            "event_time": events["timestamp"],
            "raw": _raw_of(decoded, at, verdict),
        },
        schema_overrides=UNCOUNTED_SCHEMA,
    ).with_columns(pl.when(is_told).then(pl.col(name)) for name in _TOLD_OF_OTHERS)
    return pl.concat([rejected, of_events]).sort("partition", "offset")


_TOLD = {
    (False, DUPLICATE): ("duplicate", "duplicate", DUPLICATE_MESSAGE),
    (True, DUPLICATE): ("conflict", "duplicate", CONFLICT_MESSAGE),
    (False, LATE): ("late", "lateness", LATE_MESSAGE),
    (False, DEAD_LETTER): ("future", "clock", FUTURE_MESSAGE),
    (False, ERASED): (None, None, None),
}
"""Reason, step and message, by whether it is a conflict, and the verdict."""

_TOLD_OF_OTHERS = ("event_id", "user_id", "event_time", "raw")
"""What is told of a record unless it was erased."""


def _row_of(record: RawRecord, rejection: Rejection) -> tuple[object, ...]:
    place = record.partition, record.offset, record.source, record.received_at
    if record.is_erased:
        return *place, "erased", *[None] * (len(UNCOUNTED_SCHEMA) - len(place) - 1)
    told = rejection.reason, rejection.step, rejection.message
    return *place, "dead_letter", *told, None, None, None, record.raw


def shown_ids(event_ids: pl.Series) -> pl.Series:
    """Event ids as people see them, and as databases can hold them."""
    return event_ids.str.strip_prefix(ASSIGNED)


def _raw_of(
    decoded: DecodedBatch, at: npt.NDArray[np.intp], verdict: npt.NDArray[np.int8]
) -> pl.Series:
    """The bytes of the late and dead records at these rows; null for others."""
    raw: list[bytes | None] = [None] * len(at)
    keep = np.flatnonzero((verdict == LATE) | (verdict == DEAD_LETTER))
    partitions, offsets = decoded.partitions[at[keep]], decoded.offsets[at[keep]]
    for piece in decoded.pieces if len(keep) else ():
        is_here = (partitions == piece.partition) & (offsets >= piece.first_offset)
        here = np.flatnonzero(is_here & (offsets < piece.next_offset))
        if len(here) == 0:
            continue
        odd = {record.offset: record.raw for record in piece.odd}
        lines = split_lines(piece.lines) if piece.lines else pl.Series()
        rows = np.searchsorted(piece.offsets, offsets[here])
        places = keep[here].tolist()
        for place, offset, row in zip(places, offsets[here].tolist(), rows.tolist(), strict=True):
            raw[place] = odd[offset] if offset in odd else str(lines[row]).encode()
    return pl.Series(raw, dtype=pl.Binary)
