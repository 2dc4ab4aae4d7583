"""A log with some records hidden."""

import pytest

from rtcdp.log.contract import Delivery
from rtcdp.log.limits import Retention
from rtcdp.log.views import MaskedLogReader
from rtcdp.testing.memory_log import MemoryLog


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog(partitions=2)
    log.append([Delivery(b"1\n2\n", 2, 5, rejects=((1, b"bad"),)), Delivery(b"3\n", 1, 6, "s")])
    log.append([Delivery(b"4\n", 1, 7)], partition=1)
    return log


def test_hidden_records_are_corrupt_and_all_others_as_they_were(log: MemoryLog) -> None:
    masked = MaskedLogReader(log, [(0, 1), (0, 2), (0, 99), (1, 7)])
    records = masked.read(0, 0, 10**6)
    assert [(record.offset, record.is_corrupt) for record in records.each()] == [
        (0, False),
        (1, True),
        (2, True),
        (3, False),
    ]
    assert records.lines == b"1\n3\n"
    assert records.record_count == len(records) == 4
    assert [record.source for record in records.each()] == ["default", "default", "default", "s"]


def test_a_partition_without_hidden_records_is_given_as_it_is(log: MemoryLog) -> None:
    masked = MaskedLogReader(log, [(0, 1)])
    assert masked.read(1, 0, 10**6).lines == b"4\n"


def test_all_else_is_that_of_the_log_behind_it(log: MemoryLog) -> None:
    masked = MaskedLogReader(log, [(0, 1)])
    assert masked.log_id() == log.log_id()
    assert masked.partitions() == log.partitions()
    assert masked.extent(0) == log.extent(0)
    assert masked.offset_at(0, 6) == 3
    assert masked.wait({0: 0}, 0)
    masked.acknowledge({0: 4})
    assert log.acknowledged == {0: 4}
    assert masked.expire({0: 4}, Retention(max_age_ms=0), 100) == 4
    masked.close()
