"""How much of the log one epoch takes: more where folds run, whose stories are written by epoch."""

from rtcdp.engines.native.limits import ProcessorLimits


def test_each_size_is_for_its_own_work() -> None:
    limits = ProcessorLimits(max_batch_bytes=1_000, max_fold_batch_bytes=5_000)
    assert limits.batch_bytes(has_folds=False) == 1_000
    assert limits.batch_bytes(has_folds=True) == 5_000


def test_folds_take_more_unless_told_otherwise() -> None:
    limits = ProcessorLimits()
    assert limits.batch_bytes(has_folds=True) > limits.batch_bytes(has_folds=False)


def test_of_a_topic_an_epoch_takes_less() -> None:
    limits = ProcessorLimits().of_fetched()
    assert limits.batch_bytes(has_folds=False) < ProcessorLimits().batch_bytes(has_folds=False)
    assert limits.batch_bytes(has_folds=True) == ProcessorLimits().batch_bytes(has_folds=True)
    assert ProcessorLimits(max_batch_bytes=1_000).of_fetched().batch_bytes(has_folds=False) == 1_000
