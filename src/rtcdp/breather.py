"""The intake first: long work in Python that gives way to the events that come in beside it.

A thread that never waits gives Python's lock away only when another one has asked for it for a
while (`sys.setswitchinterval`), and a request needs the lock some twenty times. Work that rests
now and then, and while a request is under way, lets all of it pass, and is done little later.
"""

import threading
import time

WORK_S = 0.0005
PAUSE_S = 0.0005
LONGEST_WORK_S = 0.01
"""Longer than this it has waited, for Python's lock or for something else, rather than worked."""
LONGEST_REST = 4.0
"""Times as long as it worked: however much comes in, work gets a fifth of its time."""


class Precedence:
    """What goes first: a block of it `with` this one. Entered by one thread, an event loop's; any
    thread may ask how many blocks are `under_way`, and whether there ever was one."""

    def __init__(self) -> None:
        self.under_way = 0
        self.has_come = False

    def __enter__(self) -> None:
        self.has_come = True
        self.under_way += 1

    def __exit__(self, *_: object) -> None:
        self.under_way -= 1


INTAKE = Precedence()
"""Requests that bring a few events. One for the process, as Python's lock is."""


class Rests:
    """When those who work may go on, so that all of them together rest as long as they work: forty
    threads that each took half of the time would leave none. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0

    def after(self, worked_s: float, now: float) -> float:
        """The moment, in the seconds of `now`, until which one who has worked that long rests."""
        with self._lock:
            self._until = max(self._until, now) + max(worked_s, PAUSE_S)
            return self._until


RESTS = Rests()
"""Of all work of the process, as Python's lock is."""


class Breather:
    """Rests after `WORK_S` of work: a moment, in which what has just come gets its turn, longer
    while others work as well, and for as long as something is under way that goes first. A process
    to which nothing ever came that goes first does not rest. For one thread."""

    def __init__(self, first: Precedence = INTAKE, rests: Rests = RESTS) -> None:
        self._first = first
        self._rests = rests
        self._began = time.perf_counter()

    def breathe(self) -> None:
        """To be called between small pieces of the work."""
        if not self._first.has_come:
            return
        now = time.perf_counter()
        worked_s = now - self._began
        if worked_s < WORK_S:
            return
        until = self._rests.after(min(worked_s, LONGEST_WORK_S), now)
        rested_s = until - now
        time.sleep(rested_s)
        while self._first.under_way and rested_s < LONGEST_REST * worked_s:
            time.sleep(PAUSE_S)
            rested_s += PAUSE_S
        self._began = time.perf_counter()
