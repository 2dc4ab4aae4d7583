"""Which event ids were seen before: an index of hashes, bounded in time and size.

A record is a duplicate if it and the record before it with the same id were taken in at most
`window_ms` apart, whichever has the earlier time. The index holds, per id, the hash of
(source, id), the last intake time, a hash of the content, and where that last record lies.

An id is forgotten when its partition has gone through more time than the window since; see
`rtcdp.admission.log_time`. No single record's time decides that, and no clock of the machine.

Ids rest in sorted runs, of which eight of a size are merged into one (a log-structured merge, as in
O'Neil et al., The Log-Structured Merge-Tree, 1996). A bitmap in front of them says of most new ids
at once that they are new (Bloom, Space/Time Trade-offs in Hash Coding, 1970, with one hash).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rtcdp.admission.log_time import LogTime, Turn
from rtcdp.admission.rules import SEEN_IDS_CAPACITY

UInt64Array = npt.NDArray[np.uint64]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_FAN_IN = 8
_BITS_PER_ID = 16
_PARTITION_BITS = 16

CLOCK_SLACK_MS = 300_000
"""Intake times may run backwards: by moments because requests overtake each other, by more when a
clock is set. Ids are kept this much longer than the window, so that no verdict hangs on it."""


@dataclass(frozen=True)
class Ids:
    """Ids to check, one entry per record, in the order of decision. `places` are of `places_of`;
    `positions` say where among all observed records of the batch each one stands in that order."""

    hashes: UInt64Array
    received_at: Int64Array
    contents: UInt64Array
    places: Int64Array
    positions: Int64Array


def places_of(partitions: Int64Array, offsets: Int64Array) -> Int64Array:
    """Partition and offset of each record in one number."""
    places: Int64Array = (offsets << _PARTITION_BITS) | partitions
    return places


class Forgotten:
    """What is forgotten while the records of a batch are decided, one after another."""

    def __init__(self, before: Mapping[int, int]) -> None:
        """`before` gives, by partition, the first offset that is remembered when it begins."""
        self._before = dict(before)
        self._turns: dict[int, tuple[list[int], list[int]]] = {}

    def add(self, partition: int, turns: Iterable[tuple[int, int]]) -> None:
        """From a position on, remember a partition from an offset on only."""
        positions, offsets = zip(*turns, strict=True)
        self._turns[partition] = list(positions), list(offsets)

    def holds(self, places: Int64Array, positions: Int64Array) -> BoolArray:
        """Whether what lies at these places is forgotten for who stands at these positions."""
        offsets, partitions = places >> _PARTITION_BITS, places & ((1 << _PARTITION_BITS) - 1)
        first = _by_partition(self._before, partitions)
        for partition, (turns, remembered_from) in self._turns.items():
            here = np.flatnonzero(partitions == partition)
            reached = np.searchsorted(turns, positions[here], "right")
            known = np.array([self._before.get(partition, 0), *remembered_from], np.int64)
            first[here] = known[reached]
        is_forgotten: BoolArray = offsets < first
        return is_forgotten


def _by_partition(offsets: Mapping[int, int], partitions: Int64Array) -> Int64Array:
    """For each of `partitions` its offset, 0 where it has none."""
    size = max((*offsets, int(partitions.max(initial=0)))) + 1
    table = np.zeros(size, np.int64)
    for partition, offset in offsets.items():
        table[partition] = offset
    found: Int64Array = table[partitions]
    return found


@dataclass(frozen=True)
class _Run:
    """Ids sorted by hash, each once, with the last intake time and content of each.

    `level` counts how often its ids were merged.
    """

    level: int
    hashes: UInt64Array
    received_at: Int64Array
    contents: UInt64Array
    places: Int64Array

    def __len__(self) -> int:
        return len(self.hashes)


@dataclass(frozen=True)
class Repeats:
    """For each checked id: is it a duplicate, and is it one that came with another content."""

    is_duplicate: BoolArray
    is_conflict: BoolArray


@dataclass(frozen=True)
class Mark:
    """What an index held at one time; only good for the index that gave it."""

    runs: tuple[_Run, ...]
    bitmap: "_Bitmap"
    times: Mapping[int, LogTime] = field(repr=False)
    forgotten_early: int


class SeenIds:
    """The ids of one log's admitted and duplicate records, in the order of decision.

    `capacity` bounds the number of remembered ids (32 bytes each, twice that while merging). When
    more come within the window, the oldest are forgotten early and counted in `forgotten_early`:
    their repeats would be counted again, so whoever sees it grow must raise an alarm.
    """

    def __init__(self, window_ms: int, capacity: int = SEEN_IDS_CAPACITY) -> None:
        self._window_ms = window_ms
        self._capacity = capacity
        self._runs: list[_Run] = []
        self._bitmap = _Bitmap()
        self._times: dict[int, LogTime] = {}
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
        if len(ids.hashes) == 0:
            return Repeats(np.zeros(0, np.bool_), np.zeros(0, np.bool_))
        order = _stable_order(ids.hashes)
        run = _Run(
            0, ids.hashes[order], ids.received_at[order], ids.contents[order], ids.places[order]
        )
        previous, has_previous = self._previous(run)
        apart = np.abs(run.received_at - previous.received_at)
        is_duplicate = has_previous & (apart <= self._window_ms)
        repeated = np.flatnonzero(is_duplicate)
        is_duplicate[repeated] = ~forgotten.holds(
            previous.places[repeated], ids.positions[order[repeated]]
        )
        is_conflict = is_duplicate & (run.contents != previous.contents)
        self._add(_last_of_each(run))
        in_given_order = np.empty_like(order)
        in_given_order[order] = np.arange(len(order))
        return Repeats(is_duplicate[in_given_order], is_conflict[in_given_order])

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

    def _previous(self, run: _Run) -> tuple[_Run, BoolArray]:
        """The record before each of `run`, in the run or the index, and whether there is one."""
        previous = _Run(
            0,
            run.hashes,
            np.zeros_like(run.received_at),
            np.zeros_like(run.contents),
            np.zeros_like(run.places),
        )
        has_previous = np.zeros(len(run), np.bool_)
        maybe_known = np.flatnonzero(self._bitmap.holds(run.hashes))
        wanted = run.hashes[maybe_known]
        for older in self._runs if len(wanted) else ():
            at = np.searchsorted(older.hashes, wanted)
            at[at == len(older)] = 0
            is_found = older.hashes[at] == wanted
            known = maybe_known[is_found]
            for column, values in zip(_values(previous), _values(older), strict=True):
                column[known] = values[at[is_found]]
            has_previous[known] = True
        repeated = np.flatnonzero(run.hashes[1:] == run.hashes[:-1]) + 1
        for column, values in zip(_values(previous), _values(run), strict=True):
            column[repeated] = values[repeated - 1]
        has_previous[repeated] = True
        return previous, has_previous

    def _add(self, run: _Run) -> None:
        self._runs.append(run)
        while len(self._runs) >= _FAN_IN and self._runs[-_FAN_IN].level == self._runs[-1].level:
            merged = _remembered(_merged(self._runs[-_FAN_IN:]), self.remembered_from)
            self._runs[-_FAN_IN:] = [merged] if len(merged) else []
        if len(self) > self._capacity:
            kept = (_remembered(each, self.remembered_from) for each in self._runs)
            self._runs = [each for each in kept if len(each)]
            self._forget_early(len(self) - self._capacity)
        self._bitmap.add(run.hashes)
        if self._bitmap.is_crowded:
            self._bitmap = _Bitmap(len(self))
            for each in self._runs:
                self._bitmap.add(each.hashes)

    def _forget_early(self, excess: int) -> None:
        self.forgotten_early += max(0, excess)
        while excess > 0:
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
        self._room -= len(hashes)
        position, mask = self._places(hashes)
        np.bitwise_or.at(self._bytes, position, mask)

    def _places(self, hashes: UInt64Array) -> tuple[Int64Array, npt.NDArray[np.uint8]]:
        """The byte and the bit in it; the hash's upper bits, so that sorted hashes go through the
        bitmap in order."""
        bit = (hashes >> self._shift).astype(np.int64)
        return bit >> 3, np.left_shift(1, bit & 7).astype(np.uint8)


def _stable_order(hashes: UInt64Array) -> npt.NDArray[np.intp]:
    """Sorts by hash, equal ones in log order; the fast unstable sort serves where none are."""
    order = np.argsort(hashes)
    in_order = hashes[order]
    if (in_order[1:] == in_order[:-1]).any():
        return np.argsort(hashes, kind="stable")
    return order


def _values(run: _Run) -> tuple[npt.NDArray[np.generic], ...]:
    return run.received_at, run.contents, run.places


def _merged(runs: list[_Run]) -> _Run:
    """The runs, given from older to newer, as one."""
    hashes = np.concatenate([run.hashes for run in runs])
    received_at = np.concatenate([run.received_at for run in runs])
    contents = np.concatenate([run.contents for run in runs])
    places = np.concatenate([run.places for run in runs])
    order = _stable_order(hashes)
    order = order[_is_last(hashes[order])]
    level = runs[0].level + 1
    return _Run(level, hashes[order], received_at[order], contents[order], places[order])


def _last_of_each(run: _Run) -> _Run:
    """Of equal hashes, which lie in the order of decision, only the last."""
    return _only(run, _is_last(run.hashes))


def _is_last(hashes: UInt64Array) -> BoolArray:
    is_last = np.ones(len(hashes), np.bool_)
    is_last[:-1] = hashes[1:] != hashes[:-1]
    return is_last


def _remembered(run: _Run, remembered_from: Mapping[int, int]) -> _Run:
    partitions = run.places & ((1 << _PARTITION_BITS) - 1)
    first = _by_partition(remembered_from, partitions)
    return _only(run, (run.places >> _PARTITION_BITS) >= first)


def _without_oldest(run: _Run, count: int) -> _Run:
    """The run without `count` of its ids: of each partition the same share, the first of its
    log."""
    partitions = run.places & ((1 << _PARTITION_BITS) - 1)
    order = np.lexsort((run.places, partitions))
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
    if is_kept.all():
        return run
    return _Run(
        run.level,
        run.hashes[is_kept],
        run.received_at[is_kept],
        run.contents[is_kept],
        run.places[is_kept],
    )
