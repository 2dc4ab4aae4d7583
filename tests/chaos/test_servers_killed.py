"""kill -9 of the processor, Spark's driver, Kafka's broker and PostgreSQL, at random, while the log
is counted. In the end every table, the ledger and the uncounted records are those of an undisturbed
run.
"""

import random
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from deploy.servers import kafka, postgresql
from rtcdp.clock import SystemClock
from rtcdp.runtime.parts import log_writer, metrics_of, store_of
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import Settings
from rtcdp.store import StoreUnavailable
from rtcdp.testing.driver import differing, dump
from rtcdp.testing.traffic import Traffic
from tests.chaos.judging import judged
from tests.chaos.started import StartedPart
from tests.scale import scaled
from tests.servers import unused_name

KILLS = scaled(3, chaos=5)
DRIVER_KILLS = scaled(1, chaos=5)
"""A driver of Spark takes twenty seconds to start, and its first epoch as long again."""
TRAFFIC = Traffic(scaled(18_000, chaos=60_000), users=100)
SMALL_BATCHES = {
    "RTCDP_PROCESSOR_MAX_BATCH_BYTES": "150000",
    "RTCDP_PROCESSOR_MAX_FOLD_BATCH_BYTES": "150000",
    "RTCDP_PROCESSOR_EPOCH_EVERY_S": "0.05",
    "RTCDP_SPARK_MAX_OFFSETS_PER_TRIGGER": str(scaled(4_500, chaos=6_000)),
    "RTCDP_SPARK_TRIGGER_S": "0.1",
}
"""So that there is always an epoch under way to be killed in, and one to come."""

LOOK_EVERY_S = 0.05
"""Each look opens the store: looked at more often, it takes from the processor what it needs."""

DEADLINE_S = 600
"""Three minutes are not enough for a Spark on a machine that others use, too."""


@pytest.fixture(scope="module")
def folder():
    """A folder that PostgreSQL's user can enter."""
    with tempfile.TemporaryDirectory(prefix="rtcdp-killed-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def own_kafka(folder):
    """A broker of this module's own, which may be killed."""
    with kafka(folder / "kafka") as broker:
        yield broker


@pytest.fixture(scope="module")
def own_postgresql(folder):
    """A PostgreSQL of this module's own, which may be killed."""
    with postgresql(folder / "postgresql") as server:
        yield server


@pytest.fixture(scope="module")
def log_url(own_kafka):
    """A topic with the traffic in it."""
    url = own_kafka.url(own_kafka.create_topic("killed", partitions=4))
    with log_writer(Settings(log=url), SystemClock()) as writer:
        writer.append(list(TRAFFIC.deliveries()))
    return url


@pytest.fixture(scope="module")
def expected(log_url, tmp_path_factory):
    settings = Settings(data_dir=tmp_path_factory.mktemp("expected"), log=log_url)
    with processor_of(settings, SystemClock()) as processor:
        processor.run(threading.Event(), once=True)
    return dump_of(settings)


def finish(process: StartedPart, settings: Settings) -> None:
    """Let it count everything, and end it as an operator does."""
    deadline = time.monotonic() + DEADLINE_S
    while received_in(settings) < TRAFFIC.lines:
        assert not process.has_ended, process.said
        assert time.monotonic() < deadline, process.said
        time.sleep(0.5)
    process.end(DEADLINE_S)


@pytest.fixture
def processor(request, tmp_path):
    """Makes the process of an installation; whatever is left of it is killed at the end."""
    started = []

    def make(log_url: str, store_url: str, engine: str = "native"):
        settings = Settings(data_dir=tmp_path, log=log_url, store=store_url, engine=engine)
        flags = ["--engine", engine]
        if engine == "spark":
            jars = ",".join(map(str, request.getfixturevalue("spark_jars")))
            flags += ["--master", "local[2]", "--jars", jars]
        output = tmp_path / "process.txt"
        started.append(StartedPart(settings, "process", output, SMALL_BATCHES, tuple(flags)))
        return settings, started[-1]

    yield make
    for process in started:
        process.leave_nothing()


def server_url(request, kind):
    if kind == "postgresql":
        return request.getfixturevalue("own_postgresql").url(unused_name("killed"))
    return request.getfixturevalue("mongo_server").url(unused_name("killed"))


@pytest.mark.parametrize("store", ["postgresql", "mongodb"])
def test_the_native_processor(store, request, processor, log_url, expected):
    settings, process = processor(log_url, server_url(request, store))
    kill_again_and_again(process, settings, random.Random(1), longest_s=0.5)
    assert differing(expected, dump_of(settings)) == []
    assert judged(settings) == []


def test_the_driver_of_spark(request, processor, log_url, expected):
    settings, process = processor(log_url, server_url(request, "postgresql"), "spark")
    kill_again_and_again(process, settings, random.Random(2), longest_s=2.0, kills=DRIVER_KILLS)
    assert differing(expected, dump_of(settings)) == []


@pytest.mark.parametrize("victim", ["own_kafka", "own_postgresql"])
def test_a_server(victim, request, processor, own_kafka, expected):
    log_url = own_kafka.url(own_kafka.create_topic(unused_name("fed"), partitions=4))
    settings, process = processor(log_url, server_url(request, "postgresql"))
    feed_and_kill(process, settings, request.getfixturevalue(victim), random.Random(3))
    assert differing(expected, dump_of(settings)) == []


def kill_again_and_again(process, settings, chance, longest_s, kills=KILLS):
    """Kill the process `kills` times, each time after it has committed something more."""
    for _ in range(kills):
        before = epoch_of(settings)
        process.start()
        wait_for_more(settings, before, process)
        time.sleep(chance.uniform(0, longest_s))
        process.kill()
    assert received_in(settings) < TRAFFIC.lines, "the last kill came too late"
    process.start()
    finish(process, settings)


def feed_and_kill(process, settings, server, chance):
    """Append the traffic in `KILLS` parts, and kill the server while each of them is counted."""
    deliveries = list(TRAFFIC.deliveries())
    size = -(-len(deliveries) // KILLS)
    process.start()
    for first in range(0, len(deliveries), size):
        before = epoch_of(settings)
        with log_writer(settings, SystemClock()) as writer:
            writer.append(deliveries[first : first + size])
        wait_for_more(settings, before, process)
        time.sleep(chance.uniform(0, 0.2))
        server.kill()
        time.sleep(chance.uniform(0, 0.5))
        server.start()
    finish(process, settings)


def wait_for_more(settings, epoch, process):
    """Return when the store is beyond `epoch`, or the process has ended."""
    deadline = time.monotonic() + DEADLINE_S
    while epoch_of(settings) <= epoch and not process.has_ended:
        assert time.monotonic() < deadline, f"no epoch in {DEADLINE_S} s"
        time.sleep(LOOK_EVERY_S)


def epoch_of(settings):
    """The store's epoch; 0 while it is away."""
    with suppress(StoreUnavailable), store_of(settings, read_only=True) as store:
        return store.progress().epoch
    return 0


def received_in(settings):
    """How many records the store accounts for; 0 while it is away."""
    with (
        suppress(StoreUnavailable),
        store_of(settings, read_only=True) as store,
        store.snapshot() as snapshot,
    ):
        return snapshot.ledger_totals()["received"]
    return 0


def dump_of(settings):
    with store_of(settings, read_only=True) as store:
        return dump(store, metrics_of(settings))
