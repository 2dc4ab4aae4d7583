"""Reading back what the engine must remember."""

import numpy as np
import pytest

from rtcdp.engines.native.recovery import records_between, seen_ids_until
from rtcdp.events.rules import AdmissionRules
from rtcdp.events.seen_ids import CLOCK_SLACK_MS, SeenIds
from rtcdp.log.log import Delivery
from rtcdp.testing.memory_log import MemoryLog

RULES = AdmissionRules(allowed_lateness_ms=10**9, dedup_window_ms=1000)


def log_of(*arrivals: int) -> MemoryLog:
    """A log with one event per arrival time; the id is the offset."""
    log = MemoryLog(lambda: 2)
    for offset, received_at in enumerate(arrivals):
        line = f'{{"eventId":"{offset}","userId":"u","timestamp":0,"eventType":"A"}}\n'
        log.append([Delivery(line.encode(), 1, received_at)])
    return log


@pytest.mark.parametrize(("start", "end"), [(0, 5), (1, 4), (0, 1), (2, 2)])
def test_records_come_in_slices_cut_where_they_have_to_end(start: int, end: int) -> None:
    slices = list(records_between(log_of(0, 0, 0, 0, 0), 0, start, end))
    offsets = [record.offset for records in slices for record in records.each()]
    assert offsets == list(range(start, end))


def test_the_ids_of_the_dedup_window_are_remembered() -> None:
    now = 10 * CLOCK_SLACK_MS
    kept = [now - 2000 - CLOCK_SLACK_MS + 1000, now - 1000, *[now] * 2000]
    log = log_of(0, 1000, *kept)
    seen = seen_ids_until(log, {0: len(kept) + 2}, SeenIds(RULES.dedup_window_ms), RULES)
    assert len(seen) == len(kept)


def test_records_that_are_not_counted_yet_are_not_remembered() -> None:
    log = log_of(0, 0, 0)
    seen = seen_ids_until(log, {0: 2}, SeenIds(RULES.dedup_window_ms), RULES)
    assert len(seen) == 2


def test_the_rebuilt_index_gives_the_verdicts_of_the_one_that_was_lost() -> None:
    rng = np.random.default_rng(3)
    arrivals = np.cumsum(rng.integers(0, 300, 60)).tolist()
    lost, log = SeenIds(RULES.dedup_window_ms), log_of(*arrivals)
    seen_ids_until(log, {0: 60}, lost, AdmissionRules(10**9, 10**9, 10**9))
    rebuilt = seen_ids_until(log, {0: 60}, SeenIds(RULES.dedup_window_ms), RULES)
    now = np.full(1, arrivals[-1], np.int64)
    for candidate in range(2**8):
        probe = np.array([candidate], np.uint64)
        first = lost.check_and_add(probe, now, probe).is_duplicate
        assert first.tolist() == rebuilt.check_and_add(probe, now, probe).is_duplicate.tolist()


def test_a_processor_that_is_far_behind_remembers_what_lies_before_its_own_place() -> None:
    log = log_of(1, 1000, 500_000_000)
    seen = seen_ids_until(log, {0: 2}, SeenIds(RULES.dedup_window_ms), RULES)
    assert len(seen) == 2


def test_one_record_from_the_future_hides_nothing() -> None:
    log = log_of(1, 500, 500_000_000)
    seen = seen_ids_until(log, {0: 3}, SeenIds(RULES.dedup_window_ms), RULES)
    assert len(seen) == 3
