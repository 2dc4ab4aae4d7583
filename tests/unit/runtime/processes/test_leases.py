import os
import subprocess
import sys
from dataclasses import replace

import msgspec
import pytest

from rtcdp.clock import ManualClock
from rtcdp.runtime.processes.leases import LeaseHolder, is_dead, processing_right, this_process
from rtcdp.runtime.processes.locks import AlreadyRunning
from rtcdp.runtime.settings import Settings
from rtcdp.store import LeaseLost
from rtcdp.store.sqlite import SqliteStore

NOW_MS = 1_000_000


@pytest.fixture
def settings():
    """Of an installation whose store is on a server; the lease is the same on a file."""
    return Settings(store="postgresql://localhost/rtcdp")


@pytest.fixture
def stores(tmp_path):
    """Two processes' views of one store."""
    pair = [SqliteStore(tmp_path / "store.db") for _ in range(2)]
    yield pair
    for store in pair:
        store.close()


def encoded(holder):
    return msgspec.json.encode(holder).decode()


def a_dead_process():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = LeaseHolder(child.pid, this_process().host, "another boot")
    child.communicate(b"\n")
    return holder


def test_this_process_is_not_dead():
    assert not is_dead(this_process())


def test_a_process_that_ended_is_dead():
    assert is_dead(a_dead_process())


def test_a_process_with_the_same_id_that_started_at_another_time_is_dead():
    assert is_dead(replace_started(this_process(), "ffffffff-1"))


def test_nothing_is_known_of_processes_on_other_machines():
    assert not is_dead(LeaseHolder(os.getpid(), "elsewhere", "ffffffff-1"))


def test_a_second_processor_is_refused(settings, stores):
    first, second = stores
    other = encoded(LeaseHolder(4711, "elsewhere"))
    first.acquire_lease(other, NOW_MS, 10_000)
    with (
        pytest.raises(AlreadyRunning, match="process 4711 on elsewhere"),
        processing_right(settings, second, ManualClock(NOW_MS)),
    ):
        pass


def test_the_lease_of_a_dead_process_is_taken_over_at_once(settings, stores):
    first, second = stores
    first.acquire_lease(encoded(a_dead_process()), NOW_MS, 10_000)
    with processing_right(settings, second, ManualClock(NOW_MS)):
        second.prepare([])
    with pytest.raises(LeaseLost):
        first.prepare([])


def test_a_lease_ends_with_its_holder(settings, stores):
    first, second = stores
    with processing_right(settings, first, ManualClock(NOW_MS)):
        pass
    second.acquire_lease("somebody", NOW_MS, 10_000)


def test_a_store_in_a_file_is_guarded_by_a_lock(stores, tmp_path):
    settings = Settings(data_dir=tmp_path)
    with (
        processing_right(settings, stores[0], ManualClock(NOW_MS)),
        pytest.raises(AlreadyRunning),
        processing_right(settings, stores[1], ManualClock(NOW_MS)),
    ):
        pass


def replace_started(holder, started):
    return msgspec.structs.replace(holder, started=started)


def test_the_time_a_lease_lasts_is_a_setting(settings, stores):
    short = replace(settings, processor=replace(settings.processor, lease_ttl_s=4.0))
    with processing_right(short, stores[0], ManualClock(NOW_MS)):
        lease = stores[1].acquire_lease("later", NOW_MS + 4_001, 1_000)
    assert lease.token == 2
