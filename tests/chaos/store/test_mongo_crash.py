"""Killed, stopped and overtaken at every moment of a commit, a store on MongoDB holds whole epochs,
each of them once; and whoever reads meanwhile sees nothing else."""

import multiprocessing
import os
import random
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from deploy.servers import mongodb
from rtcdp.admission.verdicts import UNCOUNTED_SCHEMA
from rtcdp.engines.commit import RetryPolicy, commit_for_sure
from rtcdp.store import Scan, UncountedScan
from rtcdp.store.mongo import MongoStore
from rtcdp.store.mongo.snapshot import SnapshotTooOld
from tests.chaos.store import mongo_writer
from tests.chaos.store.mongo_writer import BUCKETS, LEASE_MS, LOST, METRIC, STAYS, TABLES, epoch_of
from tests.scale import scaled
from tests.servers import unused_name

DEADLINE_S = 180.0
READING_S = scaled(2, chaos=8)
RECOVERIES = scaled(15, chaos=40)
KILLED_EVERY = scaled(3, chaos=1)
STOPPED_EVERY = scaled(3, chaos=1)

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.chaos.store.mongo_writer"])


@contextmanager
def writer(act, *arguments):
    """Another process that does one of the things of `mongo_writer`; it does not outlive the
    block."""
    process = _processes.Process(target=act, args=arguments)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


def exit_code(act, *arguments):
    with writer(act, *arguments) as process:
        process.join(DEADLINE_S)
        return process.exitcode


def held_by(url):
    """Everything that a reader finds, and the number of the epoch."""
    store = MongoStore(url, read_only=True)
    with store.snapshot() as snapshot:
        progress = snapshot.progress
        found = (
            dict(progress.next_offsets),
            dict(progress.max_received_at),
            *(snapshot.dump(table).rows() for table in TABLES),
            *(snapshot.daily_sums(table) for table in (BUCKETS, STAYS)),
            snapshot.ledger().rows(),
            snapshot.ledger_totals(),
            snapshot.uncounted(UncountedScan(limit=1000)).select(UNCOUNTED_SCHEMA.names()).rows(),
            snapshot.spans(0, 10**9),
        )
    store.close()
    return progress.epoch, found


@pytest.fixture
def url(mongo_url):
    store = MongoStore(mongo_url)
    store.prepare([METRIC], [STAYS])
    store.close()
    return mongo_url


class Undisturbed:
    """What a store holds after each epoch when nothing happens to it."""

    def __init__(self, url):
        self._url = url
        self._store = MongoStore(url)
        self._store.prepare([METRIC], [STAYS])
        self._held = [held_by(url)[1]]

    def after(self, epoch):
        while len(self._held) <= epoch:
            self._store.commit(epoch_of(len(self._held)))
            self._held.append(held_by(self._url)[1])
        return self._held[epoch]

    def close(self):
        self._store.close()


@pytest.fixture(scope="module")
def undisturbed(mongo_server):
    database = unused_name("undisturbed")
    store = Undisturbed(mongo_server.url(database))
    yield store
    store.close()
    mongo_server.drop_database(database)


def test_a_writer_killed_before_any_of_its_commands_leaves_whole_epochs(url, undisturbed):
    killed_at, outcomes = 1, set()
    before, _ = held_by(url)
    while True:
        has_ended = exit_code(mongo_writer.commit_next, url, killed_at) == 0
        epoch, held = held_by(url)
        outcomes.add(epoch - before)
        assert held == undisturbed.after(epoch), f"killed at command {killed_at}"
        if has_ended:
            break
        assert exit_code(mongo_writer.commit_next, url) == 0
        epoch, held = held_by(url)
        assert held == undisturbed.after(epoch), f"gone on after command {killed_at}"
        assert epoch - before in (1, 2)
        before = epoch
        killed_at += KILLED_EVERY
    assert killed_at > 25
    assert outcomes == {0, 1}


def test_a_recovery_that_is_killed_over_and_over_comes_to_the_same_end(url, undisturbed):
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    kills = 0
    while kills < RECOVERIES:
        kills += exit_code(mongo_writer.commit_next, url, rng.randrange(1, 60)) != 0
        epoch, held = held_by(url)
        assert held == undisturbed.after(epoch), f"seed {seed}"
    assert exit_code(mongo_writer.commit_next, url) == 0
    last, held = held_by(url)
    assert last > epoch
    assert held == undisturbed.after(last), f"seed {seed}"


def test_a_writer_killed_at_any_time_leaves_whole_epochs(url, undisturbed):
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    for _ in range(8):
        first, _ = held_by(url)
        with writer(mongo_writer.commit_on_and_on, url) as process:
            wait_for_epoch(url, first + 2)
            time.sleep(rng.random() / 20)
            process.kill()
            process.join()
        epoch, held = held_by(url)
        assert held == undisturbed.after(epoch), f"seed {seed}"


def test_a_leader_that_was_stopped_and_overtaken_counts_nothing_twice(url, undisturbed):
    stopped_at = 0
    while True:
        stopped_at += STOPPED_EVERY
        with writer(mongo_writer.lead, url, stopped_at) as leader:
            has_ended = not has_stopped(leader)
            if not has_ended:
                overtake(url)
                epoch, held = held_by(url)
                assert held == undisturbed.after(epoch), f"overtaken at {stopped_at}"
                os.kill(leader.pid, signal.SIGCONT)
                leader.join(DEADLINE_S)
                assert leader.exitcode == LOST
        held_after = held_by(url)
        if has_ended:
            break
        assert held_after == (epoch, held), f"stopped at command {stopped_at}"
    assert stopped_at > 25


def overtake(url):
    """Take the lease over, and commit enough that old versions are forgotten."""
    store = MongoStore(url)
    store.acquire_lease("second", now_ms=LEASE_MS, ttl_ms=LEASE_MS)
    store.prepare([METRIC], [STAYS])
    for _ in range(3):
        store.commit(epoch_of(store.progress().epoch + 1))
    store.release_lease()
    store.close()


def test_a_reader_sees_whole_epochs_only(url):
    store = MongoStore(url, read_only=True)
    seen, too_old = set(), 0
    with writer(mongo_writer.commit_on_and_on, url):
        wait_for_epoch(url, 1)
        began = time.monotonic()
        while time.monotonic() < began + READING_S or len(seen) <= 20 or too_old >= len(seen):
            assert time.monotonic() < began + DEADLINE_S, (len(seen), too_old)
            try:
                with store.snapshot() as snapshot:
                    epoch = snapshot.progress.epoch
                    counts = snapshot.scan(Scan(BUCKETS))["n"].to_list()
                    records = snapshot.uncounted(UncountedScan(limit=10_000)).height
                    received = snapshot.ledger()["received"].sum()
                    again = snapshot.scan(Scan(BUCKETS, limit=3))["n"].to_list()
            except SnapshotTooOld:
                too_old += 1
                continue
            assert counts == [epoch] * 4
            assert records == epoch
            assert received == epoch * mongo_writer.RECORDS == snapshot.ledger_totals()["received"]
            assert again == [epoch] * 3
            seen.add(epoch)
    store.close()


def test_a_server_that_stands_still_in_the_middle_of_commits_loses_and_repeats_nothing(undisturbed):
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    troubles = []
    patience = RetryPolicy(0.05, time.sleep, troubles.append)
    with mongodb() as server:
        patient = MongoStore(server.url())
        patient.prepare([METRIC], [STAYS])
        patient.close()
        store = MongoStore(server.url() + "?socketTimeoutMS=300&serverSelectionTimeoutMS=300")
        for number in range(1, 11):
            standstill = Thread(target=stand_still, args=(server, rng.random() / 20))
            standstill.start()
            commit_for_sure(store, epoch_of(number), patience)
            standstill.join()
            epoch, held = held_by(server.url())
            assert epoch == number
            assert held == undisturbed.after(epoch), f"seed {seed}"
        store.close()
    assert troubles


def stand_still(server, after_s):
    """Let the server not answer for longer than anybody waits."""
    time.sleep(after_s)
    server.pause()
    time.sleep(0.5)
    server.resume()


def wait_for_epoch(url, epoch):
    deadline = time.monotonic() + DEADLINE_S
    while held_by(url)[0] < epoch:
        assert time.monotonic() < deadline, f"epoch {epoch} did not come"


def has_stopped(process):
    """Whether the process stands still; False when it has ended."""
    deadline = time.monotonic() + DEADLINE_S
    while process.is_alive():
        # Somebody else is its parent: it may be gone by now.
        with suppress(FileNotFoundError, ProcessLookupError):
            stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8")
            if stat.rpartition(")")[2].split()[0] == "T":
                return True
        assert time.monotonic() < deadline, "it neither stops nor ends"
        time.sleep(0.005)
    return False
