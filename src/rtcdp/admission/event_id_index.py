"""Which event ids were seen before: an index of hashes, bounded in time and size.

What is a repeat, and what has to be remembered of an id to tell one, is `rtcdp.admission.repeats`.
An id is forgotten when its partition has gone through more time than the window since; see
`rtcdp.admission.log_time`. No single record's time decides that, and no clock of the machine.

Ids rest in sorted runs, of which eight of a size are merged into one (a log-structured merge, as in
O'Neil et al., The Log-Structured Merge-Tree, 1996). A bitmap in front of them says of most new ids
at once that they are new (Bloom, Space/Time Trade-offs in Hash Coding, 1970, with one hash).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rtcdp.admission.log_time import LogTime, Turn
from rtcdp.admission.repeats import (
    BoolArray,
    Forgotten,
    Ids,
    Int64Array,
    Remembered,
    Repeats,
    Sightings,
    UInt64Array,
    by_partition,
    check,
    merged,
    partitions_and_offsets,
)
from rtcdp.admission.rules import SEEN_IDS_CAPACITY

_FAN_IN = 8
_BITS_PER_ID = 16
_ADDED_AT_ONCE = 2**16

CLOCK_SLACK_MS = 300_000
"""Intake times may run backwards: by moments because requests overtake each other, by more when a
clock is set. Ids are kept this much longer than the window, so that no verdict hangs on it."""


@dataclass(frozen=True)
class _Run:
    """Ids that are remembered; `level` counts how often they were merged."""

    level: int
    ids: Sightings

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _shares(self) -> tuple[Int64Array, Int64Array, Int64Array]:
        """The partitions its ids are of, the last offset and the number of ids of each."""
        partitions, offsets = partitions_and_offsets(self.ids.places)
        counts = np.bincount(partitions)
        lasts = np.zeros(len(counts), np.int64)
        np.maximum.at(lasts, partitions, offsets)
        held = np.flatnonzero(counts)
        return held, lasts[held], counts[held]

    def is_mostly_forgotten(self, remembered_from: Mapping[int, int]) -> bool:
        """Whether half of its ids at least are of partitions that remember none of them here."""
        partitions, lasts, counts = self._shares
        is_forgotten = lasts < by_partition(remembered_from, partitions)
        return 2 * int(counts[is_forgotten].sum()) >= len(self)


@dataclass(frozen=True)
class Mark:
    """What an index held at one time; only good for the index that gave it."""

    runs: tuple[_Run, ...]
    bitmap: "_Bitmap"
    times: Mapping[int, LogTime] = field(repr=False)
    forgotten_early: int


class SeenIds:
    """The ids of one log's admitted and duplicate records, in the order of decision.

    `capacity` bounds the number of remembered ids: 32 bytes each, 40 where some came again, twice
    that while merging. One that comes again counts once in each stretch of time. When more come
    within the window, the oldest are forgotten early and counted in `forgotten_early`: their
    repeats would be counted again, so whoever sees it grow must raise an alarm.
    """

    def __init__(self, window_ms: int, capacity: int = SEEN_IDS_CAPACITY) -> None:
        self._window_ms = window_ms
        self._capacity = capacity
        self._runs: list[_Run] = []
        self._bitmap = _Bitmap()
        self._times: dict[int, LogTime] = {}
        self._newest: int | None = None
        self.forgotten_early = 0

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    @property
    def remembered_from(self) -> dict[int, int]:
        """By partition the first offset whose id is not forgotten: who reads the log again from
        there on knows what this index knows."""
        found = {partition: time.remembered_from for partition, time in self._times.items()}
        return {partition: first for partition, first in found.items() if first is not None}

    def observe(
        self, partition: int, offsets: Int64Array, received_at: Int64Array, positions: Int64Array
    ) -> Iterator[tuple[int, int]]:
        """Let the time of a partition go by, with all of its records of a batch that are events,
        whatever their verdict. Gives, for `Forgotten`, what is forgotten from where on."""
        time = self._times.get(partition)
        if time is None:
            time = self._times[partition] = LogTime(self._window_ms + CLOCK_SLACK_MS)
        turns: list[Turn] = time.observe(offsets, received_at)
        return ((int(positions[turn.row]), turn.remembered_from) for turn in turns)

    def check_and_add(self, ids: Ids, forgotten: Forgotten) -> Repeats:
        """Tell which of the ids are duplicates, and remember them all."""
        remembered = Remembered([run.ids for run in self._runs], self._bitmap.holds, self._newest)
        repeats, sighted = check(ids, self._window_ms, remembered, forgotten)
        if len(sighted):
            self._add(_Run(0, sighted))
        return repeats

    def mark(self) -> Mark:
        """What to `reset` to when a batch has to be taken back. Costs nothing that grows."""
        times = {partition: time.mark() for partition, time in self._times.items()}
        return Mark(tuple(self._runs), self._bitmap, times, self.forgotten_early)

    def reset(self, mark: Mark) -> None:
        """Forget what came since `mark`, and remember again what was forgotten since."""
        self._runs = list(mark.runs)
        self._times = {partition: time.mark() for partition, time in mark.times.items()}
        self.forgotten_early = mark.forgotten_early
        # It still holds what came since, and is only sure when it says no.
        self._bitmap = mark.bitmap

    def _add(self, run: _Run) -> None:
        self._newest = max(int(run.ids.last_at.max()), self._newest or 0)
        remembered_from = self.remembered_from
        # Without waiting for a merge: a large run may never meet seven others of its size.
        kept = (
            _remembered(each, remembered_from)
            if each.is_mostly_forgotten(remembered_from)
            else each
            for each in self._runs
        )
        self._runs = [*(each for each in kept if len(each)), run]
        # Merging eight of a size keeps their number logarithmic, and each id is moved once a level.
        while len(self._runs) >= _FAN_IN and self._runs[-_FAN_IN].level == self._runs[-1].level:
            last = self._runs[-_FAN_IN:]
            together = _Run(last[0].level + 1, merged([each.ids for each in last]))
            # Here and not in a round of its own: what is merged is gone through anyway.
            together = _remembered(together, remembered_from)
            self._runs[-_FAN_IN:] = [together] if len(together) else []
        if len(self) > self._capacity:
            # Before anything is forgotten early, what may be forgotten goes.
            kept = (_remembered(each, remembered_from) for each in self._runs)
            self._runs = [each for each in kept if len(each)]
            self._forget_early(len(self) - self._capacity)
        self._bitmap.add(run.ids.keys)
        # A new one, and not the old one emptied: a mark that somebody holds has the old one.
        if self._bitmap.is_crowded:
            self._bitmap = _Bitmap(len(self))
            for each in self._runs:
                self._bitmap.add(each.ids.keys)

    def _forget_early(self, excess: int) -> None:
        self.forgotten_early += max(0, excess)
        while excess > 0:
            # The first runs hold what was decided first, whatever the times of the records say.
            oldest = self._runs[0]
            if len(oldest) <= excess:
                excess -= len(oldest)
                del self._runs[0]
            else:
                self._runs[0] = _without_oldest(oldest, excess)
                return


class _Bitmap:
    """A set of hashes that is sure when it says no; with room for twice `count` ids."""

    def __init__(self, count: int = 0) -> None:
        bits = max(16, (2 * count * _BITS_PER_ID).bit_length())
        self._shift = np.uint64(64 - bits)
        self._bytes = np.zeros(1 << (bits - 3), np.uint8)
        self._room = (1 << bits) // _BITS_PER_ID

    @property
    def is_crowded(self) -> bool:
        return self._room < 0

    def holds(self, hashes: UInt64Array) -> BoolArray:
        position, mask = self._places(hashes)
        is_set: BoolArray = (self._bytes[position] & mask) != 0
        return is_set

    def add(self, hashes: UInt64Array) -> None:
        """Let it hold these hashes, which are sorted."""
        self._room -= len(hashes)
        # Some at a time: their places take twice the room of the hashes.
        for start in range(0, len(hashes), _ADDED_AT_ONCE):
            position, mask = self._places(hashes[start : start + _ADDED_AT_ONCE])
            # Of several hashes in one byte, plain indexing would keep the last.
            firsts = np.flatnonzero(np.append(True, position[1:] != position[:-1]))
            self._bytes[position[firsts]] |= np.bitwise_or.reduceat(mask, firsts)

    def _places(self, hashes: UInt64Array) -> tuple[Int64Array, npt.NDArray[np.uint8]]:
        """The byte and the bit in it; the hash's upper bits, so that sorted hashes go through the
        bitmap in order."""
        bit = (hashes >> self._shift).astype(np.int64)
        return bit >> 3, np.left_shift(1, bit & 7).astype(np.uint8)


def _remembered(run: _Run, remembered_from: Mapping[int, int]) -> _Run:
    partitions, offsets = partitions_and_offsets(run.ids.places)
    return _only(run, offsets >= by_partition(remembered_from, partitions))


def _without_oldest(run: _Run, count: int) -> _Run:
    """The run without `count` of its ids: of each partition the same share, the first of its
    log."""
    partitions, offsets = partitions_and_offsets(run.ids.places)
    order = np.lexsort((offsets, partitions))
    borders = np.flatnonzero(np.diff(partitions[order])) + 1
    is_kept = np.ones(len(run), np.bool_)
    seen = dropped = 0
    for group in np.split(order, borders):
        seen += len(group)
        share = seen * count // len(run) - dropped
        is_kept[group[:share]] = False
        dropped += share
    return _only(run, is_kept)


def _only(run: _Run, is_kept: BoolArray) -> _Run:
    return run if is_kept.all() else _Run(run.level, run.ids.only(is_kept))
