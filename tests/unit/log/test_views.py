import pytest

from rtcdp.log.contract import Delivery
from rtcdp.log.limits import Retention
from rtcdp.log.views import BoundedLogReader
from rtcdp.testing.memory_log import MemoryLog


@pytest.fixture
def log():
    log = MemoryLog()
    log.append([Delivery(b"a\nb\nc\n", 3, 1000)])
    return log


def test_it_ends_where_it_is_told_to(log):
    bounded = BoundedLogReader(log, {0: 2})
    assert bounded.extent(0).next_offset == 2
    assert bounded.read(0, 0, 100).lines == b"a\nb\n"
    assert len(bounded.read(0, 2, 100)) == 0
    assert bounded.offset_at(0, 2000) == 2


def test_it_does_not_grow(log):
    bounded = BoundedLogReader(log, {0: 3})
    log.append([Delivery(b"d\n", 1, 2000)])
    assert not bounded.wait({0: 3}, 0)
    assert bounded.wait({0: 2}, 0)
    assert bounded.read(0, 0, 100).next_offset == 3


def test_a_partition_without_an_end_is_not_there(log):
    assert BoundedLogReader(log, {}).partitions() == []


def test_it_deletes_nothing(log):
    bounded = BoundedLogReader(log, {0: 3})
    assert bounded.expire({0: 3}, Retention(max_age_ms=1, min_age_ms=0), 10**9) == 0
    assert log.extent(0).first_offset == 0
    assert bounded.log_id() == log.log_id()
