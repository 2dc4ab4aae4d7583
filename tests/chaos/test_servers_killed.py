"""kill -9 of the processor, Spark's driver, Kafka's broker and PostgreSQL, at random, while the log
is counted. In the end every table, the ledger and the uncounted records are those of an undisturbed
run.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from deploy.servers import kafka, postgresql
from rtcdp.assembly.parts import log_writer, metrics_of, store_of
from rtcdp.assembly.processing import processor_of
from rtcdp.clock import SystemClock
from rtcdp.settings import Settings
from rtcdp.store.store import StoreUnavailable
from rtcdp.testing.dump import differing, dump
from rtcdp.testing.traffic import Traffic

KILLS = 5
TRAFFIC = Traffic(60_000, users=100)
SMALL_BATCHES = {
    "RTCDP_PROCESSOR_MAX_BATCH_BYTES": "150000",
    "RTCDP_PROCESSOR_EPOCH_EVERY_S": "0.05",
    "RTCDP_SPARK_MAX_OFFSETS_PER_TRIGGER": "6000",
    "RTCDP_SPARK_TRIGGER_S": "0.1",
}
"""So that there is always an epoch under way to be killed in."""

DEADLINE_S = 180


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory):
    """A broker of this module's own, which may be killed."""
    with kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="module")
def own_postgresql(tmp_path_factory):
    """A PostgreSQL of this module's own, which may be killed."""
    with postgresql(tmp_path_factory.mktemp("postgresql")) as server:
        yield server


@pytest.fixture(scope="module")
def log_url(own_kafka):
    """A topic with the traffic in it."""
    url = own_kafka.url("killed")
    with log_writer(Settings(log=url), SystemClock()) as writer:
        writer.append(list(TRAFFIC.deliveries()))
    return url


@pytest.fixture(scope="module")
def expected(log_url, tmp_path_factory):
    settings = Settings(data_dir=tmp_path_factory.mktemp("expected"), log=log_url)
    with processor_of(settings, SystemClock()) as processor:
        processor.run(threading.Event(), once=True)
    return dump_of(settings)


class ProcessorProcess:
    """`rtcdp process --once` with a process group of its own."""

    def __init__(self, settings: Settings, *flags: str) -> None:
        self._command = [
            *(sys.executable, "-m", "rtcdp", "process", "--once"),
            *("--data-dir", str(settings.data_dir)),
            *("--log", settings.log_url, "--store", settings.store_url),
            *("--engine", settings.engine, *flags),
        ]
        self._output = settings.data_dir / "process.txt"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdout=output,
                stderr=output,
                env={**os.environ, **SMALL_BATCHES},
                start_new_session=True,
            )

    @property
    def has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def kill(self) -> None:
        """kill -9 of the process alone; what it started has to notice by itself."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def finish(self) -> None:
        """Wait for its good end."""
        assert self._process is not None
        code = self._process.wait(DEADLINE_S)
        assert code == 0, self._output.read_text()[-3000:]

    def end(self) -> None:
        """Leave nothing behind, however the test went."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@pytest.fixture
def processor(request, tmp_path, log_url):
    """Makes the process of an installation; whatever is left of it is killed at the end."""
    started = []

    def make(store_url: str, engine: str = "native") -> tuple[Settings, ProcessorProcess]:
        settings = Settings(data_dir=tmp_path, log=log_url, store=store_url, engine=engine)
        flags = []
        if engine == "spark":
            jars = ",".join(map(str, request.getfixturevalue("spark_jars")))
            flags = ["--master", "local[2]", "--jars", jars]
        started.append(ProcessorProcess(settings, *flags))
        return settings, started[-1]

    yield make
    for process in started:
        process.end()


def server_url(request, kind):
    if kind == "postgresql":
        return request.getfixturevalue("own_postgresql").url(f"killed_{os.urandom(4).hex()}")
    return request.getfixturevalue("mongo_server").url(f"killed_{os.urandom(4).hex()}")


@pytest.mark.parametrize("store", ["postgresql", "mongodb"])
def test_the_native_processor(store, request, processor, expected):
    settings, process = processor(server_url(request, store))
    kill_again_and_again(process, settings, random.Random(1), longest_s=1.0)
    assert differing(expected, dump_of(settings)) == []


@pytest.mark.parametrize("store", ["postgresql", "mongodb"])
def test_the_driver_of_spark(store, request, processor, expected):
    settings, process = processor(server_url(request, store), "spark")
    kill_again_and_again(process, settings, random.Random(2), longest_s=4.0)
    assert differing(expected, dump_of(settings)) == []


def test_the_broker_of_kafka(request, processor, expected, own_kafka):
    settings, process = processor(server_url(request, "postgresql"))
    process.start()
    kill_beside(process, settings, own_kafka, random.Random(3))
    assert differing(expected, dump_of(settings)) == []


def test_postgresql(request, processor, expected, own_postgresql):
    settings, process = processor(server_url(request, "postgresql"))
    process.start()
    kill_beside(process, settings, own_postgresql, random.Random(4))
    assert differing(expected, dump_of(settings)) == []


def kill_again_and_again(process, settings, chance, longest_s):
    """Kill the process `KILLS` times, each time after it has committed something more."""
    for _ in range(KILLS):
        before = epoch_of(settings)
        process.start()
        wait_for_more(settings, before, process)
        time.sleep(chance.uniform(0, longest_s))
        assert not process.has_ended, "it was through before it could be killed often enough"
        process.kill()
    process.start()
    process.finish()


def kill_beside(process, settings, server, chance):
    """Kill a server `KILLS` times while the process works, and start it again."""
    for _ in range(KILLS):
        before = epoch_of(settings)
        wait_for_more(settings, before, process)
        time.sleep(chance.uniform(0, 0.3))
        assert not process.has_ended, "it was through before the server was killed often enough"
        server.kill()
        time.sleep(chance.uniform(0, 0.5))
        server.start()
    process.finish()


def wait_for_more(settings, epoch, process):
    """Return when the store is beyond `epoch`, or the process has ended."""
    deadline = time.monotonic() + DEADLINE_S
    while epoch_of(settings) <= epoch and not process.has_ended:
        assert time.monotonic() < deadline, f"no epoch in {DEADLINE_S} s"
        time.sleep(0.02)


def epoch_of(settings):
    """The store's epoch; 0 while it is away."""
    with suppress(StoreUnavailable), store_of(settings, read_only=True) as store:
        return store.progress().epoch
    return 0


def dump_of(settings):
    with store_of(settings, read_only=True) as store:
        return dump(store, metrics_of(settings))
