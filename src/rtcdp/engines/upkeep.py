"""What a processor deletes beside its work, and by which time: of the log and the store together.

The log keeps what the index of ids, a new metric or a look at an event still needs; the store keeps
the verdicts of all that the log holds. Nothing goes by a record's own time or by a clock alone.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rtcdp.clock import Clock, TrustedTime
from rtcdp.engines.aging import Aging
from rtcdp.engines.quiet import QuietPartitions
from rtcdp.engines.resume import held_from
from rtcdp.log.contract import LogReader
from rtcdp.log.limits import Retention
from rtcdp.store import Progress, Store

_LOOKS = 16


@dataclass(frozen=True)
class Keeping:
    """For how long data is kept. `log` is None where the log expires by itself; `windows_ms` and
    `uncounted_ms` are None where a store keeps everything; `ids_ms` is how long an event id may
    come again (ms all)."""

    log: Retention | None
    windows_ms: int | None
    uncounted_ms: int | None
    ids_ms: int


@dataclass(frozen=True)
class _Ends:
    """Where partitions ended when the monotonic clock said `at_s`."""

    at_s: float
    offsets: Mapping[int, int]


class Upkeep:
    """Looks after log and store while a processor works on them.

    `on_trouble` takes a sentence when the clock was set, and when the log has lost records of its
    own accord whose ids are not forgotten yet. `aging` is there where types of events are kept for
    times of their own.
    """

    def __init__(
        self,
        log: LogReader,
        store: Store,
        clock: Clock,
        keeping: Keeping,
        on_trouble: Callable[[str], None],
        aging: Aging | None = None,
    ) -> None:
        self._aging = aging
        self._log, self._store, self._clock = log, store, clock
        self._keeping = keeping
        self._quiet = QuietPartitions(log, store, clock)
        self._on_trouble = on_trouble
        self._ends: deque[_Ends] = deque(maxlen=_LOOKS)
        self._outlived: dict[int, int] = {}
        self._has_told: set[int] = set()
        with store.snapshot() as snapshot:
            self._time = TrustedTime(clock, snapshot.kept_time())

    def look(self, progress: Callable[[], Progress]) -> None:
        """Look at the clock, often, so that a step is noticed soon, and now and then at partitions
        without events. `progress` tells what is committed. Raises what log and store raise."""
        said = self._time.look()
        if said is not None:
            self._on_trouble(said)
            self._store.keep_time(self._time.kept)
        if self._quiet.is_due():
            self._quiet.look(progress())

    def expire(self, progress: Progress, *, at_once: bool = False) -> None:
        """Delete what is old, unless the clock is not to be trusted; some of it, where it takes
        long and is not to be done `at_once`. Raises what log and store raise."""
        self.look(lambda: progress)
        if not self._time.has_begun:
            self._time.begin(self._oldest_ms(progress))
        self._store.keep_time(self._time.kept)
        needed_from = self._needed_from(progress)
        if self._time.is_suspended or not self._time.has_begun:
            return
        now_ms, keeping = self._time.trusted_ms, self._keeping
        if keeping.log is not None:
            self._log.expire(needed_from, keeping.log, now_ms)
        if keeping.windows_ms is None or keeping.uncounted_ms is None:
            return
        first_offsets = held_from(self._log, progress)
        for partition, first in first_offsets.items():
            if first > needed_from[partition] and partition not in self._has_told:
                self._has_told.add(partition)
                self._on_trouble(
                    f"partition {partition} of the log has lost records up to offset {first} of its"
                    f" own accord, and event ids from {needed_from[partition]} on may come again: a"
                    " restart would forget them; let the log keep its records for longer"
                )
        self._store.expire(
            buckets_before=now_ms - keeping.windows_ms,
            uncounted_before=now_ms - keeping.uncounted_ms,
            offsets_before=first_offsets,
        )
        if self._aging is not None:
            self._aging.work(now_ms, needed_from, at_once=at_once)

    def _oldest_ms(self, progress: Progress) -> int:
        """The oldest intake time that the log holds of what is counted; 0 where none is known.
        Where the clock was wrong from the first start on, earlier records tell."""
        oldest = [
            self._log.oldest_received_at(partition, self._log.extent(partition).first_offset)
            for partition in progress.next_offsets
        ]
        return min(filter(None, [*oldest, *progress.max_received_at.values()]), default=0)

    def _needed_from(self, progress: Progress) -> dict[int, int]:
        """The first offset of each partition that the index of ids needs.

        The index forgets by the order of the log and keeps what it can afford. A quiet log may
        delete more: what was in it before all that is counted now had come for so long that none of
        its ids can come again.
        """
        self._look_at_ends(progress)
        return {
            partition: min(
                counted,
                max(progress.remembered_from.get(partition, 0), self._outlived.get(partition, 0)),
            )
            for partition, counted in progress.next_offsets.items()
        }

    def _look_at_ends(self, progress: Progress) -> None:
        now_s, ids_s = self._clock.monotonic(), self._keeping.ids_ms / 1000
        counted = [
            ends
            for ends in self._ends
            if all(progress.next_offsets.get(p, 0) >= end for p, end in ends.offsets.items())
        ]
        if counted:
            for ends in self._ends:
                if ends.at_s <= counted[-1].at_s - ids_s:
                    self._outlived.update(ends.offsets)
        if not self._ends or now_s - self._ends[-1].at_s >= ids_s / (_LOOKS // 2):
            offsets = {p: self._log.extent(p).next_offset for p in self._log.partitions()}
            self._ends.append(_Ends(now_s, offsets))
