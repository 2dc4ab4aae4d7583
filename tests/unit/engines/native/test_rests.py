"""How long the native engine rests between two epochs."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import ManualClock
from rtcdp.definitions import Count, Metric, tables_of, tumbling
from rtcdp.engines.native.limits import REST_S_MAX, SMALL_EPOCH_REST_S, ProcessorLimits
from rtcdp.engines.native.processor import Processor
from rtcdp.log.contract import Delivery
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.memory_log import MemoryLog

NOW = 1_767_225_600_000
PER_USER = Metric("per_user", "t", tumbling(minutes=1), (Count("events"),), ("userId",))


class Rests(threading.Event):
    """Notes for how long it was waited, and is set when that was so often; before, `meanwhile` is
    called."""

    def __init__(self, count: int = 1, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.waited_s: list[float | None] = []
        self._count, self._meanwhile = count, meanwhile

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_s.append(timeout)
        if len(self.waited_s) == self._count:
            self.set()
        else:
            self._meanwhile()
        return self.is_set()


class Worker:
    """A processor of a log in memory, each of whose epochs takes so long."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.log, self.clock = MemoryLog(), ManualClock(NOW)

    def take(self, records: int) -> None:
        lines = [
            f'{{"userId":"user {number}","timestamp":{NOW},"eventType":"A"}}\n'.encode()
            for number in range(records)
        ]
        self.log.append([Delivery(line, 1, NOW) for line in lines])

    def run(
        self, stop: Rests, worked_ms: int = 0, max_batch_bytes: int = 2**20, *, once: bool = False
    ) -> None:
        limits = ProcessorLimits(max_batch_bytes=max_batch_bytes, epoch_every_s=0.03)
        processor = Processor(
            self.log, self.store, [PER_USER], AdmissionRules(), self.clock, limits
        )
        processor.listeners = replace(
            processor.listeners, on_epoch=lambda _: self.clock.advance(worked_ms)
        )
        processor.run(stop, once=once)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    store = SqliteStore(tmp_path / "store.db")
    yield Worker(store)
    store.close()


@pytest.mark.parametrize(
    ("records", "max_batch_bytes", "worked_ms", "rest_s"),
    [
        (200, 2**20, 200, SMALL_EPOCH_REST_S),
        (3, 2**20, 3_000, REST_S_MAX),
        (3, 400, 3_000, 0.03),
    ],
)
def test_it_rests_as_long_as_it_worked_while_it_keeps_up_and_longer_after_a_pause(
    worker: Worker, records: int, max_batch_bytes: int, worked_ms: int, rest_s: float
) -> None:
    worker.take(records)
    stop = Rests()
    worker.run(stop, worked_ms, max_batch_bytes)
    assert stop.waited_s == [pytest.approx(rest_s, abs=0.001)]


@pytest.mark.parametrize(
    ("records", "gathered_ms", "worked_ms", "rest_s"),
    [
        (60, 60, 20, 0.02),
        (101, 400, 200, 0.2),
        (99, 400, 200, SMALL_EPOCH_REST_S),
        (1, 60, 20, SMALL_EPOCH_REST_S),
        (1_000, 5_000, 3_000, REST_S_MAX),
    ],
)
def test_it_rests_longer_where_few_events_come_in_a_second(
    worker: Worker, records: int, gathered_ms: int, worked_ms: int, rest_s: float
) -> None:
    worker.take(1)

    def meanwhile() -> None:
        worker.clock.advance(gathered_ms - worked_ms)
        worker.take(records)

    stop = Rests(2, meanwhile)
    worker.run(stop, worked_ms)
    assert stop.waited_s[1] == pytest.approx(rest_s, abs=0.001)


def test_it_does_not_rest_when_it_is_to_end_where_the_log_does(worker: Worker) -> None:
    worker.take(1)
    stop = Rests()
    worker.run(stop, once=True)
    table = tables_of(PER_USER)[0]
    assert worker.store.dump(table).rows() == [(NOW, "user 0", 1)]
    assert stop.waited_s == []
