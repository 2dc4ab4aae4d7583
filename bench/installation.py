"""A whole platform in processes of its own, to be measured from outside."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import httpx

from bench.bytecode import compiled


class Platform:
    """`rtcdp up` without a generator on a data folder and a free port, with settings of its own by
    the names of their environment variables; a context manager."""

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-m", "rtcdp", "up", "--no-generate"]
        self._command += ["--port", str(port), "--data-dir", str(data_dir)]
        self._environment = {**os.environ, **compiled(data_dir.parent), **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Platform":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)

    def start(self) -> None:
        """Start it and return at once."""
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait_until_caught_up(
        self, deadline_s: float = 120, every_s: float = 0.01
    ) -> dict[str, int]:
        """Wait until it answers and everything received is counted, which is asked for that often;
        the ledger's totals."""
        deadline = time.monotonic() + deadline_s
        # One client for all questions: to make one takes 28 ms of a processor, three times a pause.
        with httpx.Client(timeout=5) as client:
            while time.monotonic() < deadline:
                try:
                    answer = client.get(f"{self.url}/api/ledger").json()
                    if answer["lag_ms"] == 0:
                        totals: dict[str, int] = answer["totals"]
                        return totals
                except (httpx.HTTPError, ValueError, KeyError):
                    pass
                time.sleep(every_s)
        raise TimeoutError(f"not caught up after {deadline_s} s")

    def memory_mb(self) -> float:
        """What the largest of its processes has held at most."""
        assert self._process is not None
        pids = [self._process.pid, *_children(self._process.pid)]
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
        return max(int(text.split("VmHWM:")[1].split()[0]) for text in texts) / 1024

    def cpu_seconds(self) -> dict[str, float]:
        """The seconds of a processor that each of its parts took so far, by its name."""
        assert self._process is not None
        found = {}
        for pid in (self._process.pid, *_children(self._process.pid)):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                name = words[-1].decode() if pid != self._process.pid else "supervisor"
                stat = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
                found[name] = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
        return found

    def kill(self) -> None:
        """kill -9 of the supervisor and of every process below it."""
        assert self._process is not None
        for pid in [*_children(self._process.pid), self._process.pid]:
            os.kill(pid, signal.SIGKILL)
        self._process.wait()


def _children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
        except OSError:
            continue
    return found
