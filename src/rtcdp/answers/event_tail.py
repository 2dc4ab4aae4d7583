"""The newest events of an installation, and those that come: for looking on, one by one.

It reads the log from its end backwards, and then follows it. What became of a record is known once
a processor has counted it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from rtcdp.answers.drill_down import Judged, Wish, matching
from rtcdp.clock import Clock
from rtcdp.log.contract import LogReader
from rtcdp.store import Store, StoreSnapshot

LOOKED_AT_MAX = 200_000
"""So many of the newest records of each partition are looked at for those that are wanted."""

_STEP = 2_000
_SLICE_BYTES = 4 * 2**20
_PATIENCE_S = 2.0
_LOOK_EVERY_S = 0.05
"""Not more often than this, however many records come."""


@dataclass(frozen=True)
class Wanted:
    """Which events: those that `wish` means, with this verdict (None: any)."""

    wish: Wish
    verdict: str | None = None


class EventTail:
    """Looks at the end of a log. Raises what the log and the store raise."""

    def __init__(self, log: LogReader, store: Store, wanted: Wanted, clock: Clock) -> None:
        self._log = log
        self._store = store
        self._wanted = wanted
        self._clock = clock
        self._next_offsets: dict[int, int] = {}
        self._came_at: dict[int, float] = {}
        self._seen: dict[int, int] = {}

    def newest(self, most: int) -> list[Judged]:
        """The newest `most` of those wanted, in the order of their intake. `following` goes on
        after them."""
        found: list[Judged] = []
        with self._store.snapshot() as snapshot:
            for partition in self._log.partitions():
                extent = self._log.extent(partition)
                self._next_offsets[partition] = end = extent.next_offset
                self._seen[partition] = end
                oldest = max(extent.first_offset, end - LOOKED_AT_MAX)
                of_this: list[Judged] = []
                while end > oldest and len(of_this) < most:
                    start = max(oldest, end - _STEP)
                    of_this = [*self._between(snapshot, partition, start, end), *of_this]
                    end = start
                found += of_this[-most:] if most else []
        found.sort(key=lambda found: (found.record.received_at, found.record.partition))
        return found[-most:] if most else []

    def following(self, timeout_s: float) -> list[Judged]:
        """Those that came since, after at most `timeout_s` of waiting.

        A record is held back until it is counted, so that its verdict can be told; where nobody
        counts, for two seconds.
        """
        # Not for those that are held back: they are there already.
        began = time.monotonic()
        self._log.wait(self._seen, timeout_s)
        time.sleep(max(0.0, min(timeout_s, _LOOK_EVERY_S) - (time.monotonic() - began)))
        found: list[Judged] = []
        with self._store.snapshot() as snapshot:
            counted = snapshot.progress.next_offsets
            for partition in self._log.partitions():
                start = self._next_offsets.get(partition, 0)
                until = self._until(partition, start, counted.get(partition, 0))
                found += self._between(snapshot, partition, start, until)
                self._next_offsets[partition] = until
        return found

    def _until(self, partition: int, start: int, counted: int) -> int:
        end = self._seen[partition] = self._log.extent(partition).next_offset
        now = self._clock.monotonic()
        if end <= start or counted > start:
            self._came_at.pop(partition, None)
            return max(start, min(end, counted))
        came_at = self._came_at.setdefault(partition, now)
        return end if now - came_at >= _PATIENCE_S else start

    def _between(
        self, snapshot: StoreSnapshot, partition: int, start: int, end: int
    ) -> Iterator[Judged]:
        verdicts = () if self._wanted.verdict is None else (self._wanted.verdict,)
        while start < end:
            records = self._log.read(partition, start, _SLICE_BYTES).until(end)
            if len(records) == 0:
                return
            yield from matching(records, snapshot, self._wanted.wish, verdicts)
            start = records.next_offset
