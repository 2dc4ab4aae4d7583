"""The loop of the native engine over a log in memory and a real store."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtcdp.clock import ManualClock
from rtcdp.engines.engine import Epoch
from rtcdp.engines.native.limits import ProcessorLimits, StoreRetention
from rtcdp.engines.native.processor import EpochReport, Processor
from rtcdp.events.rules import AdmissionRules
from rtcdp.log.limits import Retention
from rtcdp.log.log import Delivery, OffsetsMissing
from rtcdp.store.sqlite import SqliteStore
from rtcdp.store.store import EpochRefused, Progress, StoreUnavailable
from rtcdp.testing.memory_log import MemoryLog
from rtcdp.vocabulary.measure import Count
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.table import tables_of
from rtcdp.vocabulary.window import tumbling

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
        self.store = SqliteStore(directory / "store.db")
        self.clock = ManualClock(NOW)

    def processor(self, *metrics: Metric) -> Processor:
        limits = ProcessorLimits(poll_s=0.01, expire_every_s=0)
        return Processor(
            self.log, self.store, metrics or (PER_USER,), AdmissionRules(), self.clock, limits
        )

    def run(self, *metrics: Metric) -> None:
        self.processor(*metrics).run(threading.Event(), once=True)

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
    processor.on_epoch = reports.append
    processor.run(threading.Event(), once=True)
    assert [(r.epoch, r.next_offset, r.record_count) for r in reports] == [(1, 3, 3), (2, 4, 1)]


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
    installation.clock.advance(120_000)
    processor.run(threading.Event(), once=True)
    assert installation.log.extent(0).first_offset == 1
    assert installation.rows() == []


class Stumbling:
    """A store whose commits fail as told, before or after they are applied; else it is real."""

    def __init__(self, store: SqliteStore, *troubles: str) -> None:
        self._store = store
        self._troubles = list(troubles)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def progress(self) -> Progress:
        if self._troubles[:1] == ["progress"]:
            self._troubles.pop(0)
            raise StoreUnavailable("the progress can't be read")
        return self._store.progress()

    def commit(self, epoch: Epoch) -> None:
        trouble = self._troubles.pop(0) if self._troubles else ""
        if trouble == "before":
            raise StoreUnavailable("nothing was applied")
        self._store.commit(epoch)
        if trouble == "after":
            raise StoreUnavailable("it was applied, and the answer was lost")


@pytest.mark.parametrize(
    "troubles",
    [["before"], ["before", "before"], ["after"], ["after", "progress"], ["before", "after"]],
    ids="+".join,
)
def test_a_commit_that_fails_is_applied_once(
    installation: Installation, troubles: list[str]
) -> None:
    installation.log.append([delivery("a", "b", "a", "a", "b")])
    said: list[str] = []
    limits = ProcessorLimits(retry_s=0.001, epoch_every_s=0)
    stumbling = Stumbling(installation.store, *troubles)
    processor = Processor(
        installation.log, stumbling, [PER_USER], AdmissionRules(), installation.clock, limits
    )
    processor.on_trouble = said.append
    processor.run(threading.Event(), once=True)
    assert installation.rows() == [(NOW, "a", 3), (NOW, "b", 2)]
    assert said


def test_it_stops_though_the_store_is_away(installation: Installation) -> None:
    installation.log.append([delivery("a")])
    stop = threading.Event()
    limits = ProcessorLimits(retry_s=60)
    stumbling = Stumbling(installation.store, *["before"] * 9)
    processor = Processor(
        installation.log, stumbling, [PER_USER], AdmissionRules(), installation.clock, limits
    )
    processor.on_trouble = lambda _: stop.set()
    processor.run(stop)
    assert installation.rows() == []


def test_large_batches_are_screened_ahead_and_none_is_missed(installation: Installation) -> None:
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
    installation.clock.advance(100 * DAY_MS)
    processor.run(threading.Event(), once=True)
    assert installation.log.extent(0).first_offset == 0
    assert installation.rows() == [(NOW, "a", 1)]


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
    processor.on_epoch = lambda _: stop.set()
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
    processor.on_trouble = said.append
    processor.run(threading.Event(), once=True)
    assert any("forgotten" in sentence for sentence in said)
