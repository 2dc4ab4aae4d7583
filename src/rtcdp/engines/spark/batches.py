"""A batch of the query, from its rows to what an epoch needs: Spark's jobs over what it kept."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import polars as pl
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession

from rtcdp.admission.verdicts import UNCOUNTED_SCHEMA
from rtcdp.definitions import Metric, fields_of, tables_of
from rtcdp.engines.spark.decoding import BatchMapper
from rtcdp.engines.spark.exchange import (
    DIFFERENCE_SCHEMA,
    KEYED_SCHEMA,
    PART_LEDGER_SCHEMA,
    PLACES_SCHEMA,
    BucketVerdicts,
    Duplicates,
    SliceAccount,
    spark_schema,
    unpack_account,
    unpack_verdicts,
)
from rtcdp.engines.spark.folding import (
    Ranges,
    Unpacking,
    event_unpacker,
    ledger_unpacker,
    place_unpacker,
    uncounted_unpacker,
)
from rtcdp.engines.spark.lowering import changes_of, distinct_fields, statement_of
from rtcdp.engines.spark.stories import Stories, changes_in, folder, keyed_packer
from rtcdp.store import RowChanges, TableChange

_VIEW = "rtcdp_events"

TASK_OFFSETS = 10_000
"""A task takes about so many records at least: one of folds asks the store by itself, and one of
metrics costs more than a few thousand events do."""

_COMPILES = "spark.sql.codegen.wholeStage"


class Batch:
    """The rows of one batch, kept in the executors while they are worked on: `JUDGED_SCHEMA`."""

    def __init__(
        self, rows: DataFrame, metrics: Sequence[Metric], stories: Stories | None = None
    ) -> None:
        self._rows = rows
        self._metrics = metrics
        self._stories = stories

    def accounts(self) -> tuple[list[SliceAccount], list[BucketVerdicts]]:
        """The accounts of all slices, and the verdicts of all buckets."""
        rows = self._rows.select("account", "verdicts").toArrow()
        accounts, verdicts = (rows[name].to_pylist() for name in ("account", "verdicts"))
        return (
            [unpack_account(each) for each in accounts if each is not None],
            [unpack_verdicts(each) for each in verdicts if each is not None],
        )

    def uncounted(self, duplicates: Mapping[int, Duplicates], ranges: Ranges) -> pl.DataFrame:
        """The records in these ranges that do not count, these duplicates among them: rows of
        `UNCOUNTED_SCHEMA`."""
        unpacker = uncounted_unpacker(duplicates, ranges)
        return self._gathered(
            ("events", "identities", "uncounted"), ranges, unpacker, UNCOUNTED_SCHEMA
        )

    def ledger(self, ranges: Ranges) -> pl.DataFrame:
        """The ledger of these ranges, slice by slice: rows of `PART_LEDGER_SCHEMA`."""
        return self._gathered(
            ("events", "uncounted"), ranges, ledger_unpacker(ranges), PART_LEDGER_SCHEMA
        )

    def places(self, ranges: Ranges) -> pl.DataFrame:
        """Where the records in these ranges are: rows of `PLACES_SCHEMA`."""
        return self._gathered(
            ("events", "identities", "uncounted"), ranges, place_unpacker(ranges), PLACES_SCHEMA
        )

    def changes(
        self, duplicates: Mapping[int, Duplicates], ranges: Ranges
    ) -> tuple[TableChange, ...]:
        """What the events in these ranges change in the tables, without the duplicates."""
        spark = self._rows.sparkSession
        unpacking = Unpacking(
            fields_of(self._metrics), distinct_fields(self._metrics), duplicates, ranges
        )
        packed = self._slices(("events",), ranges).where("events IS NOT NULL")
        events = packed.mapInArrow(event_unpacker(unpacking), unpacking.schema)
        if tasks_for(spark, ranges) > 1:
            return folded(events, self._metrics)
        with _interpreted(spark):
            return folded(events.coalesce(1), self._metrics)

    def row_changes(
        self, duplicates: Mapping[int, Duplicates], ranges: Ranges, number: int
    ) -> tuple[RowChanges, ...]:
        """What the events in these ranges, without the duplicates, change among the rows of folds
        in the epoch of this number, which is the store's next one.

        Raises `StoreUnavailable`, `EpochRefused` and `SparkFailed` where an executor can't read the
        store.
        """
        stories = self._stories
        if stories is None:
            return ()
        tasks = tasks_for(self._rows.sparkSession, ranges)
        slices = self._slices(("events",), ranges).where("events IS NOT NULL")
        packer = keyed_packer(stories, duplicates, ranges, tasks)
        keyed = slices.mapInArrow(packer, KEYED_SCHEMA)
        return told(keyed, stories, tasks, number - 1, number)

    def _gathered(
        self, columns: Sequence[str], ranges: Ranges, unpacker: BatchMapper, schema: pl.Schema
    ) -> pl.DataFrame:
        unpacked = self._slices(columns, ranges).mapInArrow(unpacker, spark_schema(schema))
        found = pl.DataFrame(unpacked.toArrow())
        return found.select(pl.col(name).cast(kind) for name, kind in schema.items())

    def _slices(self, columns: Sequence[str], ranges: Ranges) -> DataFrame:
        """The packed columns of the slices that these ranges touch."""
        return self._rows.where(f"account IS NOT NULL AND {_touching(ranges)}").select(
            "partition", *columns
        )


def folded(events: DataFrame, metrics: Sequence[Metric]) -> tuple[TableChange, ...]:
    """What admitted events (`Unpacking.schema`) change in the tables of metrics."""
    if not metrics:
        return ()
    has_many_tables = sum(len(tables_of(metric)) for metric in metrics) > 1
    with _kept(events) if has_many_tables else _as_it_is():
        events.createOrReplaceTempView(_VIEW)
        panes = pl.DataFrame(events.sparkSession.sql(statement_of(metrics, _VIEW)).toArrow())
    return changes_of(metrics, panes)


def tasks_for(spark: SparkSession, ranges: Ranges) -> int:
    """In how many tasks the events in these ranges are worth to be folded."""
    offsets = sum(end - start for start, end in ranges.values())
    partitions = int(spark.conf.get("spark.sql.shuffle.partitions") or 1)
    return min(partitions, 1 + offsets // TASK_OFFSETS)


def told(
    keyed: DataFrame, stories: Stories, tasks: int, after_epoch: int, number: int
) -> tuple[RowChanges, ...]:
    """What events on their way to so many tasks (`KEYED_SCHEMA`) change among the rows of folds;
    see `rtcdp.engines.spark.stories.folder` for the numbers."""
    gathered = keyed.repartitionById(tasks, "task").mapInArrow(
        folder(stories, after_epoch, number), DIFFERENCE_SCHEMA
    )
    return changes_in(pl.DataFrame(gathered.toArrow()), stories.tables)


def _touching(ranges: Ranges) -> str:
    """The condition on slices that they touch these ranges.

    The offsets stand in maps, which Spark hands to the program that it makes of a query: numbers
    would be written into it, and every batch had its own to be compiled.
    """
    if not ranges:
        return "false"
    starts, ends = (
        f"map({', '.join(f'{partition}, {pair[side]}L' for partition, pair in ranges.items())})"
        for side in (0, 1)
    )
    return (
        f"coalesce(first_offset < try_element_at({ends}, partition)"
        f" AND next_offset > try_element_at({starts}, partition), false)"
    )


@contextmanager
def kept_batch(
    rows: DataFrame, metrics: Sequence[Metric], stories: Stories | None = None
) -> Iterator[Batch]:
    """The batch, computed once however often it is asked; running the index of ids a second time
    would give another answer."""
    with _kept(rows):
        yield Batch(rows, metrics, stories)


@contextmanager
def _kept(rows: DataFrame) -> Iterator[None]:
    rows.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield
    finally:
        rows.unpersist()


@contextmanager
def _interpreted(spark: SparkSession) -> Iterator[None]:
    """Run a query without a program of its own: that of a statement with so many tables takes
    longer to be made and loaded than a small batch takes to be read row by row."""
    usual = spark.conf.get(_COMPILES) or "true"
    spark.conf.set(_COMPILES, "false")
    try:
        yield
    finally:
        spark.conf.set(_COMPILES, usual)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield
