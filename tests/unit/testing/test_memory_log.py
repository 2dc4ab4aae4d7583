"""The log in memory keeps the contract of a log."""

import pytest

from rtcdp.log.contract import Delivery, OffsetsMissing
from rtcdp.log.limits import Retention
from rtcdp.testing.memory_log import MemoryLog

LINE = b'{"userId":"u","timestamp":0,"eventType":"A"}\n'


def test_records_come_back_in_order_with_their_rejected_neighbours() -> None:
    log = MemoryLog()
    log.append([Delivery(b"1\n2\n", 2, 5, rejects=((1, b"bad"),)), Delivery(b"3\n", 1, 6, "s")])
    records = list(log.read(0, 0, 10**6).each())
    assert [record.raw for record in records] == [b"1", b"bad", b"2", b"3"]
    assert [record.offset for record in records] == [0, 1, 2, 3]
    assert [record.source for record in records] == ["default"] * 3 + ["s"]


def test_the_test_says_where_batches_are_cut() -> None:
    log = MemoryLog(lambda: 2)
    log.append([Delivery(LINE * 5, 5, 0)])
    assert len(log.read(0, 1, 10**6)) == 2


def test_a_read_takes_one_record_at_least() -> None:
    log = MemoryLog()
    log.append([Delivery(LINE * 5, 5, 0)])
    assert len(log.read(0, 0, 1)) == 1


def test_offsets_outside_are_refused() -> None:
    log = MemoryLog()
    assert len(log.read(0, 0, 1)) == 0
    with pytest.raises(OffsetsMissing):
        log.read(0, 1, 1)


def test_only_committed_records_expire() -> None:
    log = MemoryLog()
    log.append([Delivery(LINE * 3, 3, 0)])
    assert log.expire({0: 2}, Retention(max_age_ms=10), 100) == 2
    assert log.extent(0).first_offset == 2


def test_time_finds_the_first_record_at_or_after_it() -> None:
    log = MemoryLog()
    for received_at in (10, 20, 30):
        log.append([Delivery(LINE, 1, received_at)])
    assert [log.offset_at(0, at) for at in (0, 20, 21, 31)] == [0, 1, 2, 3]


def test_waiting_ends_when_there_is_a_record() -> None:
    log = MemoryLog()
    assert not log.wait({0: 0}, 0)
    log.append([Delivery(LINE, 1, 0)])
    assert log.wait({0: 0}, 0)


def test_partitions_are_apart() -> None:
    log = MemoryLog(partitions=2)
    log.append([Delivery(LINE, 1, 5)], partition=1)
    assert [log.extent(partition).next_offset for partition in log.partitions()] == [0, 1]
    assert [record.partition for record in log.records()] == [1]
    assert log.wait({0: 0, 1: 0}, 0)
    assert not log.wait({0: 0, 1: 1}, 0)


def test_a_read_over_left_out_offsets_gives_a_record_if_there_is_one() -> None:
    log = MemoryLog(lambda: 2)
    log.leave_out(3)
    log.append([Delivery(LINE * 2, 2, 0)])
    log.leave_out(1)
    first, last = log.read(0, 0, 10**6), log.read(0, 4, 10**6)
    assert (len(first), first.record_count, first.offsets.tolist()) == (4, 1, [3])
    assert (len(last), last.record_count) == (2, 1)
    assert len(log.read(0, 5, 10**6)) == 1
    assert log.read(0, 5, 10**6).record_count == 0


def test_records_before_and_since_an_offset_are_all_of_them() -> None:
    log = MemoryLog()
    log.append([Delivery(b"1\n2\n3\n", 3, 5, rejects=((1, b"bad"),))])
    log.leave_out(1)
    log.append([Delivery(b"4\n", 1, 5)])
    records = log.read(0, 0, 10**6)
    for cut in range(7):
        before, rest = records.until(cut), records.since(cut)
        assert [*before.each(), *rest.each()] == list(records.each())
        assert before.next_offset == rest.first_offset == cut
