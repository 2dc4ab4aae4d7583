"""Admission of a micro-batch in columns: records in, admitted events and the reasons for the rest.

`screen` is everything that a record tells by itself and may run ahead in another thread;
`admit` adds what depends on the records before it: duplicates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from rtcdp.engines.engine import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.events.admission import (
    FUTURE_MESSAGE,
    LATE_MESSAGE,
    ahead_of_clock,
    behind_lateness,
)
from rtcdp.events.codec import decode
from rtcdp.events.columns import decode_lines, from_event, line_hashes, split_lines
from rtcdp.events.dead_letter import Rejection
from rtcdp.events.rules import AdmissionRules
from rtcdp.events.seen_ids import SeenIds
from rtcdp.log.log import RawRecord, Records

ADMITTED, DUPLICATE, LATE, DEAD_LETTER = range(4)
_VERDICT_NAMES = np.array(["admitted", "duplicate", "late", "dead_letter"])
_MINUTE_MS = 60_000

CONFLICT_MESSAGE = "an earlier event has the same eventId and another content"
DUPLICATE_MESSAGE = "an earlier event has the same eventId"
CORRUPT_MESSAGE = "the stored bytes do not match their checksum; the disk may be failing"


@dataclass(frozen=True)
class Screened:
    """Records with what they tell by themselves, one row per well-formed record, in log order.

    `events` has the asked fields, `eventId`, `userId`, `timestamp` and `source`. `verdicts` (int8)
    is ADMITTED where a record may still turn out to be a duplicate; `id_hashes` and `contents`
    (uint64) are for finding that out. `rejected` are the records that are no events.
    """

    records: Records
    events: pl.DataFrame
    offsets: npt.NDArray[np.int64]
    received_at: npt.NDArray[np.int64]
    verdicts: npt.NDArray[np.int8]
    id_hashes: npt.NDArray[np.uint64]
    has_id: npt.NDArray[np.bool_]
    contents: npt.NDArray[np.uint64]
    rejected: tuple[tuple[RawRecord, Rejection], ...]


@dataclass(frozen=True)
class AdmittedBatch:
    """What came of a micro-batch: the admitted `events`, the rows of `LEDGER_SCHEMA` and of
    `UNCOUNTED_SCHEMA`, and the range of event times of all well-formed records."""

    events: pl.DataFrame
    ledger: pl.DataFrame
    uncounted: pl.DataFrame
    min_event_time: int | None
    max_event_time: int | None


def screen(records: Records, fields: Sequence[str], rules: AdmissionRules) -> Screened:
    """Decode records and apply the rules that need nothing but the record."""
    wanted = tuple(dict.fromkeys((*fields, "eventId", "userId")))
    line_count = len(records.offsets)
    events = decode_lines(records.lines, line_count, wanted) if line_count else _no_events(wanted)
    sources = pl.Series("source", records.sources, dtype=pl.String)
    events = events.with_columns(sources.gather(records.source_codes).alias("source"))
    offsets, received_at, imported = records.offsets, records.received_at, records.imported
    contents = line_hashes(records.lines) if line_count else np.zeros(0, np.uint64)
    rejected: list[tuple[RawRecord, Rejection]] = []
    accepted: list[tuple[RawRecord, dict[str, object]]] = []
    for record in records.odd:
        verdict = _decode_odd(record)
        if isinstance(verdict, Rejection):
            rejected.append((record, verdict))
        else:
            accepted.append((record, verdict))
    if accepted:
        events = pl.concat([events, _frame_of(accepted, events.schema)])
        offsets = np.append(offsets, [record.offset for record, _ in accepted])
        received_at = np.append(received_at, [record.received_at for record, _ in accepted])
        imported = np.append(imported, [record.intake == "import" for record, _ in accepted])
        raws = pl.Series([record.raw for record, _ in accepted], dtype=pl.Binary)
        contents = np.append(contents, raws.cast(pl.String).hash().to_numpy())
        order = np.argsort(offsets)
        events, contents = events[order], contents[order]
        offsets, received_at, imported = offsets[order], received_at[order], imported[order]
    timestamps = events["timestamp"].to_numpy()
    verdicts = np.zeros(len(timestamps), np.int8)
    verdicts[~imported & (behind_lateness(timestamps, received_at, rules) > 0)] = LATE
    verdicts[ahead_of_clock(timestamps, received_at, rules) > 0] = DEAD_LETTER
    return Screened(
        records=records,
        events=events,
        offsets=offsets,
        received_at=received_at,
        verdicts=verdicts,
        id_hashes=_id_hashes(events),
        has_id=events["eventId"].is_not_null().to_numpy(),
        contents=contents,
        rejected=tuple(rejected),
    )


def admit(screened: Screened, seen: SeenIds) -> AdmittedBatch:
    """Find the duplicates, remember the ids, and account for every record of the batch."""
    verdicts = screened.verdicts.copy()
    is_conflict = np.zeros(len(verdicts), np.bool_)
    candidates = np.flatnonzero((verdicts == ADMITTED) & screened.has_id)
    if len(candidates):
        repeats = seen.check_and_add(
            screened.id_hashes[candidates],
            screened.received_at[candidates],
            screened.contents[candidates],
        )
        verdicts[candidates[repeats.is_duplicate]] = DUPLICATE
        is_conflict[candidates[repeats.is_conflict]] = True
    is_admitted = verdicts == ADMITTED
    timestamps = screened.events["timestamp"]
    return AdmittedBatch(
        events=screened.events if is_admitted.all() else screened.events.filter(is_admitted),
        ledger=_ledger(screened, verdicts, is_conflict),
        uncounted=_uncounted(screened, verdicts, is_conflict),
        min_event_time=None if timestamps.is_empty() else int(timestamps.min()),  # type: ignore[arg-type]
        max_event_time=None if timestamps.is_empty() else int(timestamps.max()),  # type: ignore[arg-type]
    )


def _decode_odd(record: RawRecord) -> dict[str, object] | Rejection:
    if record.is_corrupt:
        return Rejection("corrupt", "log", CORRUPT_MESSAGE)
    event = decode(record.raw)
    if isinstance(event, Rejection):
        return event
    row = from_event(event)
    if record.replay_of is not None and event.event_id is None:
        row["eventId"] = record.replay_of
    return {**row, "source": record.source}


def _frame_of(
    accepted: Sequence[tuple[RawRecord, dict[str, object]]], schema: pl.Schema
) -> pl.DataFrame:
    rows = [{name: row[name] for name in schema} for _, row in accepted]
    return pl.DataFrame(rows, schema=schema)


def _no_events(fields: Sequence[str]) -> pl.DataFrame:
    return decode_lines(b'{"timestamp":0}\n', 1, fields).clear()


def _id_hashes(events: pl.DataFrame) -> npt.NDArray[np.uint64]:
    """Hash of (source, event id). Equal only within one process, which is all that it is for."""
    of_source = events["source"].hash(seed=1).to_numpy() if len(events) else np.zeros(0, np.uint64)
    of_id: npt.NDArray[np.uint64] = events["eventId"].hash().to_numpy()
    return of_id + of_source * np.uint64(0x9E3779B97F4A7C15)


def _ledger(
    screened: Screened, verdicts: npt.NDArray[np.int8], is_conflict: npt.NDArray[np.bool_]
) -> pl.DataFrame:
    decoded = pl.DataFrame(
        {
            "source": screened.events["source"],
            "minute": screened.received_at // _MINUTE_MS * _MINUTE_MS,
            "verdict": verdicts,
            "is_conflict": is_conflict,
        }
    )
    others = pl.DataFrame(
        {
            "source": [record.source for record, _ in screened.rejected],
            "minute": [
                record.received_at // _MINUTE_MS * _MINUTE_MS for record, _ in screened.rejected
            ],
            "verdict": [DEAD_LETTER] * len(screened.rejected),
            "is_conflict": [False] * len(screened.rejected),
        },
        schema=decoded.schema,
    )
    verdict = pl.col("verdict")
    return (
        (decoded.vstack(others) if len(others) else decoded)
        .group_by("source", "minute")
        .agg(
            pl.len().cast(pl.Int64).alias("received"),
            (verdict == ADMITTED).sum().cast(pl.Int64).alias("admitted"),
            (verdict == DUPLICATE).sum().cast(pl.Int64).alias("duplicate"),
            (verdict == LATE).sum().cast(pl.Int64).alias("late"),
            (verdict == DEAD_LETTER).sum().cast(pl.Int64).alias("dead_letter"),
            pl.col("is_conflict").sum().cast(pl.Int64).alias("conflict"),
        )
        .select(LEDGER_SCHEMA.names())
        .sort("source", "minute")
    )


def _uncounted(
    screened: Screened, verdicts: npt.NDArray[np.int8], is_conflict: npt.NDArray[np.bool_]
) -> pl.DataFrame:
    rejected = pl.DataFrame(
        [
            (
                record.partition,
                record.offset,
                record.source,
                record.received_at,
                "dead_letter",
                rejection.reason,
                rejection.step,
                rejection.message,
                None,
                None,
                None,
                record.raw,
            )
            for record, rejection in screened.rejected
        ],
        schema=UNCOUNTED_SCHEMA,
        orient="row",
    )
    at = np.flatnonzero(verdicts != ADMITTED)
    if len(at) == 0:
        return rejected
    verdict = verdicts[at]
    conflict = is_conflict[at]
    events = screened.events[at]
    reason = np.select(
        [verdict == LATE, verdict == DEAD_LETTER, conflict],
        ["late", "future", "conflict"],
        "duplicate",
    )
    step = np.select([verdict == LATE, verdict == DEAD_LETTER], ["lateness", "clock"], "duplicate")
    message = np.select(
        [verdict == LATE, verdict == DEAD_LETTER, conflict],
        [LATE_MESSAGE, FUTURE_MESSAGE, CONFLICT_MESSAGE],
        DUPLICATE_MESSAGE,
    )
    decoded = pl.DataFrame(
        {
            "partition": np.full(len(at), screened.records.partition),
            "offset": screened.offsets[at],
            "source": events["source"],
            "received_at": screened.received_at[at],
            "verdict": pl.Series(_VERDICT_NAMES[verdict].tolist(), dtype=pl.String),
            "reason": pl.Series(reason.tolist(), dtype=pl.String),
            "step": pl.Series(step.tolist(), dtype=pl.String),
            "message": pl.Series(message.tolist(), dtype=pl.String),
            "event_id": events["eventId"],
            "user_id": events["userId"],
            "event_time": events["timestamp"],
            "raw": _raw_of(screened, at, verdict),
        },
        schema_overrides=UNCOUNTED_SCHEMA,
    )
    return pl.concat([rejected, decoded]).sort("offset")


def _raw_of(
    screened: Screened, at: npt.NDArray[np.intp], verdict: npt.NDArray[np.int8]
) -> pl.Series:
    """The bytes of the late and dead records at these rows; null for duplicates."""
    raw: list[bytes | None] = [None] * len(at)
    keep = np.flatnonzero(verdict != DUPLICATE)
    if len(keep):
        odd = {record.offset: record.raw for record in screened.records.odd}
        wanted = screened.offsets[at[keep]]
        rows = np.searchsorted(screened.records.offsets, wanted)
        lines = split_lines(screened.records.lines) if screened.records.lines else pl.Series()
        for place, offset, row in zip(keep.tolist(), wanted.tolist(), rows.tolist(), strict=True):
            raw[place] = odd[offset] if offset in odd else str(lines[row]).encode()
    return pl.Series(raw, dtype=pl.Binary)
