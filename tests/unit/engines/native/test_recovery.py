"""Reading back what the engine must remember."""

import numpy as np

from rtcdp.engines.admission import admit, screen
from rtcdp.engines.native.recovery import rounds_between, seen_ids_until
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


def partitions_of(*partitions: list[tuple[int, str]]) -> MemoryLog:
    """A log with one event for each (arrival time, id), by partition."""
    log = MemoryLog(lambda: 2, len(partitions))
    for partition, arrivals in enumerate(partitions):
        for received_at, event_id in arrivals:
            line = f'{{"eventId":"{event_id}","userId":"u","timestamp":0,"eventType":"A"}}\n'
            log.append([Delivery(line.encode(), 1, received_at)], partition)
    return log


def test_rounds_give_all_partitions_up_to_their_ends_by_time_of_intake() -> None:
    log = partitions_of([(1, "a"), (2, "b"), (9, "c")], [(3, "d"), (4, "e")], [(0, "f")])
    rounds = rounds_between(log, {0: 0, 1: 0, 2: 0}, {0: 2, 1: 1, 2: 0}, 10**6)
    records = [record for pieces in rounds for piece in pieces for record in piece.each()]
    assert [(record.partition, record.offset) for record in records] == [(0, 0), (0, 1), (1, 0)]


def repeats(seen: SeenIds, log: MemoryLog, event_id: str, received_at: int) -> bool:
    """Whether the id, coming at that time, is one that was seen."""
    line = f'{{"eventId":"{event_id}","userId":"u","timestamp":0,"eventType":"A"}}\n'
    log.append([Delivery(line.encode(), 1, received_at)])
    last = log.extent(0).next_offset - 1
    batch = admit(screen(log.read(0, last, 10**6), (), RULES), seen)
    return batch.events.is_empty()


def test_the_last_time_of_an_id_is_the_latest_in_any_partition() -> None:
    log = partitions_of([(10_900, "x")], [(10_100, "x"), (10_950, "y")])
    seen = seen_ids_until(log, {0: 1, 1: 2}, SeenIds(RULES.dedup_window_ms), RULES)
    assert repeats(seen, log, "x", 11_900)


def test_of_a_partition_that_rests_nothing_old_is_read_back() -> None:
    now = 100 * CLOCK_SLACK_MS
    log = partitions_of([(now - 10, "new"), (now, "newer")], [(1, "old"), (2, "older")])
    seen = seen_ids_until(log, {0: 2, 1: 2}, SeenIds(RULES.dedup_window_ms), RULES)
    assert len(seen) == 2


def test_a_partition_that_is_behind_needs_older_ids_of_the_others() -> None:
    now = 100 * CLOCK_SLACK_MS
    many = [(now, f"y{n}") for n in range(2000)]
    log = partitions_of([(1000, "x"), *many], [(1900, "x")])
    seen = seen_ids_until(log, {0: 2001, 1: 0}, SeenIds(RULES.dedup_window_ms), RULES)
    assert repeats(seen, log, "x", 1900)


def test_whoever_waits_is_called_after_each_slice() -> None:
    slices: list[int] = []
    log = log_of(1, 2, 3, 4, 5)
    seen = SeenIds(RULES.dedup_window_ms)
    seen_ids_until(log, {0: 5}, seen, RULES, lambda: slices.append(len(seen)))
    assert slices == [2, 4, 5]
