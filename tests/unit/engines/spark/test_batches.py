"""A kept batch answers as often as it is asked."""

from rtcdp.engines.engine import UNCOUNTED_SCHEMA
from rtcdp.engines.spark.batches import kept_batch
from rtcdp.engines.spark.slices import JUDGED_SCHEMA, BucketVerdicts, pack
from rtcdp.vocabulary.measure import Count
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.window import tumbling

METRIC = Metric("m", "a metric", tumbling(minutes=1), (Count("n"),))


def test_verdicts_are_read_and_what_is_not_there_is_empty(spark) -> None:
    verdicts = BucketVerdicts(2, 5, b"", b"")
    row = (2, None, None, pack(verdicts), None, None, None, None)
    rows = spark.createDataFrame([row], JUDGED_SCHEMA)
    with kept_batch(rows, [METRIC]) as batch:
        assert batch.accounts() == ([], [verdicts])
        nothing = batch.uncounted({}, {2: (0, 10)})
        assert (nothing.height, nothing.schema) == (0, UNCOUNTED_SCHEMA)
        assert batch.changes({}, {2: (0, 10)}) == ()
    assert not rows.is_cached
