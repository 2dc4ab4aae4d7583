"""The loop of the native engine over a log in memory and a real store."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtcdp.clock import ManualClock
from rtcdp.engines.native.processor import EpochReport, Processor, ProcessorLimits, StoreRetention
from rtcdp.events.admission import AdmissionRules
from rtcdp.log.log import Delivery, Retention
from rtcdp.store.sqlite import SqliteStore
from rtcdp.store.store import EpochRefused
from rtcdp.testing.memory_log import MemoryLog
from rtcdp.vocabulary.measure import Count
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.table import tables_of
from rtcdp.vocabulary.window import tumbling

NOW = 1_767_225_600_000
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
