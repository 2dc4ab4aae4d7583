"""Processors, each a process of its own, share the shards of one store, on Kafka and PostgreSQL.

A lease lasts longer here than anybody waits: what changes hands is given back, or its holder is
seen to be dead. Who could count no shard, by its settings, has no share and says why.
"""

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import Event

import msgspec
import pytest

from rtcdp.answers.shards import awaited
from rtcdp.clock import Clock, SystemClock
from rtcdp.engines.native.limits import ProcessorLimits
from rtcdp.log.contract import LogReader, LogWriter
from rtcdp.runtime.parts import folds_of, log_reader, log_writer, metrics_of, store_of
from rtcdp.runtime.processes.leases import LeaseHolder
from rtcdp.runtime.processes.troubles import trouble_of_processor
from rtcdp.runtime.processing import processor_of, run_processor
from rtcdp.runtime.settings import Settings
from rtcdp.store import Progress, Store
from rtcdp.testing.driver import differing, dump
from rtcdp.testing.traffic import Traffic

SHARDS = 5
TRAFFIC = Traffic(2_000, users=40, request_lines=100)
LEASE_S = 120.0
PATIENCE_S = 60.0

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["rtcdp.runtime.processing.shards"])


@pytest.fixture
def settings(tmp_path, kafka_server, new_topic, postgres_schema_url) -> Settings:
    return Settings(
        data_dir=tmp_path,
        log=kafka_server.url(new_topic(SHARDS + 1)),
        store=postgres_schema_url,
        folds="sessions",
        processor=ProcessorLimits(shards=SHARDS, lease_ttl_s=LEASE_S),
    )


CLOCK = SystemClock()


class Started:
    """A processor in a process of its own."""

    def __init__(self, settings: Settings, clock: Clock = CLOCK) -> None:
        settings.data_dir.mkdir()
        self.settings = settings
        self._stop = _processes.Event()
        self._process = _processes.Process(
            target=run_processor, args=(self.settings, clock, self._stop)
        )
        self._process.start()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def kill(self) -> None:
        """As `kill -9` does."""
        self._process.kill()
        self._process.join()

    def end(self) -> None:
        """Stop it as an operator does."""
        self._stop.set()
        self._process.join(PATIENCE_S)
        assert self._process.exitcode == 0


@pytest.fixture
def start(settings) -> Iterator[Callable[..., Started]]:
    """Starts processors that don't outlive the test."""
    made: list[Started] = []

    def one_more(name: str, clock: Clock = CLOCK, **own: object) -> Started:
        made.append(Started(replace(settings, data_dir=settings.data_dir / name, **own), clock))
        return made[-1]

    yield one_more
    for each in made:
        each.kill()


def test_processors_share_shards_and_take_over_from_one_another(settings, start, tmp_path):
    sent = list(TRAFFIC.deliveries())
    with installed(settings) as (writer, log, store):
        first, second = start("first"), start("second")
        divided_among(store, first, second)
        writer.append(sent[:8])
        first.kill()
        divided_among(store, second)
        writer.append(sent[8:14])
        third = start("third")
        unfit = [
            (start("unfit", processor=ProcessorLimits(shards=3)), "processor.shards here is 3"),
            (start("other", folds="none"), "other definitions of metrics and folds"),
        ]
        divided_among(store, second, third)
        for each, says in unfit:
            eventually(partial(is_told, each, says), partial(trouble_of_processor, each.settings))
        writer.append(sent[14:])
        second.end()
        divided_among(store, third)
        eventually(lambda: is_counted(log, store))
        for each, _ in unfit:
            each.kill()
        third.end()
        assert shares(store) == {}
    alone = replace(settings, data_dir=tmp_path / "alone", store="", processor=ProcessorLimits())
    with processor_of(alone, SystemClock()) as processor:
        processor.run(Event(), once=True)
    expected = dump_of(alone)
    assert expected["ledger"]["received"].sum() > TRAFFIC.lines * 0.9
    assert differing(expected, dump_of(settings)) == []


class HurriedClock:
    """A clock that goes fast, so that nobody has to wait."""

    def __init__(self, times: int) -> None:
        self._times, self._began_ms = times, SystemClock().now_ms()

    def now_ms(self) -> int:
        return self._began_ms + int(self.monotonic() * 1000)

    def monotonic(self) -> float:
        return (SystemClock().now_ms() - self._began_ms) / 1000 * self._times


def test_shards_without_events_hold_nothing_back(settings, start):
    """One user's events lie in one shard of five; the four others are seen to be empty."""
    sent = list(Traffic(200, users=1, request_lines=100).deliveries())
    with installed(settings) as (writer, log, store):
        processor = start("only", clock=HurriedClock(20))
        writer.append(sent)
        eventually(lambda: is_counted(log, store) and is_at_the_end(store.progress()))
        progress = store.progress()
        assert len(awaited(progress)) == 0
        assert progress.all_committed_at > 0
        processor.end()


@contextmanager
def installed(settings: Settings) -> Iterator[tuple[LogWriter, LogReader, Store]]:
    with (
        log_writer(settings, SystemClock()) as writer,
        log_reader(settings) as log,
        store_of(settings) as store,
    ):
        yield writer, log, store


def is_told(started: Started, sentence: str) -> bool:
    return sentence in (trouble_of_processor(started.settings) or "")


def divided_among(store: Store, *started: Started) -> None:
    """Wait until these have all shards, to within one the same number each."""

    def is_fair() -> bool:
        has = shares(store)
        counts = [has.pop(each.pid, 0) for each in started]
        return not has and sum(counts) == SHARDS and max(counts) - min(counts) <= 1

    eventually(is_fair, lambda: f"{shares(store)} among {[each.pid for each in started]}")


def shares(store: Store) -> Counter[int | None]:
    """How many shards each process has."""
    now_ms = SystemClock().now_ms()
    holders = [each.holder for each in store.progress().shards if each.is_held(now_ms)]
    return Counter(msgspec.json.decode(holder, type=LeaseHolder).pid for holder in holders)


def is_at_the_end(progress: Progress) -> bool:
    """Whether the watermark has come to the newest of all records."""
    return progress.watermark(0) == max(progress.max_received_at.values())


def is_counted(log: LogReader, store: Store) -> bool:
    counted = store.progress().next_offsets
    return all(counted.get(p, 0) == log.extent(p).next_offset for p in log.partitions())


def eventually(holds: Callable[[], bool], found: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, found()
        time.sleep(0.05)


def dump_of(settings):
    with store_of(settings, read_only=True) as store:
        return dump(store, metrics_of(settings), folds=folds_of(settings))
