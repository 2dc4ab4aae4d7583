"""Answers are read from a streaming replica of PostgreSQL while the processor writes elsewhere."""

import shutil
import subprocess
import time
from contextlib import closing

import msgspec
import pytest

from deploy.servers import postgresql
from deploy.servers.postgres import _binaries
from rtcdp.admission.rules import AdmissionRules
from rtcdp.answers.windows import WindowQuery, windows
from rtcdp.catalog.catalog import load_catalog
from rtcdp.clock import ManualClock
from rtcdp.engines.native.processor import Processor
from rtcdp.errors import RtcdpError
from rtcdp.log.contract import Delivery
from rtcdp.store.contract import Acknowledgement
from rtcdp.store.postgres import PostgresStore
from rtcdp.testing.memory_log import MemoryLog

NOW_MS = 1_767_225_600_000
METRIC = next(each for each in load_catalog() if each.key == ("userId",))


def test_a_replica_gives_the_answers_of_the_store_that_it_follows(server_directory):
    with postgresql(server_directory / "primary") as primary:
        log = MemoryLog()
        with closing(PostgresStore(primary.url("shop"))) as store:
            processor = Processor(log, store, [METRIC], AdmissionRules(), ManualClock(NOW_MS))
            processor.recover()
            count(log, processor, "ada")
            copy(primary, server_directory / "replica")
            with (
                postgresql(server_directory / "replica") as replica,
                closing(PostgresStore(replica.url("shop"), read_only=True)) as reading,
            ):
                assert reading.progress() == store.progress()
                count(log, processor, "bob")
                wait_for(reading, store.progress().epoch)
                assert users_of(reading) == users_of(store) == {"ada", "bob"}
                with (
                    closing(PostgresStore(replica.url("shop"))) as writing,
                    pytest.raises(RtcdpError, match="read-only"),
                ):
                    writing.acknowledge(Acknowledgement("a", NOW_MS, "ada", NOW_MS))


def count(log, processor, user):
    event = {"userId": user, "eventType": "PAGE_VIEW", "timestamp": NOW_MS}
    log.append([Delivery(msgspec.json.encode(event) + b"\n", 1, NOW_MS)])
    assert processor.step()


def copy(primary, directory):
    """A copy of the server's data that follows it from where it was taken."""
    directory.mkdir()
    shutil.chown(directory, "postgres")
    subprocess.run(
        [
            *(str(_binaries() / "pg_basebackup"), "-h", "127.0.0.1", "-p", str(primary.port)),
            *("-U", "postgres", "-D", str(directory / "data"), "-R", "-X", "stream"),
            *("-c", "fast"),
        ],
        check=True,
        user="postgres",
    )


def wait_for(store, epoch):
    deadline = time.monotonic() + 30
    while store.progress().epoch < epoch:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def users_of(store):
    with store.snapshot() as snapshot:
        return {row["userId"] for row in windows(snapshot, METRIC, WindowQuery()).items}
