"""What the threads of this process take of the machine, as counters that never fall."""

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

OTHER = "other"
_IDS = re.compile(r"[-_]?\d+(_\d+)*$")
_NAMELESS = re.compile(r"Thread-\d+|Dummy-\d+")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class ThreadTimes:
    """Looked at now and then, by any thread.

    What a thread has taken stays under its name when it has ended; what it took after the last look
    at it is among the others.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._alive: dict[int, tuple[str, int]] = {}
        self._ended: Counter[str] = Counter()
        self._told: dict[str, float] = {}

    def seconds(self) -> dict[str, float]:
        """The seconds of a processor that threads of this process took, by their names without
        numbers, and all `OTHER` ones together. Empty where the system doesn't tell (Linux does,
        proc(5))."""
        with self._mutex:
            alive = {thread: (name, ticks) for thread, name, ticks in _ticks()}
            for thread, (name, ticks) in self._alive.items():
                # The number of one that has ended is given to another one.
                now_name, now_ticks = alive.get(thread, ("", 0))
                if now_name != name or now_ticks < ticks:
                    self._ended[name] += ticks
            self._alive = alive
            taken = Counter(self._ended)
            for name, ticks in alive.values():
                taken[name] += ticks
            if not taken:
                return {}
            named = {name: ticks / _TICKS_PER_S for name, ticks in taken.items() if name != OTHER}
            # Ticks are coarser than the time of the process, from which they are taken off.
            rest_s = time.process_time() - sum(named.values())
            named[OTHER] = max(self._told.get(OTHER, 0.0), rest_s)
            self._told = named
            return dict(named)


def _ticks() -> Iterator[tuple[int, str, int]]:
    """The number of each thread, what it is called, and the ticks that it took."""
    for thread in threading.enumerate():
        number = thread.native_id
        if number is None:
            continue
        try:
            stat = Path(f"/proc/self/task/{number}/stat").read_bytes()
        except OSError:
            continue
        user, system = stat.rpartition(b")")[2].split()[11:13]
        name = OTHER if _NAMELESS.match(thread.name) else _IDS.sub("", thread.name)
        yield number, name, int(user) + int(system)
