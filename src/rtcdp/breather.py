"""Pauses within long work in Python, for the threads beside it.

A thread that never waits gives Python's lock away only when another one has asked for it for a
while (`sys.setswitchinterval`), and a request needs the lock some twenty times. Work that rests now
and then, though its own answer comes later, lets a whole request pass.
"""

import time

WORK_S = 0.001
PAUSE_S = 0.0005


class Breather:
    """Rests for `pause_s` whenever it was asked to after `work_s` of work. For one thread."""

    def __init__(self, work_s: float = WORK_S, pause_s: float = PAUSE_S) -> None:
        self._work_s = work_s
        self._pause_s = pause_s
        self._began = time.perf_counter()

    def breathe(self) -> None:
        """To be called between small pieces of the work."""
        if time.perf_counter() - self._began >= self._work_s:
            time.sleep(self._pause_s)
            self._began = time.perf_counter()
