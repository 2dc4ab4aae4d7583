"""kill -9 of every process at random, under load: nothing is lost and nothing counts twice.

The same events are sent in any order, three times, in batches of any size, while the supervisor,
the HTTP process and the processor are killed again and again. In the end every table is the same,
to the byte, as that of an undisturbed run.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import msgspec
import pytest

from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.sources.synthetic.bulk import bench_events
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import content
from tests.asked import NO_CERTIFICATES
from tests.scale import IS_CHAOS, scaled

EVENTS = scaled(1_000, chaos=3_000)
KILLS = scaled(9, chaos=25)
BATCH_SIZES = [1, 3 * EVENTS, *([7, 1_000] if IS_CHAOS else [])]
PROCESSES = ("supervisor", "http", "processor")
DEADLINE_S = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(holds: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < deadline, f"after {deadline_s} s still not: {what}"
        time.sleep(0.05)


class Platform:
    """`rtcdp up` on a data folder, started again whenever it is gone."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it unless it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        flags = ["--no-generate", "--port", str(self.port), "--data-dir", str(self.data_dir)]
        output = (self.data_dir.parent / "up.txt").open("ab")
        with output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rtcdp", "up", *flags], stdout=output, stderr=output
            )

    def kill(self, name: str) -> bool:
        """kill -9 of one process, if it is there."""
        assert self._process is not None
        pid = self._process.pid if name == "supervisor" else self._child(name)
        if pid is None or self._process.poll() is not None:
            return False
        os.kill(pid, signal.SIGKILL)
        if name == "supervisor":
            self._process.wait()
        return True

    def ledger(self) -> dict[str, int] | None:
        """The totals once everything received is counted; None before."""
        try:
            url = f"http://127.0.0.1:{self.port}/api/ledger"
            answer = httpx.get(url, timeout=10, verify=NO_CERTIFICATES).json()
        except (httpx.HTTPError, ValueError):
            return None
        return answer["totals"] if answer.get("lag_ms") == 0 else None

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(120) == 0

    def dumps(self) -> dict[str, bytes]:
        store = SqliteStore(self.data_dir / "store.db", read_only=True)
        found = content(store, load_catalog(), load_folds())
        store.close()
        return {name: frame.write_ndjson().encode() for name, frame in found.items()}

    def _child(self, name: str) -> int | None:
        assert self._process is not None
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(status.read_text().rpartition(")")[2].split()[1])
                command = (status.parent / "cmdline").read_bytes().split(b"\0")
            except (OSError, IndexError):
                continue
            if parent == self._process.pid and name.encode() in command:
                return int(status.parent.name)
        return None


class Feeder:
    """A client that sends batches until told to stop, each until it is acknowledged."""

    def __init__(self, port: int, batches: Sequence[bytes], rng: random.Random) -> None:
        self._url = f"http://127.0.0.1:{port}/v1/import"
        self._batches = batches
        self._rng = rng
        self._stop = threading.Event()
        self.answers = {"accepted": 0, "duplicates": 0}
        self.rounds_done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def finish(self, platform: Platform) -> None:
        """Wait until every batch was acknowledged once. Who is killed last may start again while
        something of it holds the port yet, and gives up; so it is started until it stays."""

        def is_done() -> bool:
            platform.start()
            return self.rounds_done.is_set()

        eventually(is_done, "all acknowledged", 5 * DEADLINE_S)
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(timeout=10) as client:
            for batch in self._batches:
                self._deliver(client, batch)
            self.rounds_done.set()
            while not self._stop.is_set():
                self._deliver(client, self._rng.choice(self._batches))

    def _deliver(self, client: httpx.Client, batch: bytes) -> None:
        while True:
            try:
                answer = client.post(self._url, content=batch)
            except httpx.TransportError:
                time.sleep(0.02)
                continue
            if answer.status_code == 200:
                counts = msgspec.json.decode(answer.content)
                assert counts["rejected"] == []
                return
            assert answer.status_code in {429, 503}
            time.sleep(0.05)


def generated_events() -> list[bytes]:
    return b"".join(bench_events(EVENTS, users=50)).splitlines()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    platform = Platform(tmp_path_factory.mktemp("undisturbed") / "data")
    platform.start()
    feeder = Feeder(platform.port, [b"\n".join(generated_events())], random.Random(0))
    feeder.finish(platform)
    eventually(lambda: platform.ledger() is not None, "all counted")
    platform.stop()
    return platform.dumps()


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    platform = Platform(tmp_path / "data")
    platform.start()
    yield platform
    platform.kill("supervisor")


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def test_all_tables_are_as_if_nothing_had_happened(
    batch_size: int, platform: Platform, undisturbed: dict[str, bytes]
) -> None:
    rng = random.Random(batch_size)
    events = 3 * generated_events()
    rng.shuffle(events)
    batches = [
        b"\n".join(events[first : first + batch_size])
        for first in range(0, len(events), batch_size)
    ]
    feeder = Feeder(platform.port, batches, rng)
    kills = dict.fromkeys(PROCESSES, 0)
    while sum(kills.values()) < KILLS:
        name = rng.choice(PROCESSES)
        kills[name] += platform.kill(name)
        platform.start()
        time.sleep(rng.uniform(0, 1.5))
    feeder.finish(platform)

    def everything_is_counted() -> bool:
        platform.start()
        return platform.ledger() is not None

    eventually(everything_is_counted, "all counted")
    totals = platform.ledger()
    assert totals is not None, kills
    assert totals["admitted"] == EVENTS, kills
    assert totals["received"] == totals["admitted"] + totals["duplicate"]
    assert totals["received"] >= 3 * EVENTS
    platform.stop()
    assert platform.dumps() == undisturbed, kills
    for judge in ([], ["--independent"]):
        verified = subprocess.run(
            [sys.executable, "-m", "rtcdp", "verify", "--data-dir", str(platform.data_dir), *judge],
            check=False,
            capture_output=True,
            text=True,
        )
        assert verified.returncode == 0, verified.stdout + verified.stderr
