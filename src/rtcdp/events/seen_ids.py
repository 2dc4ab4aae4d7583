"""Which event ids were seen before: an index of hashes, bounded in time and size.

A record is a duplicate if the record before it with the same id came at most `window_ms` earlier.
The index holds, per id, the hash of (source, id), the last intake time and a hash of the content.

Ids rest in sorted runs, of which eight of a size are merged into one (a log-structured merge, as in
O'Neil et al., The Log-Structured Merge-Tree, 1996). A bitmap in front of them says of most new ids
at once that they are new (Bloom, Space/Time Trade-offs in Hash Coding, 1970, with one hash).
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtcdp.events.rules import SEEN_IDS_CAPACITY

UInt64Array = npt.NDArray[np.uint64]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_FAN_IN = 8
_BITS_PER_ID = 16

CLOCK_SLACK_MS = 300_000
"""Intake times may run backwards: by moments because requests overtake each other, by more when a
clock is set. Ids are kept this much longer than the window, so that no verdict hangs on it."""

_CLOCK_SAMPLES = 32


@dataclass(frozen=True)
class _Run:
    """Ids sorted by hash, each once, with the last intake time and content of each.

    `level` counts how often its ids were merged.
    """

    level: int
    hashes: UInt64Array
    received_at: Int64Array
    contents: UInt64Array

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
    times: tuple[int, ...]
    forgotten_early: int


class SeenIds:
    """The ids of one log's admitted and duplicate records, in log order.

    Of a log with several partitions they are given by intake time: the smallest times of the last
    batches are its clock, and what is older than the window before them is forgotten. A partition
    that is read later than the others, with older records, would find its ids gone, unless they
    are announced by `waiting_since`.

    `capacity` bounds the number of remembered ids (24 bytes each, twice that while merging). When
    more come within the window, the oldest are forgotten early and counted in `forgotten_early`:
    their repeats would be counted again, so whoever sees it grow must raise an alarm.
    """

    def __init__(self, window_ms: int, capacity: int = SEEN_IDS_CAPACITY) -> None:
        self._window_ms = window_ms
        self._capacity = capacity
        self._runs: list[_Run] = []
        self._bitmap = _Bitmap()
        # The smallest of several batches' times: one record from the future empties nothing.
        self._times: deque[int] = deque(maxlen=_CLOCK_SAMPLES)
        self.forgotten_early = 0

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def check_and_add(
        self,
        hashes: UInt64Array,
        received_at: Int64Array,
        contents: UInt64Array,
        waiting_since: int | None = None,
    ) -> Repeats:
        """Tell which of the ids, given in log order, are duplicates, and remember them all.

        All arrays have one entry per record. `waiting_since` is an intake time (UTC ms) that
        records to come may still have, if it is before all of these.
        """
        if len(hashes) == 0:
            return Repeats(np.zeros(0, np.bool_), np.zeros(0, np.bool_))
        order = _stable_order(hashes)
        run = _Run(0, hashes[order], received_at[order], contents[order])
        previous_at, previous_content, has_previous = self._previous(run)
        is_duplicate = has_previous & (run.received_at - previous_at <= self._window_ms)
        is_conflict = is_duplicate & (run.contents != previous_content)
        oldest = int(received_at.min())
        self._times.append(oldest if waiting_since is None else min(oldest, waiting_since))
        self._add(_last_of_each(run))
        in_log_order = np.empty_like(order)
        in_log_order[order] = np.arange(len(order))
        return Repeats(is_duplicate[in_log_order], is_conflict[in_log_order])

    def mark(self) -> Mark:
        """What to `reset` to when a batch has to be taken back. Costs nothing that grows."""
        return Mark(tuple(self._runs), self._bitmap, tuple(self._times), self.forgotten_early)

    def reset(self, mark: Mark) -> None:
        """Forget what came since `mark`, and remember again what was forgotten since."""
        self._runs = list(mark.runs)
        self._times = deque(mark.times, maxlen=_CLOCK_SAMPLES)
        self.forgotten_early = mark.forgotten_early
        # It still holds what came since, and is only sure when it says no.
        self._bitmap = mark.bitmap

    def _previous(self, run: _Run) -> tuple[Int64Array, UInt64Array, BoolArray]:
        """Intake time and content of the record before each of `run`, in the run or the index."""
        previous_at = np.zeros(len(run), np.int64)
        previous_content = np.zeros(len(run), np.uint64)
        has_previous = np.zeros(len(run), np.bool_)
        maybe_known = np.flatnonzero(self._bitmap.holds(run.hashes))
        wanted = run.hashes[maybe_known]
        for older in self._runs if len(wanted) else ():
            at = np.searchsorted(older.hashes, wanted)
            at[at == len(older)] = 0
            is_found = older.hashes[at] == wanted
            known = maybe_known[is_found]
            previous_at[known] = older.received_at[at[is_found]]
            previous_content[known] = older.contents[at[is_found]]
            has_previous[known] = True
        repeated = np.flatnonzero(run.hashes[1:] == run.hashes[:-1]) + 1
        previous_at[repeated] = run.received_at[repeated - 1]
        previous_content[repeated] = run.contents[repeated - 1]
        has_previous[repeated] = True
        return previous_at, previous_content, has_previous

    def _add(self, run: _Run) -> None:
        oldest_kept = min(self._times) - self._window_ms - CLOCK_SLACK_MS
        self._runs.append(run)
        while len(self._runs) >= _FAN_IN and self._runs[-_FAN_IN].level == self._runs[-1].level:
            merged = _merged(self._runs[-_FAN_IN:], oldest_kept)
            self._runs[-_FAN_IN:] = [merged] if len(merged) else []
        if len(self) > self._capacity:
            self._forget(oldest_kept)
            self._forget_early(len(self) - self._capacity)
        self._bitmap.add(run.hashes)
        if self._bitmap.is_crowded:
            self._bitmap = _Bitmap(len(self))
            for kept in self._runs:
                self._bitmap.add(kept.hashes)

    def _forget(self, oldest_kept: int) -> None:
        self._runs = [kept for run in self._runs if len(kept := _since(run, oldest_kept))]

    def _forget_early(self, excess: int) -> None:
        if excess <= 0:
            return
        times = np.concatenate([run.received_at for run in self._runs])
        self._forget(int(np.partition(times, excess)[excess]))
        self.forgotten_early += len(times) - len(self)


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


def _merged(runs: list[_Run], oldest_kept: int) -> _Run:
    """The runs, given from older to newer, as one, without what is expired."""
    received_at = np.concatenate([run.received_at for run in runs])
    hashes = np.concatenate([run.hashes for run in runs])
    contents = np.concatenate([run.contents for run in runs])
    order = _stable_order(hashes)
    merged = _Run(runs[0].level + 1, hashes[order], received_at[order], contents[order])
    return _since(_last_of_each(merged), oldest_kept)


def _last_of_each(run: _Run) -> _Run:
    """Of equal hashes, which lie in log order, only the last."""
    is_last = np.ones(len(run), np.bool_)
    is_last[:-1] = run.hashes[1:] != run.hashes[:-1]
    return _only(run, is_last)


def _since(run: _Run, oldest_kept: int) -> _Run:
    return _only(run, run.received_at >= oldest_kept)


def _only(run: _Run, is_kept: BoolArray) -> _Run:
    if is_kept.all():
        return run
    return _Run(run.level, run.hashes[is_kept], run.received_at[is_kept], run.contents[is_kept])
