"""One micro-batch of Spark's, from its rows to an epoch.

The rows were screened and went through the state store: of rows with the same event id only the
first ever is left. What is missing are the duplicates.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - as everybody does
from pyspark.storagelevel import StorageLevel

from rtcdp.engines.engine import LEDGER_SCHEMA, UNCOUNTED_SCHEMA, EpochSpan, TableChange
from rtcdp.engines.fields import fields_of
from rtcdp.engines.spark.lowering import event_columns, hashed_fields, plans_of, with_hashes
from rtcdp.engines.spark.slices import (
    ID_ROW,
    SliceAccount,
    duplicates_in,
    open_events,
    open_slice,
)
from rtcdp.errors import RtcdpError
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.table import Table

Dropped = Mapping[int, npt.NDArray[np.int64]]
"""By partition the offsets of the duplicates, sorted."""

_MINUTE_MS = 60_000
_TABLE = "_table"
_NOTHING = np.zeros(0, np.int64)


class WatermarkDropped(RtcdpError):
    """Spark's watermark dropped records before they could be judged. Nothing of the batch was
    committed."""


@dataclass(frozen=True)
class Batch:
    """What the driver knows of a micro-batch: the accounts of its slices, and its duplicates."""

    slices: tuple[SliceAccount, ...]
    duplicates: Dropped

    def spans(self) -> tuple[EpochSpan, ...]:
        """One a partition."""
        by_partition: dict[int, list[SliceAccount]] = {}
        for each in self.slices:
            by_partition.setdefault(each.partition, []).append(each)
        return tuple(
            EpochSpan(
                partition=partition,
                first_offset=min(each.first_offset for each in own),
                next_offset=max(each.next_offset for each in own),
                min_event_time=min(_known(each.min_event_time for each in own), default=None),
                max_event_time=max(_known(each.max_event_time for each in own), default=None),
            )
            for partition, own in sorted(by_partition.items())
        )

    @property
    def record_count(self) -> int:
        return sum(each.record_count for each in self.slices)

    def max_received_at(self) -> dict[int, int]:
        newest: dict[int, int] = {}
        for each in self.slices:
            newest[each.partition] = max(newest.get(each.partition, 0), each.max_received_at)
        return newest


def open_batch(rows: DataFrame, watermark_ms: int, slack_hint: str) -> Batch:
    """Read the accounts, and find the duplicates by their places.

    `rows` has the columns of `slices.ROW_DDL`. Raises `WatermarkDropped`.
    """
    accounts = rows.where(F.col("place") != ID_ROW).select("slice").toArrow()
    slices = tuple(open_slice(row) for row in accounts.column("slice").to_pylist())
    late = sum(int((each.id_received_at < watermark_ms).sum()) for each in slices)
    if late:
        raise WatermarkDropped(
            f"Spark's watermark passed {late:,} records before they were read: partitions lie "
            "further apart in time than it waits",
            slack_hint,
        )
    wanted = sum(len(each.id_offsets) for each in slices)
    survivors = rows.where(F.col("place") == ID_ROW).select("partition", "offset")
    counted_from = {span.partition: span.first_offset for span in Batch(slices, {}).spans()}
    if wanted == 0:
        return Batch(slices, {})
    kept = pl.from_arrow(survivors.toArrow())
    assert isinstance(kept, pl.DataFrame)
    duplicates = {}
    for partition in counted_from:
        own = kept.filter(pl.col("partition") == partition)["offset"].to_numpy()
        candidates = [each.id_offsets for each in slices if each.partition == partition]
        missing = np.setdiff1d(np.concatenate([_NOTHING, *candidates]), own)
        if len(missing):
            duplicates[partition] = missing
    return Batch(slices, duplicates)


def ledger_and_uncounted(rows: DataFrame, batch: Batch) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What became of every record: rows of `LEDGER_SCHEMA` and of `UNCOUNTED_SCHEMA`."""
    ledger = pl.concat(
        [pl.DataFrame(schema=LEDGER_SCHEMA), *(each.ledger for each in batch.slices)]
    )
    uncounted = [pl.DataFrame(schema=UNCOUNTED_SCHEMA), *(each.uncounted for each in batch.slices)]
    if batch.duplicates:
        found = _duplicates(rows, batch.duplicates)
        uncounted.append(found)
        moved = found.group_by(
            "source", minute=pl.col("received_at") // _MINUTE_MS * _MINUTE_MS
        ).agg(duplicate=pl.len().cast(pl.Int64))
        ledger = pl.concat(
            [
                ledger,
                moved.with_columns(admitted=-pl.col("duplicate")),
            ],
            how="diagonal",
        ).with_columns(pl.col(LEDGER_SCHEMA.names()[2:]).fill_null(0))
    summed = ledger.group_by("source", "minute").agg(pl.col(LEDGER_SCHEMA.names()[2:]).sum())
    return (
        summed.select(LEDGER_SCHEMA.names()).sort("source", "minute"),
        pl.concat(uncounted).sort("partition", "offset"),
    )


def changes_in(rows: DataFrame, batch: Batch, metrics: Sequence[Metric]) -> tuple[TableChange, ...]:
    """Fold the events of the batch into the rows to merge into every metric's tables: Spark's own
    aggregations, all in one job. What reaches the driver are their results."""
    fields, hashed = fields_of(metrics), hashed_fields(metrics)
    events = _events(rows, batch.duplicates, fields, hashed)
    plans = [plan for metric in metrics for plan in plans_of(metric, events)]
    if len(plans) > 1:
        events.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        folded = _collected(plans)
    finally:
        events.unpersist()
    return tuple(
        TableChange(table, found.sort(table.primary_key))
        for (table, _), found in zip(plans, folded, strict=True)
        if not found.is_empty()
    )


def _events(
    rows: DataFrame, duplicates: Dropped, fields: Sequence[str], hashed: Sequence[str]
) -> DataFrame:
    names = [*fields, "source", "timestamp"]

    def unpack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            partitions = batch.column("partition").to_pylist()
            for partition, packed in zip(
                partitions, batch.column("events").to_pylist(), strict=True
            ):
                events = open_events(packed, duplicates.get(partition, _NOTHING))
                shown = with_hashes(events.select(names), hashed)
                yield from shown.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()

    packed = rows.where(F.col("place") != ID_ROW).select("partition", "events")
    return packed.mapInArrow(unpack, event_columns(fields, hashed))


def _duplicates(rows: DataFrame, duplicates: Dropped) -> pl.DataFrame:
    def find(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            partitions = batch.column("partition").to_pylist()
            for partition, packed in zip(
                partitions, batch.column("events").to_pylist(), strict=True
            ):
                if partition in duplicates:
                    found = duplicates_in(packed, duplicates[partition])
                    yield from found.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()

    packed = rows.where(F.col("place") != ID_ROW).select("partition", "events")
    found = pl.from_arrow(packed.mapInArrow(find, _UNCOUNTED_DDL).toArrow())
    assert isinstance(found, pl.DataFrame)
    return found.cast(UNCOUNTED_SCHEMA)


def _collected(plans: Sequence[tuple[Table, DataFrame]]) -> list[pl.DataFrame]:
    """The results of all plans from one job: each row says whose it is, and has the columns of all
    tables."""
    if len(plans) == 1:
        return [_as_frame(plans[0][1])]
    together: DataFrame | None = None
    for number, (_, plan) in enumerate(plans):
        marked = plan.withColumn(_TABLE, F.lit(number))
        together = (
            marked if together is None else together.unionByName(marked, allowMissingColumns=True)
        )
    assert together is not None
    found = _as_frame(together)
    return [
        found.filter(pl.col(_TABLE) == number).select(table.column_names)
        for number, (table, _) in enumerate(plans)
    ]


def _as_frame(rows: DataFrame) -> pl.DataFrame:
    found = pl.from_arrow(rows.toArrow())
    assert isinstance(found, pl.DataFrame)
    return found


def _known(values: Iterable[int | None]) -> list[int]:
    return [value for value in values if value is not None]


_DDL_TYPES = {pl.Int64: "LONG", pl.String: "STRING", pl.Binary: "BINARY"}
_UNCOUNTED_DDL = ", ".join(
    f"`{name}` {_DDL_TYPES[type(kind)]}" for name, kind in UNCOUNTED_SCHEMA.items()
)
