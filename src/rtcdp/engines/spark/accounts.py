"""From a batch's slices and verdicts to epochs: what became of every record. On the driver; places
and counts only, but for the records that an epoch does not count."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.clock import MINUTE_MS
from rtcdp.engines.spark.exchange import (
    BucketVerdicts,
    Duplicates,
    Int64Array,
    SliceAccount,
    unpack_frame,
    unpack_offsets,
)
from rtcdp.engines.spark.failures import SparkFailed
from rtcdp.engines.spark.parts import Part
from rtcdp.store import Epoch, EpochSpan, Progress, TableChange


@dataclass(frozen=True)
class BatchAccount:
    """What a batch read: the accounts of its slices, by partition and place, and by partition the
    duplicates among the counted ones."""

    slices: tuple[SliceAccount, ...]
    duplicates: Mapping[int, Duplicates]

    @property
    def counted(self) -> Sequence[SliceAccount]:
        """The slices that no earlier epoch has decided."""
        return [each for each in self.slices if each.is_counted]

    @property
    def duplicate_count(self) -> int:
        return sum(len(each.offsets) for each in self.duplicates.values())


@dataclass(frozen=True)
class Tally:
    """The ledger of a part of a batch (`LEDGER_SCHEMA`), duplicates not yet told apart; and by
    partition the least and the greatest event time, and the greatest intake time (UTC ms)."""

    ledger: pl.DataFrame
    event_times: Mapping[int, tuple[int, int]]
    max_received_at: Mapping[int, int]


def account_of(slices: Iterable[SliceAccount], verdicts: Iterable[BucketVerdicts]) -> BatchAccount:
    """Put together what came of a batch. Raises `SparkFailed` when some of it is missing."""
    ordered = tuple(sorted(slices, key=lambda each: (each.partition, each.position)))
    _check_all_there(ordered)
    wanted: defaultdict[int, int] = defaultdict(int)
    for each in ordered:
        wanted[each.partition] += each.candidate_count if each.is_counted else 0
    duplicates: defaultdict[int, list[Int64Array]] = defaultdict(list)
    conflicts: defaultdict[int, list[Int64Array]] = defaultdict(list)
    for found in verdicts:
        wanted[found.partition] -= found.judged_count
        duplicates[found.partition].append(unpack_offsets(found.duplicates))
        conflicts[found.partition].append(unpack_offsets(found.conflicts))
    for partition, missing in wanted.items():
        if missing:
            raise _incomplete(partition)
    return BatchAccount(
        ordered,
        {
            partition: Duplicates(_sorted(offsets), _sorted(conflicts[partition]))
            for partition, offsets in duplicates.items()
            if sum(map(len, offsets))
        },
    )


def whole_of(batch: BatchAccount, next_offsets: Mapping[int, int], progress: Progress) -> Part:
    """All that is to be counted of a batch that ends at `next_offsets`, after `progress`. Raises
    `SparkFailed` when the batch does not go on where the store stands."""
    first: dict[int, int] = {}
    for each in batch.counted:
        first.setdefault(each.partition, each.first_offset)
    ranges: dict[int, tuple[int, int]] = {}
    for partition, end in sorted(next_offsets.items()):
        start = progress.next_offsets.get(partition, first.get(partition, end))
        if first.get(partition, start) < start:
            raise SparkFailed(
                f"the store has counted partition {partition} up to offset {start} already, and "
                f"this batch would count from {first[partition]} on",
                "another engine seems to write to this store; see which, and run one of them",
            )
        if start < end:
            ranges[partition] = (start, end)
    return Part(ranges)


def tally_of(batch: BatchAccount) -> Tally:
    """The tally of all that is counted of a batch."""
    times: dict[int, tuple[int, int]] = {}
    newest: dict[int, int] = {}
    for each in batch.counted:
        newest[each.partition] = max(newest.get(each.partition, 0), each.max_received_at)
        if each.min_event_time is not None and each.max_event_time is not None:
            least, most = times.get(each.partition, (each.min_event_time, each.max_event_time))
            times[each.partition] = (
                min(least, each.min_event_time),
                max(most, each.max_event_time),
            )
    return Tally(_summed([unpack_frame(each.ledger) for each in batch.counted]), times, newest)


def tally_of_part(rows: pl.DataFrame) -> Tally:
    """The tally of what rows of `PART_LEDGER_SCHEMA` are of."""
    by_partition = rows.group_by("partition").agg(
        pl.col("min_event_time").min(),
        pl.col("max_event_time").max(),
        pl.col("max_received_at").max(),
    )
    return Tally(
        _summed([rows.select(LEDGER_SCHEMA.names())]),
        {
            partition: (least, most)
            for partition, least, most, _ in by_partition.rows()
            if least is not None
        },
        {partition: newest for partition, _, _, newest in by_partition.rows()},
    )


def epoch_of(
    part: Part,
    tally: Tally,
    uncounted: pl.DataFrame,
    changes: Sequence[TableChange],
    progress: Progress,
) -> Epoch | None:
    """The epoch after `progress` that counts a part; None if that is nothing. `uncounted` are its
    records that do not count, duplicates among them."""
    spans = tuple(_spans(part, tally))
    if not spans:
        return None
    ledger = _with_duplicates(tally.ledger, uncounted)
    span_offsets = sum(span.next_offset - span.first_offset for span in spans)
    return Epoch(
        number=progress.epoch + 1,
        spans=spans,
        changes=tuple(changes),
        ledger=ledger,
        uncounted=pl.concat([UNCOUNTED_SCHEMA.to_frame(eager=True), uncounted]).sort(
            "partition", "offset"
        ),
        max_received_at={
            span.partition: max(
                progress.max_received_at.get(span.partition, 0),
                tally.max_received_at.get(span.partition, 0),
            )
            for span in spans
        },
        engine="spark",
        gaps=span_offsets - int(ledger["received"].sum()),
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


def _sorted(parts: Sequence[Int64Array]) -> Int64Array:
    return np.sort(np.concatenate([np.empty(0, np.int64), *parts]))


def _spans(part: Part, tally: Tally) -> Iterator[EpochSpan]:
    for partition, (start, end) in sorted(part.ranges.items()):
        if start < end:
            least, most = tally.event_times.get(partition, (None, None))
            yield EpochSpan(partition, start, end, least, most)


def _with_duplicates(ledger: pl.DataFrame, uncounted: pl.DataFrame) -> pl.DataFrame:
    """The ledger with the duplicates moved to where they belong."""
    moved = (
        uncounted.filter(pl.col("verdict") == "duplicate")
        .group_by("source", (pl.col("received_at") // MINUTE_MS * MINUTE_MS).alias("minute"))
        .agg(
            pl.len().cast(pl.Int64).alias("duplicate"),
            (pl.col("reason") == "conflict").sum().cast(pl.Int64).alias("conflict"),
        )
        .with_columns(admitted=-pl.col("duplicate"))
    )
    return _summed([ledger, moved])


def _summed(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    counts = [name for name in LEDGER_SCHEMA if name not in ("source", "minute")]
    empty = LEDGER_SCHEMA.to_frame(eager=True)
    return (
        pl.concat([empty, *parts], how="diagonal")
        .group_by("source", "minute")
        .agg(pl.col(counts).sum())
        .select(LEDGER_SCHEMA.names())
        .sort("source", "minute")
    )
