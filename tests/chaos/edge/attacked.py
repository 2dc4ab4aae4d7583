"""A whole platform under attack, and the healthy client that must not notice."""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.asked import NO_CERTIFICATES

PATIENCE_S = 120


class Platform:
    """`rtcdp up` on a data folder of its own."""

    def __init__(self, data_dir: Path, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.data_dir = data_dir
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._process = process

    def get(self, path: str, **parameters: Any) -> Any:
        return httpx.get(
            self.url + path, params=parameters, trust_env=False, timeout=60, verify=NO_CERTIFICATES
        ).json()

    def received(self) -> int:
        return int(self.get("/api/ledger")["totals"]["received"])

    def http_process(self) -> int:
        """The process that serves HTTP."""
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == self._process.pid and b"http" in words:
                return int(folder.name)
        raise AssertionError("no process serves HTTP")

    def resident_bytes(self) -> int:
        pages = Path(f"/proc/{self.http_process()}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)


@contextmanager
def platform(data_dir: Path, *flags: str) -> Iterator[Platform]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "rtcdp", "up", "--no-generate", "--port", str(port)]
    output = (data_dir.parent / "up.txt").open("ab")
    with output:
        process = subprocess.Popen(
            [*command, "--data-dir", str(data_dir), *flags], stdout=output, stderr=output
        )
    running = Platform(data_dir, port, process)
    try:
        eventually(lambda: is_ready(running), "the platform is ready")
        yield running
    finally:
        running.stop()


def is_ready(running: Platform) -> bool:
    try:
        answer = httpx.get(
            f"{running.url}/health/ready", trust_env=False, timeout=5, verify=NO_CERTIFICATES
        )
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


def eventually(holds: Any, what: str, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, f"after {patience_s} s still not: {what}"
        time.sleep(0.05)


def events(user: str, first: int, count: int) -> bytes:
    """`count` page views of `user` with ids of their own, as NDJSON."""
    now = int(time.time() * 1000)
    rows = [
        {
            "eventId": f"{user}-{number}",
            "userId": user,
            "timestamp": now,
            "eventType": "PAGE_VIEW",
            "pageUrl": "https://example.com/",
        }
        for number in range(first, first + count)
    ]
    return b"\n".join(msgspec.json.encode(row) for row in rows)


@dataclass
class HealthyClient(threading.Thread):
    """Sends `batch` events `per_s` times a second, over one connection, until it is stopped.

    `latencies_s` are of all requests so far, `sent` counts the events of those that were answered
    with 200; another answer is in `refusals`.
    """

    port: int
    user: str
    batch: int = 20
    per_s: int = 100
    latencies_s: list[float] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    sent: int = 0

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        due, number = time.monotonic(), 0
        while not self._over.is_set():
            body = events(self.user, number, self.batch)
            number += self.batch
            began = time.monotonic()
            try:
                connection.request("POST", "/v1/events", body)
                answer = connection.getresponse()
                answer.read()
                status = str(answer.status)
            except (OSError, http.client.HTTPException) as error:
                status = repr(error)
                connection.close()
            self.latencies_s.append(time.monotonic() - began)
            if status == "200":
                self.sent += self.batch
            else:
                self.refusals.append(status)
            due = max(due + 1 / self.per_s, time.monotonic() - 1)
            self._over.wait(max(0.0, due - time.monotonic()))
        connection.close()

    def stop(self) -> None:
        self._over.set()
        self.join(PATIENCE_S)

    def counted(self, platform: Platform) -> int:
        """How many of its events are in the answers: page views of its user, each in two windows
        that overlap."""
        found = platform.get("/api/metrics/user_page_view_counts", userId=self.user, limit=1000)
        return sum(int(row["page_view_count"]) for row in found["items"]) // 2

    def measured(self, seconds: float) -> list[float]:
        """The latencies of the next `seconds`."""
        first = len(self.latencies_s)
        time.sleep(seconds)
        return self.latencies_s[first:]


def percentile_99(latencies: Sequence[float]) -> float:
    ordered = sorted(latencies)
    return ordered[int(len(ordered) * 0.99) - 1] if len(ordered) > 1 else ordered[0]
