"""Reading decided records again: what was recorded counts, whatever a rule would say now."""

import polars as pl
import pytest

from rtcdp.admission.batch import ADMITTED, DEAD_LETTER, DUPLICATE, LATE
from rtcdp.engines.decided import decided_batches, readable_from
from rtcdp.log.contract import Delivery
from rtcdp.store import Epoch, EpochSpan, Progress
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.epochs import uncounted_of
from rtcdp.testing.memory_log import MemoryLog


def line(number: int, timestamp: int = 0) -> bytes:
    return (
        f'{{"eventId":"e{number}","userId":"u{number}","timestamp":{timestamp},"eventType":"A"}}\n'
    ).encode()


@pytest.fixture
def log() -> MemoryLog:
    """Six good records, the last ones of the year 1970 by a clock of today, and one of nonsense."""
    log = MemoryLog(partitions=2)
    lines = b"".join(line(number) for number in range(6))
    log.append([Delivery(lines, 6, received_at=2**40, rejects=((3, b"nonsense"),))])
    log.append([Delivery(line(9), 1, received_at=5)], partition=1)
    return log


@pytest.fixture
def store(tmp_path) -> SqliteStore:
    store = SqliteStore(tmp_path / "store.db")
    store.prepare(())
    return store


def record(store: SqliteStore, *uncounted: dict[str, object], admitted: int) -> None:
    """One epoch of partition 0 with seven records, and partition 1 with one."""
    received = admitted + len(uncounted)
    verdicts = [row.get("verdict", "dead_letter") for row in uncounted]
    ledger = {
        "source": "default",
        "minute": 0,
        "received": received,
        "admitted": admitted,
        "conflict": 0,
        "erased": 0,
    }
    for verdict in ("duplicate", "late", "dead_letter"):
        ledger[verdict] = verdicts.count(verdict)
    spans = (EpochSpan(0, 0, 7, None, None), EpochSpan(1, 0, 1, None, None))
    store.commit(Epoch(1, spans, (), pl.DataFrame([ledger]), uncounted_of(*uncounted)))


def test_records_come_with_their_recorded_verdicts(log: MemoryLog, store: SqliteStore) -> None:
    record(
        store,
        {"offset": 0, "verdict": "late"},
        {"offset": 2, "verdict": "duplicate"},
        {"offset": 3, "reason": "not_json"},
        {"offset": 5, "reason": "future"},
        admitted=4,
    )
    batches = list(decided_batches(log, store, {0: 0, 1: 0}, {0: 7, 1: 1}, ("userId",)))
    first, second = batches
    assert first.offsets.tolist() == [0, 1, 2, 4, 5, 6]
    assert first.verdicts.tolist() == [LATE, ADMITTED, DUPLICATE, ADMITTED, DEAD_LETTER, ADMITTED]
    assert first.events["userId"].to_list() == ["u0", "u1", "u2", "u3", "u4", "u5"]
    assert first.rejected == ()
    assert second.verdicts.tolist() == [ADMITTED]


def test_only_what_is_asked_for_comes(log: MemoryLog, store: SqliteStore) -> None:
    record(store, {"offset": 2, "verdict": "duplicate"}, {"offset": 3}, admitted=6)
    [batch] = decided_batches(log, store, {0: 2}, {0: 5})
    assert batch.offsets.tolist() == [2, 4]
    assert batch.verdicts.tolist() == [DUPLICATE, ADMITTED]
    assert list(decided_batches(log, store, {0: 5, 1: 1}, {0: 5, 1: 1})) == []


def test_what_was_decided_and_is_unreadable_now_is_named(
    log: MemoryLog, store: SqliteStore
) -> None:
    record(store, {"offset": 3, "reason": "not_json"}, admitted=7)
    log.damage(4)
    [batch] = decided_batches(log, store, {0: 0}, {0: 7})
    assert [(lost.offset, rejection.reason) for lost, rejection in batch.rejected] == [
        (4, "corrupt")
    ]


def test_what_the_engine_failed_at_is_left_out(log: MemoryLog, store: SqliteStore) -> None:
    record(store, {"offset": 1, "reason": "processor_error"}, {"offset": 3}, admitted=6)
    [batch] = decided_batches(log, store, {0: 0}, {0: 7})
    assert batch.offsets.tolist() == [0, 2, 4, 5, 6]
    assert batch.rejected == ()


def test_what_can_be_read_is_in_the_log_and_in_the_store(log: MemoryLog) -> None:
    log.trim(2)
    assert readable_from(log, Progress(), 0) == 2
    assert readable_from(log, Progress(decided_from={0: 4}), 0) == 4
