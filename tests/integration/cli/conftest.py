import gzip
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

PATIENCE_S = 180


class Up:
    """`rtcdp up` as a process of its own, on a free port."""

    def __init__(self, data_dir: Path, *flags: str) -> None:
        self.data_dir = data_dir
        command = [sys.executable, "-m", "rtcdp", "up", "--port", "0", "--data-dir", str(data_dir)]
        self.process = subprocess.Popen(
            [*command, *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )
        self.lines: list[str] = []
        self._arriving: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.url = self.hear(r"(http://\S+) answers")[1]
        self.client = httpx.Client(base_url=self.url, trust_env=False, timeout=60)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._arriving.put(line)
        self._arriving.put(None)

    def hear(self, pattern: str) -> re.Match[str]:
        """Wait for a line with `pattern`."""
        while True:
            line = self._arriving.get(timeout=PATIENCE_S)
            assert line is not None, "".join(self.lines)
            self.lines.append(line)
            found = re.search(pattern, line)
            if found is not None:
                return found

    def lines_heard(self, start: str) -> str:
        """The line with that start, once the process has ended."""
        while (line := self._arriving.get(timeout=PATIENCE_S)) is not None:
            self.lines.append(line)
        return next(line for line in self.lines if line.startswith(start)).strip()

    def parts(self) -> dict[str, int]:
        """Process ids by part, from the next line of status."""
        self.hear(r"in \S+/s, counted")
        found = re.findall(r"(\w+) \(process (\d+)", self.lines[-1])
        return {name: int(pid) for name, pid in found}

    def is_answering(self) -> bool:
        try:
            return self.client.get("/health/live").is_success
        except httpx.TransportError:
            return False

    def totals(self) -> dict[str, int]:
        return dict(self.client.get("/api/ledger").json()["totals"])

    def admitted(self) -> int:
        return self.totals()["admitted"]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "".join(self.lines)
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal; returns the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self.close()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.client.close()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(*flags: str) -> Up:
        started.append(Up(tmp_path / "data", *flags))
        return started[-1]

    yield start
    for each in started:
        each.close()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    # A dead child of a dead parent may wait for its new parent to notice.
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def _rtcdp(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "rtcdp", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_S,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    return _is_alive


@pytest.fixture
def rtcdp() -> Callable[..., subprocess.CompletedProcess[str]]:
    return _rtcdp


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A shop's clickstream of 500 rows, a second each; the last line is torn."""
    header = "event_time,event_type,product_id,category_id,category_code,brand,price"
    rows = [f"{header},user_id,user_session"]
    for number in range(500):
        instant = f"2026-01-01 00:{number // 60:02}:{number % 60:02} UTC"
        kind = ("view", "view", "cart", "purchase")[number % 4]
        what = f"{number % 17},205,kitchen.mixer,acme,{number % 50}.25"
        rows.append(f"{instant},{kind},{what},{number % 40},session-{number % 60}")
    path = tmp_path / "shop.csv.gz"
    path.write_bytes(gzip.compress("\n".join([*rows, "2026-01-01 00:08:2"]).encode()))
    return path
