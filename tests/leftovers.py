"""Nothing that a test run starts outlives it, not even one that is killed with -9.

As a plugin of pytest it marks the environment, which all processes that tests start inherit,
whatever sessions and parents they choose for themselves, and starts a watcher beside the run. When
the run has ended, or the process that `RTCDP_TESTS_OF` names (`make test`, say), the watcher kills
the run and everything that carries its mark.

    python leftovers.py MARK RUN [OWNER]

The watcher runs as a script of its own, so it imports the standard library only. It looks into
/proc: elsewhere than on Linux there is no watcher.
"""

import os
import secrets
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

MARK = "RTCDP_TEST_RUN"
OWNER = "RTCDP_TESTS_OF"

_PROC = Path("/proc")
_GRACE_S = 1.0
"""Servers and parts of rtcdp notice by themselves that they are alone, and end in order."""

_LOOK_EVERY_S = 0.05
_GIVE_UP_S = 60.0


def pytest_configure(config: "pytest.Config") -> None:
    """Mark what the run will start, and start the watcher."""
    if not hasattr(os, "pidfd_open"):
        return
    owner = os.environ.pop(OWNER, "")
    if hasattr(config, "workerinput"):
        # One of several processes that share a run: its owner is the one that shares it out.
        owner = str(os.getppid())
    # Without the mark of a run around this one: that kills us, and what is ours is then killed by
    # our watcher.
    os.environ.pop(MARK, None)
    mark = secrets.token_hex(8)
    command = [sys.executable, "-S", "-E", __file__, mark, str(os.getpid()), *owner.split()]
    nowhere = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    # A session of its own: what ends a terminal or a group of processes does not end the watcher.
    os.posix_spawn(command[0], command, os.environ, file_actions=nowhere, setsid=True)
    os.environ[MARK] = mark


def marked(mark: str) -> Iterator[int]:
    """The process ids of all that carry the mark."""
    sought = f"{MARK}={mark}".encode()
    for environment in _PROC.glob("[0-9]*/environ"):
        try:
            variables = environment.read_bytes().split(b"\0")
        except OSError:
            continue  # it ended while we looked, or is another user's
        if sought in variables:
            yield int(environment.parent.name)


def main(mark: str, run: int, *owner: int) -> None:
    """Wait for the end of the run or of its owner, then kill whatever is left."""
    _wait_for_one_of(run, *owner)
    if os.getppid() == run:
        _kill(run)
    time.sleep(_GRACE_S)
    deadline = time.monotonic() + _GIVE_UP_S
    while (left := list(marked(mark))) and time.monotonic() < deadline:
        for pid in left:
            _kill(pid)
        time.sleep(_LOOK_EVERY_S)


def _wait_for_one_of(*pids: int) -> None:
    ends = []
    for pid in pids:
        try:
            ends.append(os.pidfd_open(pid))
        except ProcessLookupError:
            return
    select.select(ends, [], [])


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
