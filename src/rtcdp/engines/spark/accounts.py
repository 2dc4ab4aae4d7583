"""From a batch's slices and survivors to an epoch: which records are duplicates, and what became of
every other. On the driver; places and counts only, no events."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rtcdp.engines.admission import DUPLICATE_MESSAGE
from rtcdp.engines.engine import LEDGER_SCHEMA, UNCOUNTED_SCHEMA, Epoch, EpochSpan, TableChange
from rtcdp.engines.spark.checkpoint import PlannedBatch
from rtcdp.engines.spark.failures import SparkFailed, watermark_passed
from rtcdp.engines.spark.slices import Int64Array, SliceAccount, unpack_frame, unpack_offsets
from rtcdp.store.store import Progress

_MINUTE_MS = 60_000


@dataclass(frozen=True)
class BatchAccount:
    """What a batch read: the accounts of its slices, by partition and place, and by partition the
    sorted offsets of the duplicates among the counted ones."""

    slices: tuple[SliceAccount, ...]
    duplicates: Mapping[int, Int64Array]

    @property
    def counted(self) -> Sequence[SliceAccount]:
        """The slices that no earlier epoch has counted."""
        return [each for each in self.slices if each.is_counted]


def account_of(
    slices: Iterable[SliceAccount], survivors: Iterable[tuple[int, Int64Array]], watermark_ms: int
) -> BatchAccount:
    """Compare what went into the index of ids with what came out of it.

    `survivors` are offsets by partition, in any number of parts. Raises `SparkFailed` when slices
    are missing, and `WatermarkPassed` when a record that only fills the index came too late for it.
    """
    ordered = sorted(slices, key=lambda each: (each.partition, each.position))
    _check_all_there(ordered)
    survived: defaultdict[int, list[Int64Array]] = defaultdict(list)
    for partition, offsets in survivors:
        survived[partition].append(offsets)
    went_in: defaultdict[int, list[Int64Array]] = defaultdict(list)
    for each in ordered:
        went_in[each.partition].append(unpack_offsets(each.candidates))
        oldest = each.oldest_candidate
        if not each.is_counted and oldest is not None and oldest < watermark_ms:
            raise watermark_passed(each.partition, each.first_offset, watermark_ms - oldest)
    duplicates = {
        partition: dropped
        for partition, candidates in went_in.items()
        if len(dropped := _dropped(_joined(candidates), _joined(survived.get(partition, []))))
    }
    return BatchAccount(tuple(ordered), _counted_only(duplicates, ordered))


def check_watermark(duplicates: pl.DataFrame, watermark_ms: int) -> None:
    """Raise `WatermarkPassed` if a record seems to be a duplicate only because it came too late for
    the index. `duplicates` has the columns of `IDENTITY_SCHEMA` and `partition`."""
    late = duplicates.filter(pl.col("received_at") < watermark_ms).sort("received_at")
    if late.height:
        first = late.row(0, named=True)
        behind_ms = watermark_ms - first["received_at"]
        raise watermark_passed(first["partition"], first["offset"], behind_ms)


def epoch_of(
    batch: BatchAccount,
    planned: PlannedBatch,
    duplicates: pl.DataFrame,
    changes: Sequence[TableChange],
    progress: Progress,
) -> Epoch | None:
    """The epoch after `progress` with everything that this batch counts; None if that is nothing.

    `duplicates` are the records of `batch.duplicates`, with the columns of `IDENTITY_SCHEMA` and
    `partition`. Raises `SparkFailed` when the batch does not go on where `progress` ends.
    """
    spans = tuple(_spans(batch, planned, progress))
    if not spans:
        return None
    counted = batch.counted
    newest = dict(progress.max_received_at)
    for each in counted:
        newest[each.partition] = max(newest.get(each.partition, 0), each.max_received_at)
    covered = {span.partition for span in spans}
    span_offsets = sum(span.next_offset - span.first_offset for span in spans)
    return Epoch(
        number=progress.epoch + 1,
        spans=spans,
        changes=tuple(changes),
        ledger=_ledger(counted, duplicates),
        uncounted=_uncounted(counted, duplicates),
        max_received_at={partition: newest.get(partition, 0) for partition in sorted(covered)},
        engine="spark",
        gaps=span_offsets - sum(each.record_count for each in counted),
    )


def _check_all_there(ordered: Sequence[SliceAccount]) -> None:
    """A partition's slices are numbered without a gap, and the last one says that it is the last:
    anything else means that Spark lost a row or read a partition in two tasks."""
    following: dict[int, int] = {}
    ended: set[int] = set()
    for each in ordered:
        if each.position != following.get(each.partition, 0) or each.partition in ended:
            raise _incomplete(each.partition)
        following[each.partition] = each.position + 1
        if each.is_last:
            ended.add(each.partition)
    for partition in following:
        if partition not in ended:
            raise _incomplete(partition)


def _incomplete(partition: int) -> SparkFailed:
    return SparkFailed(
        f"Spark did not hand over every record of partition {partition}",
        "this is a defect of the engine; report it with this message",
    )


def _joined(parts: Sequence[Int64Array]) -> Int64Array:
    return np.concatenate([np.empty(0, np.int64), *parts])


def _dropped(candidates: Int64Array, survived: Int64Array) -> Int64Array:
    """The candidates that did not survive, sorted."""
    if len(candidates) == len(survived):
        return np.empty(0, np.int64)
    return np.setdiff1d(candidates, survived, assume_unique=True)


def _counted_only(
    duplicates: Mapping[int, Int64Array], ordered: Sequence[SliceAccount]
) -> dict[int, Int64Array]:
    """Without those that only fill the index; the counted slices of a partition come last."""
    first_counted: dict[int, int] = {}
    for each in ordered:
        if each.is_counted:
            first_counted.setdefault(each.partition, each.first_offset)
    counted = {
        partition: offsets[np.searchsorted(offsets, first_counted[partition]) :]
        for partition, offsets in duplicates.items()
        if partition in first_counted
    }
    return {partition: offsets for partition, offsets in counted.items() if len(offsets)}


def _spans(batch: BatchAccount, planned: PlannedBatch, progress: Progress) -> Iterator[EpochSpan]:
    """What is counted of each partition: from where the store stands to where the batch ends."""
    slices: defaultdict[int, list[SliceAccount]] = defaultdict(list)
    for each in batch.counted:
        slices[each.partition].append(each)
    for partition, end in sorted(planned.next_offsets.items()):
        here = slices[partition]
        start = progress.next_offsets.get(partition, here[0].first_offset if here else end)
        if here and here[0].first_offset < start:
            raise SparkFailed(
                f"the store has counted partition {partition} up to offset {start} already, and "
                f"this batch would count from {here[0].first_offset} on",
                "another engine seems to write to this store; see which, and run one of them",
            )
        if start < end:
            times = [each for each in here if each.min_event_time is not None]
            yield EpochSpan(
                partition=partition,
                first_offset=start,
                next_offset=end,
                min_event_time=min(
                    (t for e in times if (t := e.min_event_time) is not None), default=None
                ),
                max_event_time=max(
                    (t for e in times if (t := e.max_event_time) is not None), default=None
                ),
            )


def _ledger(counted: Sequence[SliceAccount], duplicates: pl.DataFrame) -> pl.DataFrame:
    """The slices' ledgers together, with the duplicates moved to where they belong."""
    moved = (
        duplicates.group_by("source", pl.col("received_at") // _MINUTE_MS * _MINUTE_MS)
        .agg(pl.len().cast(pl.Int64).alias("duplicate"))
        .rename({"received_at": "minute"})
        .with_columns(admitted=-pl.col("duplicate"))
    )
    parts = [unpack_frame(each.ledger) for each in counted]
    parts.append(
        LEDGER_SCHEMA.to_frame(eager=True).pipe(
            lambda empty: pl.concat([empty, moved], how="diagonal").fill_null(0)
        )
    )
    counts = [name for name in LEDGER_SCHEMA if name not in ("source", "minute")]
    return (
        pl.concat(parts)
        .group_by("source", "minute")
        .agg(pl.col(counts).sum())
        .select(LEDGER_SCHEMA.names())
        .sort("source", "minute")
    )


def _uncounted(counted: Sequence[SliceAccount], duplicates: pl.DataFrame) -> pl.DataFrame:
    found = duplicates.select(
        pl.col("partition").cast(pl.Int64),
        "offset",
        "source",
        "received_at",
        pl.lit("duplicate").alias("verdict"),
        pl.lit("duplicate").alias("reason"),
        pl.lit("duplicate").alias("step"),
        pl.lit(DUPLICATE_MESSAGE).alias("message"),
        "event_id",
        "user_id",
        "event_time",
        pl.lit(None, pl.Binary).alias("raw"),
    )
    parts = [unpack_frame(each.uncounted) for each in counted]
    empty = UNCOUNTED_SCHEMA.to_frame(eager=True)
    return pl.concat([empty, *parts, found]).sort("partition", "offset")
