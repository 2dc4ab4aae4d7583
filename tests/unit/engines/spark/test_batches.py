"""A kept batch answers as often as it is asked."""

import polars as pl
import pyarrow as pa
from pyspark import TaskContext

from rtcdp.admission.verdicts import UNCOUNTED_SCHEMA
from rtcdp.definitions import Count, Metric, tumbling
from rtcdp.engines.spark.batches import folded, kept_batch
from rtcdp.engines.spark.exchange import (
    EVENT_COLUMNS,
    JUDGED_SCHEMA,
    BucketVerdicts,
    pack,
    pack_frame,
)
from rtcdp.engines.spark.judging import REMEMBERED_FROM, remembered_property

METRIC = Metric("m", "a metric", tumbling(minutes=1), (Count("n"),))


def test_the_executors_are_told_from_where_on_ids_are_remembered(spark) -> None:
    def tell(batches):
        for batch in batches:
            said = TaskContext.get().getLocalProperty(REMEMBERED_FROM)
            yield pa.RecordBatch.from_pydict({"said": [said] * batch.num_rows})

    spark.sparkContext.setLocalProperty(REMEMBERED_FROM, remembered_property({0: 7}))
    told = spark.range(1).mapInArrow(tell, "said string").toArrow()
    assert told["said"].to_pylist() == ['{"0":7}']


def test_verdicts_are_read_and_what_is_not_there_is_empty(spark) -> None:
    verdicts = BucketVerdicts(2, 5, b"", b"")
    row = (2, None, None, pack(verdicts), None, None, None, None)
    rows = spark.createDataFrame([row], JUDGED_SCHEMA)
    with kept_batch(rows, [METRIC]) as batch:
        assert batch.accounts() == ([], [verdicts])
        nothing = batch.uncounted({}, {2: (0, 10)})
        assert (nothing.height, nothing.schema) == (0, UNCOUNTED_SCHEMA)
        assert batch.changes({}, {2: (0, 10)}) == ()
        assert batch.row_changes({}, {2: (0, 10)}, 1) == ()
    assert not rows.is_cached
    # Where folds alone are told, there is nothing to add up.
    assert folded(rows, []) == ()


def slice_of(partition: int, first: int, count: int):
    """A kept row with `count` events of one minute from offset `first` on."""
    events = pl.DataFrame(
        {
            "offset": range(first, first + count),
            "received_at": [1] * count,
            "source": ["s"] * count,
            "timestamp": [1] * count,
        },
        schema=EVENT_COLUMNS,
    )
    return (partition, first, first + count, None, b"told", pack_frame(events), None, None)


def counted(spark, ranges: dict[int, tuple[int, int]]) -> int:
    rows = [slice_of(0, 0, 5), slice_of(0, 5, 5), slice_of(1, 0, 3)]
    with kept_batch(spark.createDataFrame(rows, JUDGED_SCHEMA), [METRIC]) as batch:
        (change,) = batch.changes({}, ranges) or (None,)
        return 0 if change is None else int(change.rows["n"].sum())


def test_batches_of_other_offsets_run_what_was_compiled_for_the_first(spark) -> None:
    compilations = (
        spark._jvm.org.apache.spark.metrics.source.CodegenMetrics.METRIC_COMPILATION_TIME()
    )
    everything = {0: (0, 10_000), 1: (0, 10_000)}
    assert counted(spark, everything) == 13
    compiled = compilations.getCount()
    assert counted(spark, {0: (1, 10_001), 1: (2, 10_002)}) == 10
    assert compilations.getCount() == compiled
    assert counted(spark, {0: (5, 9)}) == 4
    assert counted(spark, {0: (10, 10_010), 2: (0, 3)}) == 0
    assert counted(spark, {}) == 0
