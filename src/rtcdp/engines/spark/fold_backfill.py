"""Backfill of folds in the executors: what the topic tells, and rows made of whole stories.

The driver lists keys and commits. Stories are read from the store by the tasks that fold them, and
what comes back is what changes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import polars as pl
import pyarrow as pa
from pyspark.accumulators import Accumulator
from pyspark.sql import DataFrame, SparkSession

from rtcdp.admission.batch import ADMITTED
from rtcdp.definitions import Fold, RowTable
from rtcdp.engines.backfill import Step
from rtcdp.engines.decided import with_recorded
from rtcdp.engines.fold_backfill import LOST, Page, chunk_number, fields_told, told_anew
from rtcdp.engines.quarantine import FAILURES
from rtcdp.engines.spark.backfill import STEP_OFFSETS, Ranges, ranges_between, tried
from rtcdp.engines.spark.batches import tasks_for
from rtcdp.engines.spark.decoding import BatchMapper, records_in
from rtcdp.engines.spark.exchange import (
    DIFFERENCE_ARROW_SCHEMA,
    DIFFERENCE_SCHEMA,
    KEYED_ARROW_SCHEMA,
    KEYED_SCHEMA,
    pack_frame,
    unpack_frame,
)
from rtcdp.engines.spark.query import KafkaSource, read_between
from rtcdp.engines.spark.stories import (
    AfterEpoch,
    StoreAccess,
    changes_in,
    keyed_rows,
    packed_change,
    packed_trouble,
)
from rtcdp.engines.stored_rows import StoredRows
from rtcdp.engines.timeline import Timeline
from rtcdp.folds.timeline import Telling, chunks_of, timeline_of
from rtcdp.store import RowChanges, Store

Recorded = Mapping[int, pl.DataFrame]
"""The verdicts of the records that do not count, by partition."""


@dataclass(frozen=True)
class InExecutors:
    """A backfill that Spark works out; see `rtcdp.engines.fold_backfill.Way`. Raises what the log
    and the store raise, and `SparkFailed`."""

    spark: SparkSession
    source: KafkaSource
    store: Store
    access: StoreAccess
    step_offsets: int = STEP_OFFSETS

    def told(
        self, telling: Telling, starts: Mapping[int, int], ends: Mapping[int, int]
    ) -> Iterator[Step]:
        """See `Way`."""
        reached = dict(starts)
        for ranges in ranges_between(starts, ends, self.step_offsets):
            with self.store.snapshot() as snapshot:
                recorded = {each: snapshot.verdicts(each, *at) for each, at in ranges.items()}
            one = partial(self._told, telling, ranges, recorded, chunk_number(reached))
            changes, lost_count = tried(one, self.source.topic)
            reached |= {each: end for each, (_, end) in ranges.items()}
            yield Step(changes, dict(reached), lost_count, LOST)

    def whole(self, fold: Fold, pages: Iterator[Page]) -> Iterator[tuple[RowChanges, int]]:
        """See `Way`."""
        with self.store.snapshot() as snapshot:
            epoch = snapshot.progress.epoch
        tasks = int(self.spark.conf.get("spark.sql.shuffle.partitions") or 1)
        while some := list(islice(pages, tasks)):
            keys = pa.Table.from_batches([keys_by_task(fold, [each for each, _ in some])])
            one = partial(self._whole, fold, keys, len(some), epoch)
            for change in tried(one, self.source.topic):
                yield change, sum(count for _, count in some)

    def _told(
        self, telling: Telling, ranges: Ranges, recorded: Recorded, number: int
    ) -> tuple[Sequence[RowChanges], int]:
        """The chunks that these records tell, and how many records are lost."""
        lost = self.spark.sparkContext.accumulator(0)
        tasks = tasks_for(self.spark, ranges)
        records = read_between(self.spark, self.source, ranges)
        keyed = records.mapInArrow(event_packer(telling, recorded, lost, tasks), KEYED_SCHEMA)
        chunks = _gathered(keyed, tasks, chunker(telling, number), telling.table)
        return chunks, lost.value

    def _whole(self, fold: Fold, keys: pa.Table, tasks: int, epoch: int) -> Sequence[RowChanges]:
        keyed = self.spark.createDataFrame(keys, KEYED_SCHEMA)
        return _gathered(keyed, tasks, whole_teller(fold, self.access, epoch), fold.table)


def _gathered(
    keyed: DataFrame, tasks: int, mapper: BatchMapper, table: RowTable
) -> Sequence[RowChanges]:
    found = keyed.repartitionById(tasks, "task").mapInArrow(mapper, DIFFERENCE_SCHEMA)
    return changes_in(pl.DataFrame(found.toArrow()), (table,))


def event_packer(
    telling: Telling, recorded: Recorded, lost: Accumulator[int], tasks: int
) -> BatchMapper:
    """What turns rows of the topic into rows of `KEYED_SCHEMA`: the admitted events, each with all
    others of its key in one of so many tasks. Counts in `lost` those that were admitted once and
    can't be read as events any more."""

    def pack_events(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows == 0:
                continue
            decided = with_recorded((records_in(batch),), fields_told(telling), recorded)
            if decided.rejected:
                lost.add(len(decided.rejected))
            events = decided.events.filter(decided.verdicts == ADMITTED)
            yield keyed_rows(events, {telling.key: telling.columns}, tasks)

    return pack_events


def chunker(telling: Telling, number: int) -> BatchMapper:
    """What turns the events of a task (`KEYED_SCHEMA`) into the chunks of a timeline under a
    number: rows of `DIFFERENCE_SCHEMA`."""

    def chunk(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        packed = [each for batch in batches for each in batch.column("events").to_pylist()]
        if packed:
            events = pl.concat([unpack_frame(each) for each in packed])
            chunks = chunks_of(events.select(telling.columns), telling.table, number)
            gone = chunks.select(telling.table.primary_key).clear()
            yield _row(packed_change(RowChanges(telling.table, gone, chunks)))

    return chunk


def keys_by_task(fold: Fold, pages: Sequence[pl.DataFrame]) -> pa.RecordBatch:
    """The keys of a page for each task: rows of `KEYED_SCHEMA`."""
    rows = [
        {"task": number, "key": fold.key, "events": pack_frame(keys)}
        for number, keys in enumerate(pages)
    ]
    return pa.RecordBatch.from_pylist(rows, KEYED_ARROW_SCHEMA)


def whole_teller(fold: Fold, access: StoreAccess, epoch: int) -> BatchMapper:
    """What turns the keys of a task (`KEYED_SCHEMA`) into what makes their rows what their stories
    say, as the store is after an epoch: rows of `DIFFERENCE_SCHEMA`."""

    def tell(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        packed = [each for batch in batches for each in batch.column("events").to_pylist()]
        if not packed:
            return
        keys = pl.concat([unpack_frame(each) for each in packed])
        try:
            store = AfterEpoch(access.opened(), epoch)
            timeline, stored = Timeline(store, timeline_of(fold)), StoredRows(store, fold.table)
            change = told_anew(fold, timeline, stored, keys)
        except FAILURES as error:
            yield _row(packed_trouble(error))
        else:
            yield _row(packed_change(change))

    return tell


def _row(row: Mapping[str, object]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([dict(row)], DIFFERENCE_ARROW_SCHEMA)
