"""What a process and all that it has started take: Spark, say, is a JVM below a Python."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class ProcessTree:
    """Looked at again and again while it runs; what a process has taken is kept when it is gone.

    The memory is what each process itself calls its highest, since what the kernel tells of one
    that has ended begins with that of whoever started it.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu_s: dict[int, float] = {}
        self._peak_mb: dict[int, float] = {}

    def look(self) -> None:
        for pid in (self._pid, *_descendants(self._pid)):
            try:
                stat = Path(f"/proc/{pid}/stat").read_text()
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            # The name, in brackets, may hold anything; the 14th and 15th fields come after it.
            user, system = stat.rpartition(")")[2].split()[11:13]
            self._cpu_s[pid] = (int(user) + int(system)) / _TICKS_PER_S
            if peak := re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE):
                self._peak_mb[pid] = int(peak[1]) / 1_024

    def kill(self) -> None:
        """End all of them at once, as a power cut does."""
        for pid in (self._pid, *_descendants(self._pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @property
    def cpu_s(self) -> float:
        """User and system time of all of them, as of the last look at each."""
        return sum(self._cpu_s.values())

    @property
    def peak_mb(self) -> float:
        """The sum of what each has had at most."""
        return sum(self._peak_mb.values())


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            yield child
            yield from _descendants(child)
