"""Reading several partitions by time of intake."""

import pytest

from rtcdp.admission.merged_reader import MergedReader
from rtcdp.log.contract import Delivery, LogExtent, LogUnavailable, Records
from rtcdp.testing.memory_log import MemoryLog

LINE = b'{"userId":"u","timestamp":0,"eventType":"A"}\n'
MUCH = 10**9


def log_of(*partitions: list[int], records_per_read: int = 2) -> MemoryLog:
    """A log with one record for each intake time, by partition."""
    log = MemoryLog(lambda: records_per_read, len(partitions))
    for partition, times in enumerate(partitions):
        for received_at in times:
            log.append([Delivery(LINE, 1, received_at)], partition)
    return log


class Reading:
    """Goes through a log in rounds and keeps what came: partition and offset of every record."""

    def __init__(self, log: MemoryLog, max_bytes: int = MUCH) -> None:
        self.reader = MergedReader(log, max_bytes)
        self.next_offsets = dict.fromkeys(log.partitions(), 0)

    def round(self) -> list[tuple[int, int]]:
        pieces = self.reader.read(self.next_offsets)
        for piece in pieces:
            assert piece.first_offset == self.next_offsets[piece.partition]
            self.next_offsets[piece.partition] = piece.next_offset
        return [(record.partition, record.offset) for piece in pieces for record in piece.each()]

    def rounds(self) -> list[list[tuple[int, int]]]:
        return list(iter(self.round, []))


def test_one_partition_is_read_as_it_comes() -> None:
    assert Reading(log_of([5, 1, 9])).rounds() == [[(0, 0), (0, 1)], [(0, 2)]]


def test_a_round_has_something_of_every_partition() -> None:
    assert Reading(log_of([1, 2], [1, 2])).rounds() == [[(0, 0), (0, 1), (1, 0), (1, 1)]]


def test_what_came_later_is_read_later() -> None:
    reading = Reading(log_of([1, 2, 3, 4, 5, 6], [100, 101]), max_bytes=2 * len(LINE))
    assert reading.rounds() == [
        [(0, 0), (0, 1)],
        [(0, 2), (0, 3)],
        [(0, 4), (0, 5), (1, 0), (1, 1)],
    ]


def test_a_partition_is_cut_where_the_others_are() -> None:
    reading = Reading(log_of([1, 5, 9, 13], [4, 6, 8, 10]), max_bytes=2 * len(LINE))
    assert reading.round() == [(0, 0), (0, 1), (1, 0)]
    assert reading.round() == [(1, 1)]


def test_of_equal_times_the_lower_partition_comes_first() -> None:
    reading = Reading(log_of([1, 3, 3, 4], [3, 3, 4]), max_bytes=2 * len(LINE))
    assert reading.round() == [(0, 0), (0, 1)]
    assert reading.round() == [(0, 2), (1, 0), (1, 1)]


def test_a_round_is_filled_though_the_partitions_are_apart() -> None:
    log = log_of([1, 2, 3, 4, 5, 6, 7, 8], [100, 101, 102, 103])
    assert Reading(log, max_bytes=6 * len(LINE)).round() == [(0, 0), (0, 1), (0, 2), (0, 3)]


def test_a_record_from_the_future_does_not_hold_up_those_behind_it() -> None:
    log = log_of([1, 10**9, 2, 3], [2, 3, 4, 5, 6, 7], records_per_read=3)
    reading = Reading(log, 3 * len(LINE))
    assert {(0, 1), (0, 2)} <= set(reading.round())


def test_records_without_a_known_time_go_with_their_neighbours() -> None:
    log = log_of([1, 0, 2, 3], [1, 2], records_per_read=9)
    log.damage(1)
    assert len(Reading(log).round()) == 6


def test_offsets_without_a_record_are_passed() -> None:
    log = log_of([1, 2], [1])
    log.leave_out(3, partition=1)
    reading = Reading(log)
    assert sorted(record for each in reading.rounds() for record in each) == [
        (0, 0),
        (0, 1),
        (1, 0),
    ]
    assert reading.next_offsets == {0: 2, 1: 4}


def test_a_partition_that_holds_no_record_yet_is_no_hindrance() -> None:
    assert Reading(log_of([1, 2, 3], [])).rounds() == [[(0, 0), (0, 1)], [(0, 2)]]


def test_what_was_read_and_not_taken_is_given_later_or_read_again() -> None:
    log = log_of([1, 2, 3, 4], [3, 9, 9, 9])
    reading = Reading(log, max_bytes=2 * len(LINE))
    reading.round()
    reading.next_offsets = {0: 0, 1: 0}
    assert reading.round() == [(0, 0), (0, 1)]


def test_nothing_is_lost_when_the_log_is_away_in_the_middle_of_a_round() -> None:
    class Stumbling(MemoryLog):
        reads = 0

        def read(self, partition: int, offset: int, max_bytes: int) -> Records:
            self.reads += 1
            if self.reads == 3:
                raise LogUnavailable("away")
            return super().read(partition, offset, max_bytes)

    log = Stumbling(lambda: 2, 2)
    for partition in (0, 1):
        for received_at in (1, 2, 3, 4):
            log.append([Delivery(LINE, 1, received_at)], partition)
    reading = Reading(log)
    with pytest.raises(LogUnavailable):
        reading.round()
    assert sorted(record for each in reading.rounds() for record in each) == [
        (partition, offset) for partition in (0, 1) for offset in range(4)
    ]


class CountedLog(MemoryLog):
    """A log that counts how often it is asked where partitions end."""

    asked = 0

    def extent(self, partition: int) -> LogExtent:
        self.asked += 1
        return super().extent(partition)


def test_who_has_far_to_go_is_not_asked_again_and_again_where_it_ends() -> None:
    log = CountedLog(lambda: 2, partitions=2)
    for time in range(100):
        log.append([Delivery(LINE, 1, time)], time % 2)
    reading = Reading(log)
    assert len(reading.round()) == 100
    assert log.asked <= 6
