"""How much one batch takes."""

import pytest

from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.engines.spark.query import offsets_per_trigger, record_bytes_in
from rtcdp.log.contract import Delivery
from rtcdp.testing.memory_log import MemoryLog


@pytest.mark.parametrize(
    ("record_bytes", "offsets"), [(0.0, 1_000), (5.0, 1_000), (100.0, 100), (10.0**9, 1)]
)
def test_a_batch_is_bounded_in_records_and_in_bytes(record_bytes, offsets) -> None:
    limits = SparkLimits(max_offsets_per_trigger=1_000, max_bytes_per_trigger=10_000)
    assert offsets_per_trigger(limits, record_bytes) == offsets


def test_the_size_of_records_is_that_of_those_that_come_next() -> None:
    log = MemoryLog(partitions=2)
    log.append([Delivery(b"{}\n", 1, 5), Delivery(b"1234567\n123\n", 2, 5)])
    assert record_bytes_in(log, {0: 1, 1: 0}) == 6
    assert record_bytes_in(log, {0: 3, 1: 0}) == 0
