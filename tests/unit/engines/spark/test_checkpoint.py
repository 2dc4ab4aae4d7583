"""What Spark wrote down about its batches."""

import pytest

from rtcdp.engines.spark.checkpoint import parse_planned
from rtcdp.engines.spark.failures import SparkFailed


def test_a_planned_batch_has_its_ends() -> None:
    text = 'v1\n{"batchWatermarkMs":12,"conf":{"a":"b"}}\n{"clicks":{"0":7,"10":8}}'
    assert parse_planned(text).next_offsets == {0: 7, 10: 8}


@pytest.mark.parametrize(
    "text", ["", "v1\n{}\n{}", 'v9\n{"batchWatermarkMs":1}\n-', 'v1\n{"batchWatermarkMs":1}\n{}']
)
def test_what_can_t_be_read_is_not_guessed_at(text: str) -> None:
    with pytest.raises(SparkFailed, match="checkpoint"):
        parse_planned(text)
