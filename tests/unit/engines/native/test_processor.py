"""The loop of the native engine over a log in memory and a real store."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import ManualClock
from rtcdp.definitions import Count, Metric, tables_of, tumbling
from rtcdp.engines.native.limits import (
    ProcessorLimits,
    StoreRetention,
)
from rtcdp.engines.native.processor import Processor
from rtcdp.log.contract import Delivery, LogReplaced, OffsetsMissing
from rtcdp.log.limits import Retention
from rtcdp.store import (
    Epoch,
    EpochRefused,
    EpochReport,
    LeaseHeld,
    LeaseLost,
    StoreUnavailable,
    UncountedScan,
)
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.memory_log import MemoryLog

NOW = 1_767_225_600_000
DAY_MS = 86_400_000
PER_USER = Metric("per_user", "t", tumbling(minutes=1), (Count("events"),), ("userId",))
IN_ALL = Metric("in_all", "t", tumbling(minutes=1), (Count("events"),))


def delivery(*users: str, received_at: int = NOW, with_ids: bool = False) -> Delivery:
    lines = []
    for user in users:
        with_id = f',"eventId":"{user}"' if with_ids else ""
        lines.append(f'{{"userId":"{user}","timestamp":{received_at},"eventType":"A"{with_id}}}\n')
    return Delivery("".join(lines).encode(), len(lines), received_at)


class Installation:
    """A log, a store and a clock that outlive the processors that work on them."""

    def __init__(self, directory: Path) -> None:
        self.log = MemoryLog(lambda: 3)
        self.said: list[str] = []
        self.directory = directory
        self.store = self.open_store()
        self.clock = ManualClock(NOW)

    def open_store(self) -> SqliteStore:
        return SqliteStore(self.directory / "store.db")

    def processor(self, *metrics: Metric) -> Processor:
        limits = ProcessorLimits(poll_s=0.01, expire_every_s=0)
        processor = Processor(
            self.log, self.store, metrics or (PER_USER,), AdmissionRules(), self.clock, limits
        )
        processor.listeners = replace(processor.listeners, on_trouble=self.said.append)
        return processor

    def run(self, *metrics: Metric) -> None:
        self.processor(*metrics).run(threading.Event(), once=True)

    def uncounted(self) -> list[tuple[object, ...]]:
        """Partition and offset of all that is not counted."""
        with self.store.snapshot() as snapshot:
            found = snapshot.uncounted(UncountedScan())
        return sorted(found.select("partition", "offset").rows())

    def rows(self, metric: Metric = PER_USER) -> list[tuple[object, ...]]:
        return self.store.dump(tables_of(metric)[0]).rows()


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    yield installation
    installation.store.close()


def test_once_stops_when_it_has_caught_up(installation: Installation) -> None:
    installation.log.append([delivery("a", "b", "a", "a", "b")])
    installation.run()
    assert installation.rows() == [(NOW, "a", 3), (NOW, "b", 2)]
    assert installation.store.progress().next_offsets == {0: 5}


def test_it_goes_on_where_the_last_one_stopped(installation: Installation) -> None:
    installation.log.append([delivery("a")])
    installation.run()
    installation.log.append([delivery("a")])
    installation.run()
    assert installation.rows() == [(NOW, "a", 2)]


def test_ids_are_remembered_over_a_restart_for_the_dedup_window(installation: Installation) -> None:
    window_ms = AdmissionRules().dedup_window_ms
    installation.log.append([delivery("a", with_ids=True)])
    installation.run()
    installation.log.append([delivery("a", received_at=NOW + window_ms, with_ids=True)])
    installation.run()
    installation.log.append([delivery("a", received_at=NOW + 2 * window_ms + 1, with_ids=True)])
    installation.run()
    assert [row[2] for row in installation.rows()] == [1, 1]


def test_every_epoch_is_reported(installation: Installation) -> None:
    installation.log.append([delivery("a", "b", "c", "d", with_ids=True)])
    reports: list[EpochReport] = []
    processor = installation.processor()
    processor.listeners = replace(processor.listeners, on_epoch=reports.append)
    processor.run(threading.Event(), once=True)
    assert [(r.epoch, r.next_offsets, r.record_count) for r in reports] == [
        (1, {0: 3}, 3),
        (2, {0: 4}, 1),
    ]


def test_it_waits_for_records_until_it_is_stopped(installation: Installation) -> None:
    stop, processor = threading.Event(), installation.processor()
    running = threading.Thread(target=processor.run, args=(stop,))
    running.start()
    installation.log.append([delivery("a")])
    while processor.progress.epoch < 1:
        running.join(0.01)
    stop.set()
    running.join(10)
    assert not running.is_alive()
    assert installation.rows() == [(NOW, "a", 1)]


def test_a_second_processor_is_refused_at_its_commit(installation: Installation) -> None:
    first, second = installation.processor(), installation.processor()
    installation.log.append([delivery("a")])
    first.recover()
    second.recover()
    first.step()
    with pytest.raises(EpochRefused):
        second.step()
    assert installation.rows() == [(NOW, "a", 1)]


def test_a_new_metric_is_filled_from_the_log(installation: Installation) -> None:
    installation.log.append([delivery("a", "b", "a", "b", "b", with_ids=True)])
    installation.run()
    installation.run(PER_USER, IN_ALL)
    assert installation.rows(IN_ALL) == [(NOW, 2)]
    installation.log.append([delivery("c")])
    installation.run(PER_USER, IN_ALL)
    assert installation.rows(IN_ALL) == [(NOW, 3)]
    assert installation.rows(PER_USER) == [(NOW, "a", 1), (NOW, "b", 1), (NOW, "c", 1)]


def test_a_changed_metric_is_computed_anew(installation: Installation) -> None:
    installation.log.append([delivery("a", "b")])
    installation.run(IN_ALL)
    changed = Metric("in_all", "t", tumbling(seconds=1), (Count("events"), Count("again")))
    installation.run(changed)
    assert installation.rows(changed) == [(NOW, 2, 2)]


def test_old_records_and_windows_expire(installation: Installation) -> None:
    installation.log.append([delivery("a")])
    processor = installation.processor()
    processor.log_retention = Retention(max_age_ms=1000, min_age_ms=0)
    processor.store_retention = StoreRetention(windows_ms=1000, uncounted_ms=1000)
    processor.run(threading.Event(), once=True)
    for _ in range(3):
        installation.clock.advance(2 * 3_600_000)
        processor.run(threading.Event(), once=True)
    assert installation.log.extent(0).first_offset == 1
    assert installation.rows() == []


class Away:
    """A store that takes nothing; else it is real."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def commit(self, epoch: Epoch) -> None:
        raise StoreUnavailable(f"epoch {epoch.number} was not applied")


def test_it_stops_though_the_store_is_away(installation: Installation) -> None:
    installation.log.append([delivery("a")])
    stop = threading.Event()
    limits = ProcessorLimits(retry_s=60)
    away = Away(installation.store)
    processor = Processor(
        installation.log, away, [PER_USER], AdmissionRules(), installation.clock, limits
    )
    processor.listeners = replace(processor.listeners, on_trouble=lambda _: stop.set())
    processor.run(stop)
    assert installation.rows() == []


def test_large_batches_are_decoded_ahead_and_none_is_missed(installation: Installation) -> None:
    log = installation.log = MemoryLog(lambda: 7)
    users = [f"u{n % 10}" for n in range(500)]
    log.append([delivery(*users)])
    limits = ProcessorLimits(max_batch_bytes=400, epoch_every_s=0)
    processor = Processor(
        log, installation.store, [PER_USER], AdmissionRules(), installation.clock, limits
    )
    processor.run(threading.Event(), once=True)
    assert installation.rows() == [(NOW, f"u{n}", 50) for n in range(10)]
    assert installation.store.progress().next_offsets == {0: 500}


def test_a_log_that_is_shorter_than_what_was_counted_is_refused(
    installation: Installation,
) -> None:
    installation.log.append([delivery("a", "b")])
    installation.run()
    installation.log = MemoryLog()
    installation.log.append([delivery("a")])
    with pytest.raises(OffsetsMissing, match="replaced or cut off"):
        installation.run()


def test_a_clock_that_is_far_ahead_deletes_nothing(installation: Installation) -> None:
    installation.log.append([delivery("a")])
    processor = installation.processor()
    processor.log_retention = Retention(min_age_ms=0)
    processor.store_retention = StoreRetention(windows_ms=7 * DAY_MS, uncounted_ms=7 * DAY_MS)
    processor.run(threading.Event(), once=True)
    installation.clock.step(100 * DAY_MS)
    for _ in range(20):
        installation.clock.advance(60_000)
        processor.run(threading.Event(), once=True)
    assert installation.log.extent(0).first_offset == 0
    assert installation.rows() == [(NOW, "a", 1)]
    assert any("clock was set 8,640,000 s ahead" in sentence for sentence in installation.said)


def test_it_does_not_wait_for_its_next_epoch_when_it_is_stopped(
    installation: Installation,
) -> None:
    installation.log.append([delivery("a")])
    stop = threading.Event()
    limits = ProcessorLimits(epoch_every_s=3600)
    processor = Processor(
        installation.log,
        installation.store,
        [PER_USER],
        AdmissionRules(),
        installation.clock,
        limits,
    )
    processor.listeners = replace(processor.listeners, on_epoch=lambda _: stop.set())
    processor.run(stop)
    assert installation.rows() == [(NOW, "a", 1)]


def test_ids_that_are_forgotten_early_raise_an_alarm(installation: Installation) -> None:
    installation.log.append([delivery("a", "b", with_ids=True)])
    installation.log.append([delivery("c", "d", received_at=NOW + 1, with_ids=True)])
    limits = ProcessorLimits(seen_ids_capacity=2, epoch_every_s=0)
    processor = Processor(
        installation.log,
        installation.store,
        [PER_USER],
        AdmissionRules(),
        installation.clock,
        limits,
    )
    said: list[str] = []
    processor.listeners = replace(processor.listeners, on_trouble=said.append)
    processor.run(threading.Event(), once=True)
    assert any("forgotten" in sentence for sentence in said)


def test_an_epoch_covers_all_partitions_that_have_something(installation: Installation) -> None:
    log = installation.log = MemoryLog(partitions=3)
    log.append([delivery("a", "b")], 0)
    log.append([delivery("a")], 2)
    installation.run()
    assert installation.rows() == [(NOW, "a", 2), (NOW, "b", 1)]
    progress = installation.store.progress()
    assert (progress.epoch, progress.next_offsets) == (1, {0: 2, 2: 1})
    assert log.acknowledged == progress.next_offsets


def test_an_id_counts_once_over_all_partitions_and_the_first_to_come_in_wins(
    installation: Installation,
) -> None:
    log = installation.log = MemoryLog(partitions=2)
    log.append([delivery("x", "a", received_at=NOW + 2, with_ids=True)], 0)
    log.append([delivery("a", received_at=NOW + 1, with_ids=True)], 1)
    installation.run()
    assert installation.uncounted() == [(0, 1)]
    log.append([delivery("a", received_at=NOW + 3, with_ids=True)], 1)
    installation.run()
    assert installation.uncounted() == [(0, 1), (1, 1)]
    assert installation.rows() == [(NOW, "a", 1), (NOW, "x", 1)]


def test_every_partition_keeps_its_own_newest_time(installation: Installation) -> None:
    log = installation.log = MemoryLog(partitions=2)
    log.append([delivery("a", received_at=NOW + 5)], 0)
    log.append([Delivery(b"", 0, NOW + 9, rejects=((0, b"bad"),))], 1)
    installation.run()
    assert installation.store.progress().max_received_at == {0: NOW + 5, 1: NOW + 9}


def test_offsets_without_a_record_are_passed_and_not_counted(installation: Installation) -> None:
    log = installation.log
    log.leave_out(2)
    log.append([delivery("a")])
    log.leave_out(4)
    log.append([delivery("a")])
    installation.run()
    log.leave_out(5)
    installation.run()
    assert installation.store.progress().next_offsets == {0: 13}
    assert installation.rows() == [(NOW, "a", 2)]
    with installation.store.snapshot() as snapshot:
        assert snapshot.ledger_totals()["received"] == 2


def test_another_log_is_refused(installation: Installation) -> None:
    installation.log.append([delivery("a", "b")])
    installation.run()
    assert installation.store.progress().log_id == "memory"
    installation.log.identity = "another"
    with pytest.raises(LogReplaced, match=r"memory.*another"):
        installation.run()


def test_a_log_that_is_replaced_meanwhile_is_noticed_before_anything_is_counted(
    installation: Installation,
) -> None:
    installation.log.append([delivery("a")])
    processor = installation.processor()
    processor.recover()
    processor.step()
    installation.log.identity = "another"
    installation.log.append([delivery("b")])
    with pytest.raises(LogReplaced):
        processor.step()
    assert installation.rows() == [(NOW, "a", 1)]


def test_a_shorter_log_that_comes_meanwhile_is_named_as_what_it_is(
    installation: Installation,
) -> None:
    log = installation.log
    log.append([delivery("a", "b")])
    processor = installation.processor()
    stop = threading.Event()

    def swap(_: EpochReport) -> None:
        log.identity = "another"
        log.trim(9)

    processor.listeners = replace(processor.listeners, on_epoch=swap)
    with pytest.raises(LogReplaced):
        processor.run(stop)


def test_records_that_were_deleted_before_they_were_counted_are_missed(
    installation: Installation,
) -> None:
    installation.log.append([delivery("a", "b", "c")])
    processor = installation.processor()
    processor.recover()
    processor.step()
    installation.log.append([delivery("d", "e")])
    installation.log.trim(4)
    with pytest.raises(OffsetsMissing):
        processor.step()
    with pytest.raises(OffsetsMissing, match="begins at 4"):
        installation.run()


def test_a_new_partition_is_missed_as_well_when_it_loses_records(
    installation: Installation,
) -> None:
    log = installation.log = MemoryLog(partitions=2)
    processor = installation.processor()
    processor.recover()
    assert not processor.step()
    log.append([delivery("a", "b")], 1)
    log.trim(1, 1)
    with pytest.raises(OffsetsMissing):
        processor.step()


def test_a_log_that_has_lost_a_partition_is_refused(installation: Installation) -> None:
    installation.log = MemoryLog(partitions=2)
    installation.log.append([delivery("a")], 1)
    installation.run()
    installation.log = MemoryLog(partitions=1)
    with pytest.raises(OffsetsMissing, match="partition 1"):
        installation.run()


def test_the_lease_is_renewed_while_there_is_nothing_to_do(installation: Installation) -> None:
    store, clock = installation.store, installation.clock
    ttl_ms = int(ProcessorLimits().lease_ttl_s * 1000)
    store.acquire_lease("me", clock.now_ms(), ttl_ms)
    processor = installation.processor()
    processor.recover()
    for _ in range(10):
        clock.advance(ttl_ms // 3 + 1)
        processor.step()
        other = installation.open_store()
        with pytest.raises(LeaseHeld) as held:
            other.acquire_lease("another", clock.now_ms(), ttl_ms)
        other.close()
        assert held.value.lease.expires_at == clock.now_ms() + ttl_ms


def test_who_lost_the_lease_stops_though_there_is_nothing_to_do(installation: Installation) -> None:
    store, clock = installation.store, installation.clock
    store.acquire_lease("me", clock.now_ms(), 1000)
    other = installation.open_store()
    other.acquire_lease("another", clock.now_ms() + 2000, 10**6)
    other.close()
    with pytest.raises(LeaseLost):
        installation.run()
