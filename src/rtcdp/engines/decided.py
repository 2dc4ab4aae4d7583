"""Reading again what was decided: records with the verdicts that the store has recorded.

A verdict is decided once. Whoever needs the records of before (the index of ids after a restart, a
backfill, a check) reads them here, and applies no rule again: what has a row among the uncounted
records has that row's verdict, and all others are admitted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from rtcdp.admission.batch import VERDICT_NAMES, DecodedBatch, decode_batch, decode_identities
from rtcdp.engines.quarantine import REASON
from rtcdp.engines.resume import records_between
from rtcdp.log.contract import LogReader, Records
from rtcdp.log.views import without
from rtcdp.store import Progress, Store

Rounds = Callable[[LogReader, Mapping[int, int], Mapping[int, int]], Iterable[Sequence[Records]]]
"""Gives the records `[start, end)` of all partitions, in the order in which they are wanted."""

_CODES = {str(name): code for code, name in enumerate(VERDICT_NAMES)}


def partition_by_partition(
    log: LogReader, starts: Mapping[int, int], ends: Mapping[int, int]
) -> Iterator[tuple[Records, ...]]:
    """One partition after another, each in log order: for whoever needs no other order."""
    for partition, start in starts.items():
        for records in records_between(log, partition, start, ends[partition]):
            yield (records,)


def decided_batches(
    log: LogReader,
    store: Store,
    starts: Mapping[int, int],
    ends: Mapping[int, int],
    fields: Sequence[str] | None = (),
    rounds: Rounds = partition_by_partition,
) -> Iterator[DecodedBatch]:
    """The records `[start, end)` of every partition in `starts`, with their recorded verdicts and
    the asked `fields` of events; None: those that tell repeats, and no other. See `with_recorded`.

    They must be decided: `decided_from <= start` and `end <= next_offset` of the store's progress,
    and in the log; `readable_from` tells. Raises what the log and the store raise.
    """
    for pieces in rounds(log, starts, ends):
        yield with_recorded(pieces, fields, recorded_of(store, pieces))


def recorded_of(store: Store, pieces: Sequence[Records]) -> dict[int, pl.DataFrame]:
    """The recorded verdicts of the records of these pieces, by partition, by offset."""
    ranges: dict[int, tuple[int, int]] = {}
    for piece in pieces:
        first, following = ranges.get(piece.partition, (piece.first_offset, piece.next_offset))
        ranges[piece.partition] = (
            min(first, piece.first_offset),
            max(following, piece.next_offset),
        )
    with store.snapshot() as snapshot:
        return {
            partition: snapshot.verdicts(partition, *ends) for partition, ends in ranges.items()
        }


def with_recorded(
    pieces: Sequence[Records],
    fields: Sequence[str] | None,
    recorded: Mapping[int, pl.DataFrame],
) -> DecodedBatch:
    """Records with the verdicts that were recorded of them (rows of `RECORDED_SCHEMA`, by
    partition); what has none is admitted.

    `rejected` are those records that were no dead letters when they were decided, and can't be read
    as events any more. What the engine had failed at is left out altogether, and so is what was let
    go of since.
    """
    whole = [_without_failures(piece, recorded) for piece in pieces]
    decoded = decode_identities(whole) if fields is None else decode_batch(whole, fields, None)
    verdicts = decoded.verdicts
    for partition, rows in recorded.items():
        if rows.is_empty():
            continue
        start, stop = map(int, decoded.partitions.searchsorted([partition, partition + 1]))
        # Strict: a verdict that this version does not know must not be taken for an admission.
        codes = rows["verdict"].replace_strict(_CODES, return_dtype=pl.Int8).to_numpy()
        at = decoded.offsets[start:stop].searchsorted(rows["offset"].to_numpy()) + start
        here = np.flatnonzero(at < stop)
        # The log may have let go of records whose verdicts are kept.
        here = here[decoded.offsets[at[here]] == rows["offset"].to_numpy()[here]]
        verdicts[at[here]] = codes[here]
    known = {partition: set(rows["offset"].to_list()) for partition, rows in recorded.items()}
    lost = tuple(
        (record, rejection)
        for record, rejection in decoded.rejected
        if record.offset not in known.get(record.partition, ()) and not record.is_aged
    )
    return replace(decoded, rejected=lost)


def readable_from(log: LogReader, progress: Progress, partition: int) -> int:
    """The first offset of a partition whose record is in the log and whose verdict is in the
    store."""
    return max(log.extent(partition).first_offset, progress.decided_from.get(partition, 0))


def _without_failures(records: Records, recorded: Mapping[int, pl.DataFrame]) -> Records:
    """Without those that the engine failed at, maybe while it decoded them."""
    rows = recorded.get(records.partition)
    if rows is None:
        return records
    failed = rows.filter(
        (pl.col("reason") == REASON)
        & pl.col("offset").is_between(records.first_offset, records.next_offset - 1)
    )
    return records if failed.is_empty() else without(records, failed["offset"].to_list())
