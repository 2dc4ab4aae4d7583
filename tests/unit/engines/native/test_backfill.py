"""A new metric is computed over what the log still holds, also when that is interrupted."""

import threading
from pathlib import Path

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import ManualClock
from rtcdp.definitions import Count, Metric, tables_of, tumbling
from rtcdp.engines.commit import Listeners
from rtcdp.engines.native import backfill as backfilling
from rtcdp.engines.native.backfill import backfill
from rtcdp.engines.native.processor import Processor
from rtcdp.log.contract import Delivery
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import START_MS, Driver
from rtcdp.testing.memory_log import MemoryLog

OLD = Metric("old", "t", tumbling(minutes=1), (Count("n"),))
NEW = Metric("new", "t", tumbling(minutes=1), (Count("n"),), ("userId",))
RULES = AdmissionRules()
ALL_AT_ONCE = 10**9


def counted(log: MemoryLog, directory: Path) -> SqliteStore:
    """A store that has counted the log for the old metric only."""
    driver = Driver([OLD], directory)
    for record in log.records():
        driver.log.append([Delivery(record.raw + b"\n", 1, record.received_at)])
    driver.process()
    driver.close()
    store = SqliteStore(directory / "store.db")
    store.prepare([OLD, NEW])
    return store


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog(lambda: 2)
    for user in ["a", "b", "a", "a", "b"]:
        line = f'{{"userId":"{user}","timestamp":{START_MS},"eventType":"A"}}\n'
        log.append([Delivery(line.encode(), 1, START_MS)])
    repeated = f'{{"eventId":"e","userId":"c","timestamp":{START_MS},"eventType":"A"}}\n'
    log.append([Delivery(repeated.encode() * 2, 2, START_MS)])
    return log


def test_it_counts_what_was_admitted(log: MemoryLog, tmp_path: Path) -> None:
    store = counted(log, tmp_path)
    backfill(log, store, [OLD, NEW], ALL_AT_ONCE)
    rows = store.dump(tables_of(NEW)[0]).select("userId", "n").rows()
    assert rows == [("a", 3), ("b", 2), ("c", 1)]
    assert store.backfill_offsets("new") is None
    store.close()


def test_what_came_after_the_stores_progress_is_left_to_the_loop(
    log: MemoryLog, tmp_path: Path
) -> None:
    store = counted(log, tmp_path)
    log.append([Delivery(log.records()[0].raw + b"\n", 1, START_MS)])
    backfill(log, store, [OLD, NEW], ALL_AT_ONCE)
    assert store.dump(tables_of(NEW)[0])["n"].sum() == 6
    store.close()


def test_an_interrupted_backfill_goes_on(
    log: MemoryLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = counted(log, tmp_path)
    slices = iter(range(3))

    def stumbling(*arguments: object) -> object:
        if next(slices) == 2:
            raise KeyboardInterrupt
        return changes_of(*arguments)

    changes_of = backfilling.changes_of
    monkeypatch.setattr(backfilling, "changes_of", stumbling)
    with pytest.raises(KeyboardInterrupt):
        backfill(log, store, [OLD, NEW], ALL_AT_ONCE)
    monkeypatch.undo()
    backfill(log, store, [OLD, NEW], ALL_AT_ONCE)
    assert store.dump(tables_of(NEW)[0])["n"].sum() == 6
    store.close()


def test_all_partitions_are_filled_and_an_id_counts_once_over_them(tmp_path: Path) -> None:
    log = MemoryLog(lambda: 2, partitions=2)
    for partition, times in enumerate([(0, 2, 4), (1, 3, 5)]):
        for late_ms in times:
            line = f'{{"eventId":"{late_ms // 2}","userId":"{partition}","timestamp":{START_MS},'
            body = line.encode() + b'"eventType":"A"}\n'
            log.append([Delivery(body, 1, START_MS + late_ms)], partition)
    store = SqliteStore(tmp_path / "store.db")
    Processor(log, store, [OLD], RULES, ManualClock(START_MS)).run(threading.Event(), once=True)
    store.prepare([OLD, NEW])
    backfill(log, store, [OLD, NEW], 100)
    assert store.dump(tables_of(OLD)[0])["n"].to_list() == [3]
    assert store.dump(tables_of(NEW)[0]).select("userId", "n").rows() == [("0", 3)]
    store.close()


def test_it_says_from_where_a_metric_is_filled_when_the_log_begins_later(
    log: MemoryLog, tmp_path: Path
) -> None:
    store = counted(log, tmp_path)
    log.trim(3)
    said: list[str] = []
    slices: list[None] = []
    listeners = Listeners(on_slice=lambda: slices.append(None), on_trouble=said.append)
    backfill(log, store, [OLD, NEW], ALL_AT_ONCE, listeners)
    assert said == [
        "metric new is filled from offset 3 of partition 0 on: the log no longer holds what came "
        "before"
    ]
    assert slices
    assert store.dump(tables_of(NEW)[0])["n"].sum() == 3
    store.close()


def test_it_says_what_was_counted_and_can_t_be_read_any_more(
    log: MemoryLog, tmp_path: Path
) -> None:
    store = counted(log, tmp_path)
    log.damage(1)
    said: list[str] = []
    backfill(log, store, [OLD, NEW], ALL_AT_ONCE, Listeners(on_trouble=said.append))
    assert len(said) == 1
    assert said[0].startswith(
        "metric new misses 1 records that the other metrics have counted, the first at offset 1"
    )
    assert store.dump(tables_of(NEW)[0])["n"].sum() == 5
    store.close()


def test_it_says_from_where_the_store_knows_the_verdicts(log: MemoryLog, tmp_path: Path) -> None:
    store = counted(log, tmp_path)
    store.expire(buckets_before=0, uncounted_before=0, offsets_before={0: 2})
    said: list[str] = []
    backfill(log, store, [OLD, NEW], ALL_AT_ONCE, Listeners(on_trouble=said.append))
    assert len(said) == 1
    assert "filled from offset 2 of partition 0 on" in said[0]
    assert store.dump(tables_of(NEW)[0])["n"].sum() == 4
    store.close()
