"""Where the time comes from. Passed in, so that tests can hold it still.

Instants and lengths of time are whole milliseconds; instants count from 1970 in UTC.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1000, 60_000, 3_600_000, 86_400_000
# Before and after all instants, and far enough from the ends of 64 bits to add to them.
EARLIEST_MS, LATEST_MS = -(2**62), 2**62


class Clock(Protocol):
    """Tells the time. `now_ms` is wall-clock UTC; `monotonic` seconds only ever grow."""

    def now_ms(self) -> int: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


@contextmanager
def repeating(name: str, every_s: float, act: Callable[[], bool | None]) -> Iterator[None]:
    """Call `act` every `every_s` seconds, first after that time, from a thread of that name, unless
    it says False: then it is done. At the end of the block no call is under way any more. An error
    ends the thread, not the block."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(every_s):
            if act() is False:
                return

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class ManualClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now_ms: int = 0) -> None:
        self._now_ms = now_ms
        self._wrong_by_ms = 0

    def now_ms(self) -> int:
        return self._now_ms + self._wrong_by_ms

    def monotonic(self) -> float:
        return self._now_ms / 1000

    def advance(self, milliseconds: int) -> None:
        """Let time go by."""
        self._now_ms += milliseconds

    def set(self, now_ms: int) -> None:
        """Let time go by until it is so late."""
        self._now_ms = now_ms - self._wrong_by_ms

    def step(self, milliseconds: int) -> None:
        """Set the wall clock, ahead or back, while no time goes by."""
        self._wrong_by_ms += milliseconds


@dataclass(frozen=True)
class KeptTime:
    """What a store keeps of the time (UTC ms). `trusted_ms`: up to where the time for deleting was
    earned; 0 when none was. `step_ms`: by how much the host's clock went another way than its
    monotonic one the last time, and `stepped_at` when that was noticed, by the clock's own word.
    `is_suspended`: nothing is deleted, because the clock has not agreed again for long enough."""

    trusted_ms: int = 0
    step_ms: int = 0
    stepped_at: int = 0
    is_suspended: bool = False


class TrustedTime:
    """The time that may delete: earned by running, so that no clock that is set wrong earns it.

    It is never ahead of the wall clock, and gains at most `_GAIN` times what has gone by on the
    monotonic one since the last look. After a step of the wall clock against the monotonic one it
    is suspended until both have agreed for `AGREED_S`. It begins with the first records that are
    counted: how long nothing came before them says nothing of their age.
    """

    STEP_MS = 60_000
    AGREED_S = 600.0
    _GAIN = 4

    def __init__(self, clock: Clock, kept: KeptTime) -> None:
        """`kept` is what the store has of the time. Where that is nothing, time begins with
        `begin`."""
        self._clock = clock
        self._wall, self._monotonic = clock.now_ms(), clock.monotonic()
        self.has_begun = kept.trusted_ms > 0
        self.trusted_ms = min(self._wall, kept.trusted_ms or self._wall)
        self._step_ms, self._stepped_at = kept.step_ms, kept.stepped_at
        self._suspended_at = self._monotonic if kept.is_suspended else None
        if kept.trusted_ms - self._wall > self.STEP_MS:
            self._suspend(self._wall - kept.trusted_ms)

    @property
    def is_suspended(self) -> bool:
        return self._suspended_at is not None

    @property
    def kept(self) -> KeptTime:
        """What a store should keep."""
        trusted_ms = self.trusted_ms if self.has_begun else 0
        return KeptTime(trusted_ms, self._step_ms, self._stepped_at, self.is_suspended)

    def begin(self, oldest_ms: int) -> None:
        """Let time begin with the oldest intake time of what is counted, unless it has begun, or
        that is not known (0)."""
        if oldest_ms and not self.has_begun:
            self.has_begun = True
            self.trusted_ms = min(self.trusted_ms, oldest_ms)

    def look(self) -> str | None:
        """Let the time since the last look go by. Returns what to say aloud, if anything."""
        wall, monotonic = self._clock.now_ms(), self._clock.monotonic()
        ran_ms = round((monotonic - self._monotonic) * 1000)
        step_ms = wall - self._wall - ran_ms
        self._wall, self._monotonic = wall, monotonic
        self.trusted_ms = min(wall, self.trusted_ms + self._GAIN * ran_ms)
        if abs(step_ms) > self.STEP_MS:
            self._suspend(step_ms)
            return (
                f"the host's clock was set {abs(step_ms) / 1000:,.0f} s"
                f" {'ahead' if step_ms > 0 else 'back'}, or the host slept: nothing is deleted"
                f" until it has gone right for {self.AGREED_S / 60:.0f} minutes; check its time"
                " service"
            )
        if self._suspended_at is not None and monotonic - self._suspended_at >= self.AGREED_S:
            self._suspended_at = None
            return "the host's clock goes right again: what is old may be deleted"
        return None

    def _suspend(self, step_ms: int) -> None:
        self._step_ms, self._stepped_at = step_ms, self._wall
        self._suspended_at = self._monotonic
