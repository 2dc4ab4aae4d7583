"""Where the time comes from. Passed in, so that tests can hold it still."""

import time
from typing import Protocol


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


class ManualClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now_ms: int = 0) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._now_ms / 1000

    def advance(self, milliseconds: int) -> None:
        self._now_ms += milliseconds

    def set(self, now_ms: int) -> None:
        self._now_ms = now_ms
