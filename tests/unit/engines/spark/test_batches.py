"""A kept batch answers as often as it is asked."""

import numpy as np

from rtcdp.engines.spark.batches import kept_batch
from rtcdp.engines.spark.slices import SURVIVORS_SCHEMA, pack_offsets
from rtcdp.vocabulary.measure import Count
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.window import tumbling

METRIC = Metric("m", "a metric", tumbling(minutes=1), (Count("n"),))


def test_offsets_that_survived_are_read_and_no_duplicates_cost_no_job(spark) -> None:
    packed = pack_offsets(np.array([3, 5], np.int64))
    rows = spark.createDataFrame([(2, packed, None, None, None)], SURVIVORS_SCHEMA)
    with kept_batch(rows, [METRIC]) as batch:
        slices, survived = batch.slices()
        assert slices == []
        assert [(each[0], each[1].tolist()) for each in survived] == [(2, [3, 5])]
        assert batch.duplicates({}).is_empty()
        assert batch.changes({}) == ()
    assert not rows.is_cached
