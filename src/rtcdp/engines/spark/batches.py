"""A batch of the query, from its rows to what an epoch needs: Spark's jobs over what it kept."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import polars as pl
from pyspark import StorageLevel
from pyspark.sql import DataFrame

from rtcdp.engines.engine import TableChange
from rtcdp.engines.fields import fields_of
from rtcdp.engines.spark.folding import (
    DUPLICATES_SCHEMA,
    Unpacking,
    duplicate_unpacker,
    event_unpacker,
)
from rtcdp.engines.spark.lowering import changes_of, distinct_fields, statement_of
from rtcdp.engines.spark.slices import (
    IDENTITY_SCHEMA,
    Int64Array,
    SliceAccount,
    unpack_account,
    unpack_offsets,
)
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.table import tables_of

_VIEW = "rtcdp_events"


class Batch:
    """The rows of one batch, kept in the executors while they are worked on: `SURVIVORS_SCHEMA`."""

    def __init__(self, rows: DataFrame, metrics: Sequence[Metric]) -> None:
        self._rows = rows
        self._metrics = metrics
        self._statement = statement_of(metrics, _VIEW)

    def slices(self) -> tuple[list[SliceAccount], list[tuple[int, Int64Array]]]:
        """The accounts of all slices, and the offsets that survived, by partition in parts."""
        rows = self._rows.select("partition", "offsets", "account").toArrow()
        accounts = [unpack_account(each) for each in rows["account"].to_pylist() if each]
        survived = [
            (partition, unpack_offsets(offsets))
            for partition, offsets in zip(
                rows["partition"].to_pylist(), rows["offsets"].to_pylist(), strict=True
            )
            if offsets is not None
        ]
        return accounts, survived

    def duplicates(self, duplicates: Mapping[int, Int64Array]) -> pl.DataFrame:
        """The records at these offsets: the columns of `IDENTITY_SCHEMA`, and `partition`."""
        if not duplicates:
            return IDENTITY_SCHEMA.to_frame(eager=True).with_columns(partition=pl.lit(0))
        packed = self._rows.select("partition", "identities").where("identities IS NOT NULL")
        unpacked = packed.mapInArrow(duplicate_unpacker(duplicates), DUPLICATES_SCHEMA)
        return pl.DataFrame(unpacked.toArrow())

    def changes(self, duplicates: Mapping[int, Int64Array]) -> tuple[TableChange, ...]:
        """What all other events change in the tables of the metrics."""
        unpacking = Unpacking(fields_of(self._metrics), distinct_fields(self._metrics), duplicates)
        packed = self._rows.select("partition", "events").where("events IS NOT NULL")
        events = packed.mapInArrow(event_unpacker(unpacking), unpacking.schema)
        has_many_tables = sum(len(tables_of(metric)) for metric in self._metrics) > 1
        with _kept(events) if has_many_tables else _as_it_is():
            events.createOrReplaceTempView(_VIEW)
            panes = pl.DataFrame(events.sparkSession.sql(self._statement).toArrow())
        return changes_of(self._metrics, panes)


@contextmanager
def kept_batch(rows: DataFrame, metrics: Sequence[Metric]) -> Iterator[Batch]:
    """The batch, computed once however often it is asked; running the index of ids a second time
    would give another answer."""
    with _kept(rows):
        yield Batch(rows, metrics)


@contextmanager
def _kept(rows: DataFrame) -> Iterator[None]:
    rows.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield
    finally:
        rows.unpersist()


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield
