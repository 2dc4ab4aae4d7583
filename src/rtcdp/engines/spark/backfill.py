"""Backfill of a new metric by Spark: the topic is read again as batches, in the executors.

What was decided is not judged again: executors get the recorded verdicts of what they read, which
are those of the records that do not count, and take all others for admitted.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeVar

import polars as pl
import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.accumulators import Accumulator
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from rtcdp.admission.batch import ADMITTED
from rtcdp.definitions import Metric, fields_of
from rtcdp.engines.backfill import Step, Steps
from rtcdp.engines.decided import with_recorded
from rtcdp.engines.spark.batches import folded
from rtcdp.engines.spark.decoding import BatchMapper, records_in
from rtcdp.engines.spark.failures import failure_of, is_slow_start
from rtcdp.engines.spark.folding import Unpacking, packed_events
from rtcdp.engines.spark.lowering import distinct_fields
from rtcdp.engines.spark.query import KafkaSource, read_between
from rtcdp.store import Store

STEP_OFFSETS = 500_000
"""So many records a step takes at most. A killed backfill goes on after its last one."""

_TRIES = 5

Made = TypeVar("Made")

Ranges = Mapping[int, tuple[int, int]]


def spark_steps(
    spark: SparkSession, source: KafkaSource, store: Store, step_offsets: int = STEP_OFFSETS
) -> Steps:
    """Steps of a backfill that Spark computes, `step_offsets` records at most in each. Raises what
    the log and the store raise, and `SparkFailed`."""

    def steps(metric: Metric, starts: Mapping[int, int], ends: Mapping[int, int]) -> Iterator[Step]:
        fields, distinct = fields_of([metric]), distinct_fields([metric])
        for ranges in ranges_between(starts, ends, step_offsets):
            with store.snapshot() as snapshot:
                recorded = {each: snapshot.verdicts(each, *at) for each, at in ranges.items()}
            unpacking = Unpacking(fields, distinct, {}, ranges)
            one = partial(_step, spark, source, metric, unpacking, recorded)
            yield tried(one, source.topic)

    return steps


def ranges_between(
    starts: Mapping[int, int], ends: Mapping[int, int], step_offsets: int
) -> Iterator[Ranges]:
    """All of `[start, end)` of every partition, so many offsets at a time: a share of each."""
    reached = {each: start for each, start in starts.items() if start < ends.get(each, start)}
    while reached:
        share = max(1, step_offsets // len(reached))
        ranges = {each: (at, min(at + share, ends[each])) for each, at in reached.items()}
        yield ranges
        reached = {each: end for each, (_, end) in ranges.items() if end < ends[each]}


def unpacker(
    unpacking: Unpacking, recorded: Mapping[int, pl.DataFrame], lost: Accumulator[int]
) -> BatchMapper:
    """What turns rows of the topic into the admitted events; `recorded` are the verdicts of the
    others, by partition. Counts in `lost` those that were admitted once and can't be read as events
    any more."""

    def unpack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows == 0:
                continue
            decided = with_recorded((records_in(batch),), unpacking.fields, recorded)
            if decided.rejected:
                lost.add(len(decided.rejected))
            yield from packed_events(decided.events.filter(decided.verdicts == ADMITTED), unpacking)

    return unpack


def _step(
    spark: SparkSession,
    source: KafkaSource,
    metric: Metric,
    unpacking: Unpacking,
    recorded: Mapping[int, pl.DataFrame],
) -> Step:
    lost = spark.sparkContext.accumulator(0)
    records = read_between(spark, source, unpacking.ranges)
    events = records.mapInArrow(unpacker(unpacking, recorded, lost), unpacking.schema)
    changes = folded(events, [metric])
    reached = {each: end for each, (_, end) in unpacking.ranges.items()}
    return Step(changes, reached, lost.value, f"before {_named(reached)}")


def _named(offsets: Mapping[int, int]) -> str:
    return " and ".join(f"offset {at} of partition {each}" for each, at in sorted(offsets.items()))


def tried(step: Callable[[], Made], topic: str) -> Made:
    """What a job makes, started once more where Spark's Python took too long to start. Raises what
    its failure means: `OffsetsMissing`, `LogUnavailable` or `SparkFailed`."""
    for left in reversed(range(_TRIES)):
        try:
            return step()
        except (PySparkException, Py4JError) as error:
            if not (left and is_slow_start(error)):
                raise failure_of(error, topic) from error
    raise AssertionError("unreachable")
