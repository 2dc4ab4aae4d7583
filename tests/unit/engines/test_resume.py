"""Is it the log that was counted, and what of it has to be looked at again."""

import pytest

from rtcdp.engines.resume import (
    check_continuation,
    check_log_id,
    records_between,
)
from rtcdp.log.contract import Delivery, LogReplaced, OffsetsMissing
from rtcdp.log.marks import marks_before
from rtcdp.store import Progress
from rtcdp.testing.memory_log import MemoryLog


def log_of(*arrivals: int) -> MemoryLog:
    """A log with one event per arrival time; the id is the offset."""
    log = MemoryLog(lambda: 2)
    for offset, received_at in enumerate(arrivals):
        line = f'{{"eventId":"{offset}","userId":"u","timestamp":0,"eventType":"A"}}\n'
        log.append([Delivery(line.encode(), 1, received_at)])
    return log


def partitions_of(*partitions: list[tuple[int, str]]) -> MemoryLog:
    """A log with one event for each (arrival time, id), by partition."""
    log = MemoryLog(lambda: 2, len(partitions))
    for partition, arrivals in enumerate(partitions):
        for received_at, event_id in arrivals:
            line = f'{{"eventId":"{event_id}","userId":"u","timestamp":0,"eventType":"A"}}\n'
            log.append([Delivery(line.encode(), 1, received_at)], partition)
    return log


@pytest.mark.parametrize(("start", "end"), [(0, 5), (1, 4), (0, 1), (2, 2)])
def test_records_come_in_slices_cut_where_they_have_to_end(start: int, end: int) -> None:
    slices = list(records_between(log_of(0, 0, 0, 0, 0), 0, start, end))
    offsets = [record.offset for records in slices for record in records.each()]
    assert offsets == list(range(start, end))


@pytest.mark.parametrize(
    ("progress", "error", "words"),
    [
        (Progress(1, {0: 3, 1: 1}, log_id="memory"), None, ""),
        (Progress(1, {0: 3}), None, ""),
        (Progress(1, {0: 3}, log_id="other"), LogReplaced, "other.*memory"),
        (Progress(1, {0: 6}), OffsetsMissing, "offset 6, but the log ends at 5"),
        (Progress(1, {0: 1}), OffsetsMissing, "offset 1, but the log begins at 2"),
        (Progress(1, {0: 3, 2: 1}), OffsetsMissing, "partition 2"),
    ],
)
def test_only_the_log_that_was_counted_is_gone_on_with(
    progress: Progress, error: type[Exception] | None, words: str
) -> None:
    log = partitions_of([(n, str(n)) for n in range(5)], [(1, "x")])
    log.trim(2)
    if error is None:
        check_continuation(log, progress)
        return
    with pytest.raises(error, match=words) as refused:
        check_continuation(log, progress)
    assert refused.value.hint


def test_a_log_without_a_name_is_taken_for_the_right_one() -> None:
    check_log_id(Progress(log_id="known"), "")
    check_log_id(Progress(), "known")


def test_an_older_copy_that_has_outgrown_the_store_is_refused() -> None:
    counted = log_of(*range(100))
    progress = Progress(1, {0: 100}, log_id="memory", marks=marks_before(counted, {0: 100}))
    check_continuation(counted, progress)
    copy = log_of(*range(50), *range(1_000, 1_100))
    with pytest.raises(LogReplaced, match=r"offset 99 of partition 0 .* older copy") as refused:
        check_continuation(copy, progress)
    assert refused.value.hint


def test_a_log_whose_counted_records_are_deleted_is_gone_on_with() -> None:
    log = log_of(*range(10))
    progress = Progress(1, {0: 4}, log_id="memory", marks=marks_before(log, {0: 4}))
    log.trim(4)
    check_continuation(log, progress)
