"""Reading back what the engine must remember."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtcdp.admission import log_time
from rtcdp.admission.event_id_index import CLOCK_SLACK_MS, SeenIds
from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import ManualClock
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.native.recovery import remembered, rounds_between
from rtcdp.log.contract import Delivery
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.memory_log import MemoryLog

RULES = AdmissionRules(allowed_lateness_ms=10**9, dedup_window_ms=1000)


def line(event_id: object, timestamp: int = 0) -> bytes:
    return (
        f'{{"eventId":"{event_id}","userId":"u","timestamp":{timestamp},"eventType":"A"}}\n'
    ).encode()


def log_of(*arrivals: int) -> MemoryLog:
    """A log with one event per arrival time; the id is the offset."""
    log = MemoryLog(lambda: 2)
    for offset, received_at in enumerate(arrivals):
        log.append([Delivery(line(offset), 1, received_at)])
    return log


def partitions_of(*partitions: list[tuple[int, str]]) -> MemoryLog:
    """A log with one event for each (arrival time, id), by partition."""
    log = MemoryLog(lambda: 2, len(partitions))
    for partition, arrivals in enumerate(partitions):
        for received_at, event_id in arrivals:
            log.append([Delivery(line(event_id), 1, received_at)], partition)
    return log


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db")
    yield store
    store.close()


def count(log: MemoryLog, store: SqliteStore) -> None:
    Processor(log, store, (), RULES, ManualClock()).run(threading.Event(), once=True)


def ids_of(log: MemoryLog, store: SqliteStore, said: list[str] | None = None) -> SeenIds:
    seen = SeenIds(RULES.dedup_window_ms)
    return remembered(log, store, seen, on_trouble=[].append if said is None else said.append)


def test_a_store_that_has_counted_nothing_remembers_nothing(store: SqliteStore) -> None:
    assert len(ids_of(log_of(1, 2, 3), store)) == 0


def test_the_ids_of_what_is_counted_are_remembered_and_no_others(store: SqliteStore) -> None:
    log = log_of(0, 10**9, 5)
    count(log, store)
    log.append([Delivery(line("x"), 1, 7)])
    assert len(ids_of(log, store)) == 3


def test_late_events_and_dead_letters_are_not_remembered(store: SqliteStore) -> None:
    log = log_of(0, 10**9 + 1)
    log.append([Delivery(line("future", 10**7), 1, 1), Delivery(line("good"), 1, 1)])
    count(log, store)
    assert len(ids_of(log, store)) == 2


def test_what_is_forgotten_is_not_read_again(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_time, "BLOCK_OFFSETS", 1)
    log = log_of(*(n * CLOCK_SLACK_MS for n in range(200)))
    count(log, store)
    remembered_from = store.progress().remembered_from[0]
    assert 0 < remembered_from < 199
    said: list[str] = []
    assert len(ids_of(log, store, said)) == 200 - remembered_from
    log.trim(remembered_from)
    assert len(ids_of(log, store, said)) == 200 - remembered_from
    assert said == []


def test_it_says_what_can_t_be_remembered_any_more(store: SqliteStore) -> None:
    log = log_of(0, 1, 2, 3)
    count(log, store)
    log.trim(2)
    said: list[str] = []
    assert len(ids_of(log, store, said)) == 2
    assert said == [
        "the event ids of partition 0 are remembered from offset 2 on and not from 0: the records"
        " before were deleted; repeats of them would count"
    ]


def test_a_store_that_does_not_say_from_where_is_read_from_the_beginning(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that a version of before has written."""
    log = log_of(0, 1, 2, 3)
    monkeypatch.setattr(SeenIds, "remembered_from", {})
    count(log, store)
    monkeypatch.undo()
    assert store.progress().remembered_from == {}
    log.trim(1)
    said: list[str] = []
    assert len(ids_of(log, store, said)) == 3
    assert said == []


def test_rounds_give_all_partitions_up_to_their_ends_by_time_of_intake() -> None:
    log = partitions_of([(1, "a"), (2, "b"), (9, "c")], [(3, "d"), (4, "e")], [(0, "f")])
    rounds = rounds_between(log, {0: 0, 1: 0, 2: 0}, {0: 2, 1: 1, 2: 0}, 10**6)
    records = [record for pieces in rounds for piece in pieces for record in piece.each()]
    assert [(record.partition, record.offset) for record in records] == [(0, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize(("received_at", "admitted"), [(11_900, 2), (11_901, 3)])
def test_the_last_time_of_an_id_is_the_latest_in_any_partition(
    store: SqliteStore, received_at: int, admitted: int
) -> None:
    log = partitions_of([(10_900, "x")], [(10_100, "x"), (10_950, "y")])
    count(log, store)
    log.append([Delivery(line("x"), 1, received_at)])
    count(log, store)
    with store.snapshot() as snapshot:
        assert snapshot.ledger_totals()["admitted"] == admitted


def test_what_the_order_of_reading_was_makes_no_difference_after_a_restart(
    store: SqliteStore,
) -> None:
    """The clock is set back and forth: the times of two partitions do not tell what came first."""
    log = partitions_of([(10_000, "x")], [])
    count(log, store)
    log.append([Delivery(line("x"), 1, 8_999)], 1)
    processor = Processor(log, store, (), RULES, ManualClock())
    processor.recover()
    processor.step()
    verdicts = {}
    for is_restarted in (False, True):
        log.append([Delivery(line("x"), 1, 10_500)])
        if is_restarted:
            processor.recover()
        processor.step()
        with store.snapshot() as snapshot:
            verdicts[is_restarted] = snapshot.verdicts(0, 1, 3)["verdict"].to_list()[-1]
    assert verdicts == {False: "duplicate", True: "duplicate"}


def test_a_partition_that_is_behind_needs_older_ids_of_the_others(store: SqliteStore) -> None:
    now = 100 * CLOCK_SLACK_MS
    log = partitions_of([(1000, "x"), *((now, f"y{n}") for n in range(200))], [])
    count(log, store)
    log.append([Delivery(line("x"), 1, 1900)], 1)
    count(log, store)
    with store.snapshot() as snapshot:
        assert snapshot.ledger_totals()["duplicate"] == 1


def test_whoever_waits_is_called_after_each_slice(store: SqliteStore) -> None:
    slices: list[int] = []
    log = log_of(1, 2, 3, 4, 5)
    count(log, store)
    seen = SeenIds(RULES.dedup_window_ms)
    remembered(log, store, seen, lambda: slices.append(len(seen)))
    assert slices == [2, 4, 5]
