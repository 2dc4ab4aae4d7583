"""Runs child processes, starts again what dies, and lets none outlive its supervisor.

A child reads its input from a pipe whose other end only the supervisor holds. The end of that
input tells the child to stop, and it comes whether the supervisor closes the pipe or is killed.
"""

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rtcdp.clock import Clock
from rtcdp.errors import RtcdpError
from rtcdp.telemetry import entry_in

RESTARTS_VARIABLE = "RTCDP_PART_RESTARTS"
"""Tells a part how often it was started again. No setting: nobody sets it by hand."""

_KEPT_LINES = 3
_WRONG_USAGE = 2
_KILLED_FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM)


class PartGaveUp(RtcdpError):
    """A part died again and again, or because of a mistake that starting again can't mend."""


@dataclass(frozen=True)
class PartCommand:
    """What to run as a part: its `name`, command line, and what it reads first.

    `grace_s` is how long it may take to stop before it is killed. One that is not `is_vital` is
    never given up: the others go on without it, and it is tried again for ever.
    """

    name: str
    command: tuple[str, ...]
    first_input: bytes = b""
    grace_s: float = 10.0
    is_vital: bool = True


@dataclass(frozen=True)
class RestartLimits:
    """When to start a part again, and when no more.

    A death within `quick_s` of the start is a quick one. The n-th quick death in a row is followed
    by a pause of `backoff_s` * 2^(n-1), at most `max_backoff_s`; after `max_quick_deaths` in a row
    the supervisor gives up. A part that was killed from outside is started again every time. One
    that is not vital is started again `hopeless_s` after the supervisor would have given up.
    """

    quick_s: float = 10.0
    backoff_s: float = 0.1
    max_backoff_s: float = 5.0
    max_quick_deaths: int = 6
    hopeless_s: float = 10.0


@dataclass(frozen=True)
class PartStatus:
    """How a part is. `pid` is None while it waits for its next start."""

    name: str
    pid: int | None
    uptime_s: float
    restarts: int


LineHandler = Callable[[str, str], None]
"""Takes the name of a part and a line that it wrote, from a thread of the supervisor's."""


class Supervisor:
    """Parts as child processes. Call `start`, then `check` a few times a second, then `stop`.

    All three from one thread. Parts are stopped in the order of `parts`, one after the other; those
    that were not started yet wait for another `start`.
    """

    def __init__(
        self,
        parts: Sequence[PartCommand],
        clock: Clock,
        on_line: LineHandler,
        limits: RestartLimits = RestartLimits(),
    ) -> None:
        self._children = {part.name: _Child(part, clock, on_line, limits) for part in parts}

    def start(self, *names: str) -> None:
        """Start the parts with these names at once; without a name all."""
        for name in names or self._children:
            self._children[name].start()

    def check(self) -> None:
        """Start again what has died and whose pause is over. Raises `PartGaveUp`."""
        for child in self._children.values():
            child.check()

    def status(self) -> tuple[PartStatus, ...]:
        return tuple(child.status() for child in self._children.values())

    def stop(self) -> None:
        """Stop all parts; returns when none is left."""
        for child in self._children.values():
            child.stop()


class _Child:
    """One part and its life."""

    def __init__(
        self, part: PartCommand, clock: Clock, on_line: LineHandler, limits: RestartLimits
    ) -> None:
        self._part = part
        self._clock = clock
        self._on_line = on_line
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._started_at = 0.0
        self._start_at: float | None = None
        self._given_up_with: str | None = None
        self._quick_deaths = 0
        self._restarts = 0

    def start(self) -> None:
        # A session of its own: Ctrl-C goes to the supervisor alone, which stops parts in order.
        process = subprocess.Popen(  # noqa: S603 - our own command lines
            self._part.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, RESTARTS_VARIABLE: str(self._restarts)},
        )
        self._process = process
        self._started_at = self._clock.monotonic()
        self._start_at = None
        self._last_lines.clear()
        self._reader = threading.Thread(target=self._read_lines, args=(process,), daemon=True)
        self._reader.start()
        assert process.stdin is not None
        try:
            process.stdin.write(self._part.first_input)
            process.stdin.flush()
        except BrokenPipeError:
            return  # it died already, which `check` will find

    def check(self) -> None:
        now = self._clock.monotonic()
        if self._process is not None and self._process.poll() is not None:
            self._start_at = now + self._pause_after(self._process, now - self._started_at)
        if self._start_at is not None and now >= self._start_at:
            self._restarts += 1
            self.start()

    def status(self) -> PartStatus:
        process = self._process
        if process is None or process.poll() is not None:
            return PartStatus(self._part.name, None, 0.0, self._restarts)
        uptime_s = self._clock.monotonic() - self._started_at
        return PartStatus(self._part.name, process.pid, uptime_s, self._restarts)

    def stop(self) -> None:
        self._start_at = None
        if self._process is None:
            return
        self._close_input(self._process)
        try:
            self._process.wait(self._part.grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget(self._process)

    def _pause_after(self, process: subprocess.Popen[bytes], uptime_s: float) -> float:
        """The seconds to wait after a death. Raises `PartGaveUp`."""
        limits = self._limits
        code = process.returncode
        self._close_input(process)
        self._forget(process)
        said = "; ".join(self._last_lines)
        if code == _WRONG_USAGE:
            return self._give_up(f"the {self._part.name} can't run: {said or 'wrong usage'}", said)
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        if code in _KILLED_FROM_OUTSIDE:
            self._on_line(self._part.name, f"died {how}; starting it again")
            return limits.backoff_s
        self._quick_deaths = self._quick_deaths + 1 if uptime_s < limits.quick_s else 0
        if self._quick_deaths >= limits.max_quick_deaths:
            return self._give_up(
                f"the {self._part.name} died {self._quick_deaths} times in a row, the last time "
                f"{how}{f': {said}' if said else ''}",
                said,
            )
        self._on_line(self._part.name, f"died {how}; starting it again")
        doubled = limits.backoff_s * 2.0 ** max(0, self._quick_deaths - 1)
        return min(doubled, limits.max_backoff_s)

    def _give_up(self, what: str, said: str) -> float:
        """Raises `PartGaveUp`; for a part that is not vital the seconds until its next start."""
        if self._part.is_vital:
            raise PartGaveUp(
                what, "mend what it says, then start again; rtcdp doctor looks for usual causes"
            )
        if said != self._given_up_with:
            self._given_up_with = said
            self._on_line(
                self._part.name,
                f"{what}. The other parts go on; it is tried again every "
                f"{self._limits.hopeless_s:g} s",
            )
        return self._limits.hopeless_s

    def _close_input(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        try:
            process.stdin.close()
        except BrokenPipeError:
            return  # what was left in the buffer has no reader any more

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        if self._reader is not None:
            self._reader.join(1.0)
        assert process.stdout is not None
        process.stdout.close()
        self._process = None

    def _read_lines(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip()
            if line:
                entry = entry_in(line)
                self._last_lines.append(line if entry is None else entry.message)
                self._on_line(self._part.name, line)
