import pytest

from rtcdp.clock import ManualClock
from rtcdp.intake.collector import Collector
from rtcdp.log.contract import Delivery
from rtcdp.runtime.collecting import known_ids
from rtcdp.runtime.collecting.known_ids import recall
from rtcdp.runtime.settings import Settings
from rtcdp.testing.memory_log import MemoryLog

NOW_MS = 1_767_225_600_000


@pytest.fixture
def log():
    log = MemoryLog()
    for number in range(5):
        line = b'{"eventId":"e%d","userId":"u","timestamp":%d,"eventType":"VIEW"}\n' % (
            number,
            NOW_MS,
        )
        log.append([Delivery(line, 1, NOW_MS, source=f"shop-{number}")])
    return log


def recalled(log: MemoryLog, now_ms: int = NOW_MS) -> int:
    """How many ids a collector knows after it was told."""
    clock = ManualClock(now_ms)
    collector = Collector(log, clock)
    recall(collector, log, Settings(), clock)
    count = collector.stats().recent_ids
    collector.close()
    return count


def test_the_ids_in_the_log_are_known(log):
    assert recalled(log) == 5


def test_no_more_than_the_newest_are_looked_at(log, monkeypatch):
    monkeypatch.setattr(known_ids, "RECALLED_RECORDS", 2)
    assert recalled(log) == 2


def test_ids_that_no_repetition_counts_for_any_more_are_not_looked_at(log):
    assert recalled(log, NOW_MS + Settings().admission.dedup_window_ms + 1) == 0


def test_the_newest_of_all_partitions_are_looked_at(monkeypatch):
    log = MemoryLog(partitions=2)
    for number in range(6):
        line = b'{"eventId":"e%d","userId":"u","timestamp":%d,"eventType":"VIEW"}\n' % (
            number,
            NOW_MS,
        )
        log.append([Delivery(line, 1, NOW_MS)], number % 2)
    log.leave_out(1, partition=1)
    assert recalled(log) == 6
    monkeypatch.setattr(known_ids, "RECALLED_RECORDS", 4)
    assert recalled(log) == 3
