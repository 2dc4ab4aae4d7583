"""A kept batch answers as often as it is asked."""

import pyarrow as pa
from pyspark import TaskContext

from rtcdp.admission.verdicts import UNCOUNTED_SCHEMA
from rtcdp.definitions import Count, Metric, tumbling
from rtcdp.engines.spark.batches import folded, kept_batch
from rtcdp.engines.spark.exchange import JUDGED_SCHEMA, BucketVerdicts, pack
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
