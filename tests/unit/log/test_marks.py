"""A log is known again by the last record that was counted."""

from dataclasses import replace

import pytest

from rtcdp.log.contract import Delivery, LogMark, RawRecord
from rtcdp.log.marks import is_known_again, last_marks, mark_of, marks_before
from rtcdp.testing.memory_log import MemoryLog

RECORD = RawRecord(0, 3, 1_000, "web", "live", b'{"a":1}')


def log_of(*raws: bytes, received_at: int = 7) -> MemoryLog:
    log = MemoryLog()
    for raw in raws:
        log.append([Delivery(raw + b"\n", 1, received_at)])
    return log


@pytest.mark.parametrize(
    "other",
    [
        replace(RECORD, raw=b'{"a":2}'),
        replace(RECORD, received_at=1_001),
        replace(RECORD, offset=4),
    ],
)
def test_another_record_has_another_mark(other: RawRecord) -> None:
    assert mark_of(RECORD) == mark_of(replace(RECORD))
    assert mark_of(RECORD) != mark_of(other)


def test_a_damaged_record_is_no_mark() -> None:
    assert mark_of(replace(RECORD, is_corrupt=True)) is None


def test_the_mark_of_a_batch_is_that_of_its_last_record() -> None:
    log = log_of(b"{}", b'{"n":2}')
    assert last_marks([log.read(0, 0, 1_000)]) == marks_before(log, {0: 2})
    assert last_marks([log.read(0, 0, 1)]) == marks_before(log, {0: 1})


def test_the_last_record_may_be_a_rejected_one() -> None:
    log = log_of(b"{}")
    log.append([Delivery(b"", 0, 7, rejects=((0, b"nonsense"),))])
    assert last_marks([log.read(0, 0, 1_000)]) == marks_before(log, {0: 2})


def test_offsets_without_records_leave_the_mark_where_it_was() -> None:
    log = log_of(b"{}")
    log.leave_out(2)
    assert last_marks([log.read(0, 0, 1_000)])[0].offset == 0
    assert marks_before(log, {0: 3}) == {}


def test_a_record_that_is_given_otherwise_has_the_mark_of_what_is_written() -> None:
    log = log_of(b"{}", b'{"n":2}')
    marks = marks_before(log, {0: 2})
    given = log_of(b"{}", b'{"translated":2}').read(0, 0, 1_000)
    assert last_marks([given]) != marks
    assert last_marks([replace(given, written={1: b'{"n":2}'})]) == marks


def test_a_log_is_known_again_unless_another_record_is_there() -> None:
    mark = marks_before(log_of(b"{}", b'{"n":2}'), {0: 2})[0]
    assert is_known_again(log_of(b"{}", b'{"n":2}', b"{}"), 0, mark) is True
    assert is_known_again(log_of(b"{}", b'{"n":3}', b"{}"), 0, mark) is False
    assert is_known_again(log_of(b"{}", b'{"n":2}', received_at=8), 0, mark) is False


def test_what_is_deleted_or_damaged_or_not_there_can_not_be_told() -> None:
    mark = LogMark(1, 5)
    trimmed, damaged = log_of(b"{}", b"{}", b"{}"), log_of(b"{}", b"{}")
    trimmed.trim(2)
    damaged.damage(1)
    for log in (trimmed, damaged, log_of(b"{}")):
        assert is_known_again(log, 0, mark) is None
