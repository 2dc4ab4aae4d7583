"""One server as a process: start and wait until it answers, stop, kill, pause."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.servers import guardian
from rtcdp.errors import RtcdpError

_LAST_LINES = 15
_POLL_EVERY_S = 0.05


class ServerFailed(RtcdpError):
    """A server did not start, or did not answer in time; the text ends with its last lines."""


@dataclass(frozen=True)
class ServerCommand:
    """How to run a server: its `name` for people, its command line and where it runs.

    `log` is the file that gets what it writes. `user` is the account to run as, if not ours. It is
    asked to stop by `stop_signal`, and killed when it has not done so after `stop_within_s`.
    """

    name: str
    command: tuple[str, ...]
    directory: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within_s: float = 30.0
    ready_within_s: float = 180.0


class ServerProcess:
    """A server that ends with the process that started it. It can be started again after its end.

    Not for use by several threads at once.
    """

    def __init__(self, command: ServerCommand) -> None:
        self._command = command
        self._guard: subprocess.Popen[str] | None = None
        self._pid = 0

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended since. One that is paused is running."""
        return self._guard is not None and self._guard.poll() is None

    @property
    def pid(self) -> int:
        """The server's process id. Raises `ServerFailed` when it is not running."""
        if not self.running:
            raise ServerFailed(f"{self._command.name} is not running", "start it first")
        return self._pid

    def start(self, is_ready: Callable[[], bool]) -> None:
        """Start it, and return when `is_ready` says so. Does nothing when it is running.

        Raises `ServerFailed` when it ends before that, or takes longer than `ready_within_s`.
        """
        if not self.running:
            self.launch()
            self.wait_until(is_ready)

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Return when `is_ready` says so. Raises `ServerFailed` like `start`."""
        deadline = time.monotonic() + self._command.ready_within_s
        while not is_ready():
            if not self.running:
                raise self._failed("ended at once")
            if time.monotonic() > deadline:
                self.kill()
                raise self._failed(f"did not answer in {self._command.ready_within_s:.0f} s")
            time.sleep(_POLL_EVERY_S)

    def check(self) -> None:
        """Raises `ServerFailed` with its last lines when it is not running any more."""
        if not self.running:
            raise self._failed("has ended")

    def stop(self) -> None:
        """Ask it to stop and return when it has; kill it when that takes too long."""
        if self._guard is None:
            return
        if self.running:
            self.resume()
            _send(self._pid, self._command.stop_signal)
        try:
            self._guard.wait(self._command.stop_within_s)
        except subprocess.TimeoutExpired:
            _send(self._pid, signal.SIGKILL)
        self._wait_for_end()

    def kill(self) -> None:
        """Kill it and all its children with SIGKILL; returns when none is left."""
        if self.running:
            _send(self._pid, signal.SIGKILL)
        self._wait_for_end()

    def pause(self) -> None:
        """Freeze it and all its children: connections stay open, and nothing answers."""
        for pid in _tree(self.pid):
            _send(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`. Does nothing to one that is not paused."""
        for pid in _tree(self.pid):
            _send(pid, signal.SIGCONT)

    def launch(self) -> None:
        """Start it and return at once. Raises `ServerFailed` when it can't be run at all."""
        command = self._command
        as_user = () if command.user is None else ("--user", command.user)
        with command.log.open("ab") as log:
            # A session of its own: Ctrl-C goes to the starter alone, which stops servers in order.
            self._guard = subprocess.Popen(
                (sys.executable, "-S", "-E", guardian.__file__, *as_user, *command.command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=command.directory,
                env={**os.environ, **command.environment},
                start_new_session=True,
                text=True,
            )
        assert self._guard.stdout is not None
        said = self._guard.stdout.readline()
        if not said:
            self._wait_for_end()
            raise self._failed("could not be run")
        self._pid = int(said)

    def _wait_for_end(self) -> None:
        if self._guard is None:
            return
        self._guard.wait()
        for pipe in (self._guard.stdin, self._guard.stdout):
            assert pipe is not None
            pipe.close()
        self._guard = None

    def _failed(self, what: str) -> ServerFailed:
        self._wait_for_end()
        log = self._command.log
        lines = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        said = "\n  ".join([f"{self._command.name} {what}. Its last lines:", *lines])
        return ServerFailed(said, f"look into {log} for the cause")


def free_port(asked: int = 0) -> int:
    """`asked`, or for 0 a port of 127.0.0.1 that nothing uses now.

    It is one that the system gives to no outgoing connection: a server that was killed finds its
    port free when it starts again. Raises `ServerFailed` when the port that was asked for is taken.
    """
    candidates = [asked] if asked else random.sample(range(20_000, 32_000), 200)
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    which = f"port {asked}" if asked else "every port that was tried"
    raise ServerFailed(
        f"{which} of 127.0.0.1 is taken", "choose another port, or stop what listens there"
    )


def accepts_connections(port: int) -> bool:
    """Whether something listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for child in guardian.children_of(pid):
        yield from _tree(child)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has just ended, which is found when it is waited for
