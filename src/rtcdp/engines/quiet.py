"""Partitions without events: what keeps them from holding back what is final in all others.

A window is final when no event can come that belongs to it, and the intake times of a partition
that has no events say nothing of that. What says it is the look at its end: a record that is not in
the log yet will be taken in later than those that others had counted some time ago. So a partition
that is counted to its end takes over how far the others had come `QUIET_FOR_S` before. It is kept
in the store, which is never told of a later time than the log itself had reached; verdicts know
nothing of it.
"""

from collections import deque
from collections.abc import Mapping

from rtcdp.clock import Clock
from rtcdp.log.contract import LogReader
from rtcdp.store import Progress, Store

QUIET_FOR_S = 10.0
"""Within so long, a record is in the log at its intake time or after it, whosever clocks tell that.
One that takes longer counts as ever, and may change a window that was final."""

LOOK_EVERY_S = 5.0

_LOOKS = 8


class QuietPartitions:
    """Looks for partitions without events while a processor works. One thread."""

    def __init__(self, log: LogReader, store: Store, clock: Clock) -> None:
        self._log, self._store, self._clock = log, store, clock
        self._looks: deque[tuple[float, int]] = deque(maxlen=_LOOKS)
        self._kept: dict[int, int] = {}

    def is_due(self) -> bool:
        """Whether it is time for a look."""
        now_s = self._clock.monotonic()
        return not self._looks or now_s - self._looks[-1][0] >= LOOK_EVERY_S

    def look(self, progress: Progress) -> None:
        """Look at the ends of those partitions that are behind others, and let the store know of
        the quiet ones. `progress` is what is committed. Raises what log and store raise."""
        now_s = self._clock.monotonic()
        # A record that came with a time ahead of this clock moves nobody else's.
        newest = min(max(progress.max_received_at.values(), default=0), self._clock.now_ms())
        self._looks.append((now_s, newest))
        before = [newest for at_s, newest in self._looks if now_s - at_s >= QUIET_FOR_S]
        if not before:
            return
        quiet = self._quiet_of(progress, before[-1])
        if quiet:
            self._store.keep_quiet(quiet)
            self._kept.update(quiet)

    def _quiet_of(self, progress: Progress, until: int) -> dict[int, int]:
        """The partitions that are behind this intake time and have nothing that waits."""
        behind = [
            partition
            for partition, at in progress.reached.items()
            if max(at, self._kept.get(partition, at)) < until
        ]
        if not behind or self._is_any_unknown(progress.next_offsets):
            return {}
        return {p: until for p in behind if self._is_at_end(p, progress.next_offsets.get(p, 0))}

    def _is_any_unknown(self, next_offsets: Mapping[int, int]) -> bool:
        """Whether records wait in a partition that was never counted, and is no part of how far all
        have come."""
        unknown = (p for p in self._log.partitions() if p not in next_offsets)
        return not all(self._is_at_end(p, self._log.extent(p).first_offset) for p in unknown)

    def _is_at_end(self, partition: int, next_offset: int) -> bool:
        return self._log.extent(partition).next_offset <= next_offset
