"""What a repeat is, for every engine, and what has to be remembered to tell one.

A record is a duplicate if any record of its id that was decided before it was taken in at most
`window_ms` apart, whichever has the earlier time. In which order those others were decided makes no
difference: who reads them back from the log in another one knows the same.

Time is cut into stretches as long as the window, from the Unix epoch on. Of an id and a stretch the
first and the last intake time tell all: of the own stretch every record is near, of the one before
it the last is the nearest, of the one after it the first. So a hash of id and stretch is the key.

A duplicate is a conflict if its content is not that of the latest record of its own stretch; where
there is none, of the stretch before if that one is near, or else of the one after.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

UInt64Array = npt.NDArray[np.uint64]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

_OFFSET_BITS = 47
_STRETCH = np.uint64(0x9E37_79B9_7F4A_7C15)
_NEVER_FIRST, _NEVER_LAST = np.iinfo(np.int64).max, np.iinfo(np.int64).min


@dataclass(frozen=True)
class Ids:
    """Ids to check, one entry per record, in the order of decision. `places` are of `places_of`;
    `positions` say where among all observed records of the batch each one stands in that order."""

    hashes: UInt64Array
    received_at: Int64Array
    contents: UInt64Array
    places: Int64Array
    positions: Int64Array

    def __len__(self) -> int:
        return len(self.hashes)

    def only(self, rows: Rows) -> "Ids":
        return Ids(*(getattr(self, each.name)[rows] for each in fields(self)))


@dataclass(frozen=True)
class Repeats:
    """For each checked id: is it a duplicate, and is it one that came with another content."""

    is_duplicate: BoolArray
    is_conflict: BoolArray


@dataclass(frozen=True)
class Sightings:
    """What is remembered: sorted by key, each once, the first and the last intake time (UTC ms) of
    an id in a stretch, and content and place of the last. Where no id came twice, both times are
    one array: most runs of a log are such."""

    keys: UInt64Array
    first_at: Int64Array
    last_at: Int64Array
    contents: UInt64Array
    places: Int64Array

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def columns(self) -> tuple[UInt64Array | Int64Array, ...]:
        return self.keys, self.first_at, self.last_at, self.contents, self.places

    @property
    def is_each_once(self) -> bool:
        """Whether surely no id came twice."""
        return self.first_at is self.last_at

    def only(self, rows: Rows | BoolArray) -> "Sightings":
        last_at = self.last_at[rows]
        first_at = last_at if self.is_each_once else self.first_at[rows]
        return Sightings(self.keys[rows], first_at, last_at, self.contents[rows], self.places[rows])


MayHold = Callable[[UInt64Array], BoolArray]
"""Of each key whether it may be remembered; sure when it says no."""


@dataclass(frozen=True)
class Remembered:
    """An index as it is asked: its runs, what is sure of keys that are in none of them, and the
    newest intake time in them (UTC ms), if there is any."""

    runs: Sequence[Sightings]
    may_hold: MayHold
    newest_at: int | None


def places_of(partitions: Int64Array, offsets: Int64Array) -> Int64Array:
    """Partition and offset of each record in one number, which sorts by them."""
    places: Int64Array = (partitions << _OFFSET_BITS) | offsets
    return places


def partitions_and_offsets(places: Int64Array) -> tuple[Int64Array, Int64Array]:
    """What `places_of` has put together."""
    return places >> _OFFSET_BITS, places & ((1 << _OFFSET_BITS) - 1)


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
        partitions, offsets = partitions_and_offsets(places)
        first = by_partition(self._before, partitions)
        for partition, (turns, remembered_from) in self._turns.items():
            here = np.flatnonzero(partitions == partition)
            reached = np.searchsorted(turns, positions[here], "right")
            known = np.array([self._before.get(partition, 0), *remembered_from], np.int64)
            first[here] = known[reached]
        is_forgotten: BoolArray = offsets < first
        return is_forgotten


def by_partition(offsets: Mapping[int, int], partitions: Int64Array) -> Int64Array:
    """For each of `partitions` its offset, 0 where it has none."""
    size = max((*offsets, int(partitions.max(initial=0)))) + 1
    table = np.zeros(size, np.int64)
    for partition, offset in offsets.items():
        table[partition] = offset
    found: Int64Array = table[partitions]
    return found


def check(
    ids: Ids, window_ms: int, remembered: Remembered, forgotten: Forgotten
) -> tuple[Repeats, Sightings]:
    """Tell which of the ids are repeats, of what is remembered or of one before them; and give what
    is to be remembered of them all."""
    length_ms = max(window_ms, 1)
    # As long as the window: a repeat lies in the same stretch as what it repeats, or next to it,
    # and three look-ups tell.
    stretches = ids.received_at // length_ms
    keys = _keys(ids.hashes, stretches)
    earliest = int(stretches.min(initial=_NEVER_FIRST))
    is_one = earliest == stretches.max(initial=_NEVER_LAST)
    # Within one stretch equal keys are equal ids: one sort serves for both.
    order = _stable_order(keys if is_one else ids.hashes)
    keys = keys[order]
    hashes = keys if is_one else ids.hashes[order]
    is_again = np.zeros(len(ids), np.bool_)
    is_again[1:] = hashes[1:] == hashes[:-1]
    is_suspect = remembered.may_hold(keys) | remembered.may_hold(keys - _STRETCH) | is_again
    # The first of equal ones, too: the others are held against it.
    is_suspect[:-1] |= is_again[1:]
    # Of a time that is behind what is known, a later stretch may be known; else there is none.
    newest = _NEVER_LAST if remembered.newest_at is None else remembered.newest_at // length_ms
    looks_ahead = earliest < newest
    if looks_ahead:
        is_suspect |= remembered.may_hold(keys + _STRETCH)
    suspects = np.flatnonzero(is_suspect)
    rows = order[suspects]
    few = _Suspects(ids.only(rows), stretches[rows], is_again[suspects])
    around = _around(few, keys[suspects], remembered, forgotten, looks_ahead=looks_ahead)
    repeats = _repeats(few, around, window_ms, forgotten)
    is_duplicate, is_conflict = (np.zeros(len(ids), np.bool_) for _ in range(2))
    is_duplicate[rows], is_conflict[rows] = repeats.is_duplicate, repeats.is_conflict
    times = ids.received_at[order]
    sighted = Sightings(keys, times, times, ids.contents[order], ids.places[order])
    if not is_one:
        sighted = sighted.only(np.argsort(keys, kind="stable"))
    return Repeats(is_duplicate, is_conflict), _each_once(sighted)


def merged(runs: Sequence[Sightings]) -> Sightings:
    """Several runs, given from older to newer, as one."""
    keys = np.concatenate([run.keys for run in runs])
    # Of numbers the stable sort is a merge sort that finds the runs: seven times as fast here as
    # the one that is fast when nothing is in order.
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    # One column after the other: all of them in both orders at a time are the index once more.
    last_at = np.concatenate([run.last_at for run in runs])[order]
    first_at = last_at
    if not all(run.is_each_once for run in runs):
        first_at = np.concatenate([run.first_at for run in runs])[order]
    contents = np.concatenate([run.contents for run in runs])[order]
    places = np.concatenate([run.places for run in runs])[order]
    return _each_once(Sightings(keys, first_at, last_at, contents, places))


@dataclass(frozen=True)
class _Suspects:
    """Ids that may be repeats, equal ones beside each other in the order of decision; the stretch
    of each, and whether the one before it in here has the same id."""

    ids: Ids
    stretches: Int64Array
    is_again: BoolArray


@dataclass(frozen=True)
class _Around:
    """What is known, for each suspect, of its own stretch, the one before and the one after."""

    own: Sightings
    before: Sightings
    after: Sightings


def _repeats(few: _Suspects, around: _Around, window_ms: int, forgotten: Forgotten) -> Repeats:
    """The verdicts on the suspects."""
    ids = few.ids
    _take_in_neighbours(few, around, forgotten)
    is_own = around.own.last_at != _NEVER_LAST
    # The least number is further from any time than a window is long.
    is_near_before = around.before.last_at >= ids.received_at - window_ms
    is_near_after = around.after.first_at <= ids.received_at + window_ms
    contents = np.where(is_near_before, around.before.contents, around.after.contents)
    contents = np.where(is_own, around.own.contents, contents)
    is_duplicate = is_own | is_near_before | is_near_after
    return Repeats(is_duplicate, is_duplicate & (contents != ids.contents))


def _around(
    few: _Suspects,
    keys: UInt64Array,
    remembered: Remembered,
    forgotten: Forgotten,
    *,
    looks_ahead: bool,
) -> _Around:
    """What the index knows of the suspects' ids and has not forgotten where they stand."""

    def known(keys: UInt64Array, runs: Sequence[Sightings]) -> Sightings:
        found = _found(keys, runs, remembered.may_hold)
        rows = np.flatnonzero(found.last_at != _NEVER_LAST)
        gone = rows[forgotten.holds(found.places[rows], few.ids.positions[rows])]
        found.first_at[gone], found.last_at[gone] = _NEVER_FIRST, _NEVER_LAST
        return found

    runs = remembered.runs
    return _Around(
        known(keys, runs),
        known(keys - _STRETCH, runs),
        known(keys + _STRETCH, runs if looks_ahead else ()),
    )


def _found(keys: UInt64Array, runs: Iterable[Sightings], may_hold: MayHold) -> Sightings:
    """What runs hold of these keys; where nothing, it was first seen after and last before all
    time."""
    found = Sightings(
        keys,
        np.full(len(keys), _NEVER_FIRST, np.int64),
        np.full(len(keys), _NEVER_LAST, np.int64),
        np.zeros(len(keys), np.uint64),
        np.full(len(keys), -1, np.int64),
    )
    asked = np.flatnonzero(may_hold(keys))
    for run in runs if len(asked) else ():
        at = np.searchsorted(run.keys, keys[asked])
        at[at == len(run)] = 0
        is_here = run.keys[at] == keys[asked]
        if is_here.any():
            _take_in(found, asked[is_here], run.only(at[is_here]))
    return found


def _take_in(known: Sightings, rows: Rows, others: Sightings) -> None:
    """Let `known` hold, at these rows, what it or the others hold."""
    known.first_at[rows] = np.minimum(known.first_at[rows], others.first_at)
    is_later = _is_later(others, known.only(rows))
    later, others = rows[is_later], others.only(is_later)
    known.last_at[later], known.contents[later] = others.last_at, others.contents
    known.places[later] = others.places


def _is_later(one: Sightings, other: Sightings) -> BoolArray:
    is_later: BoolArray = (one.last_at > other.last_at) | (
        (one.last_at == other.last_at) & (one.places > other.places)
    )
    return is_later


def _take_in_neighbours(few: _Suspects, around: _Around, forgotten: Forgotten) -> None:
    """Let each suspect know those of its id that were decided before it in the same batch."""
    ids = few.ids
    again = np.flatnonzero(few.is_again)
    if len(again) == 0:
        return
    sighted = Sightings(ids.hashes, ids.received_at, ids.received_at, ids.contents, ids.places)
    steps = few.stretches[again] - few.stretches[again - 1]
    is_disorder = ~_is_later(sighted.only(again), sighted.only(again - 1))
    if is_disorder.any():
        # Of these ids each record is compared with every one before it.
        numbers = np.cumsum(~few.is_again)
        for number in np.unique(numbers[again[is_disorder]]).tolist():
            start, stop = map(int, np.searchsorted(numbers, [number, number + 1]))
            _take_in_one_by_one(few, around, range(start, stop))
        is_in_order = ~np.isin(numbers[again], numbers[again[is_disorder]])
        again, steps = again[is_in_order], steps[is_in_order]
    # Of the others the one just before is the latest of all.
    is_known = ~forgotten.holds(ids.places[again - 1], ids.positions[again])
    for known, step in ((around.own, 0), (around.before, 1)):
        rows = again[is_known & (steps == step)]
        _take_in(known, rows, sighted.only(rows - 1))


def _take_in_one_by_one(few: _Suspects, around: _Around, rows: range) -> None:
    """The same for an id whose times run backwards; what has to be forgotten meanwhile is not."""
    ids, here = few.ids, slice(rows.start, rows.stop)
    columns = (few.stretches, ids.received_at, ids.places, ids.contents)
    known: dict[int, tuple[int, tuple[int, int, int]]] = {}
    for row, at, time, *last in zip(rows, *(each[here].tolist() for each in columns), strict=True):
        for stretch, found in ((at, around.own), (at - 1, around.before), (at + 1, around.after)):
            if stretch not in known:
                continue
            first_at, (last_at, place, content) = known[stretch]
            found.first_at[row] = min(first_at, int(found.first_at[row]))
            if (last_at, place) > (int(found.last_at[row]), int(found.places[row])):
                found.last_at[row], found.places[row] = last_at, place
                found.contents[row] = content
        this = (time, *last)
        first_at, latest = known.get(at, (time, this))
        known[at] = min(first_at, time), max(latest, this)


def _keys(hashes: UInt64Array, stretches: Int64Array) -> UInt64Array:
    keys: UInt64Array = hashes + stretches.astype(np.uint64) * _STRETCH
    return keys


def _stable_order(keys: UInt64Array) -> Rows:
    """Sorts by key, equal ones in the order given; the fast unstable sort serves where none are."""
    order = np.argsort(keys)
    in_order = keys[order]
    is_again = in_order[1:] == in_order[:-1]
    if not is_again.any():
        return order
    # Equal ones lie beside each other: only they are put in the order given.
    repeated = np.flatnonzero(np.append(is_again, False) | np.append(False, is_again))
    order[repeated] = order[repeated[np.lexsort((order[repeated], in_order[repeated]))]]
    return order


def _each_once(sighted: Sightings) -> Sightings:
    """Of equal keys, which lie beside each other, one entry: their first time and their latest
    record."""
    is_again = sighted.keys[1:] == sighted.keys[:-1]
    if not is_again.any():
        return sighted
    starts = np.flatnonzero(np.append(True, ~is_again))
    again = np.flatnonzero(is_again) + 1
    if not _is_later(sighted.only(again), sighted.only(again - 1)).all():
        order = np.arange(len(sighted))
        numbers = np.cumsum(np.append(True, ~is_again))
        repeated = np.flatnonzero(np.append(is_again, False) | np.append(False, is_again))
        few = sighted.only(repeated)
        order[repeated] = repeated[np.lexsort((few.places, few.last_at, numbers[repeated]))]
        sighted = sighted.only(order)
    latest = sighted.only(np.append(starts[1:], len(sighted)) - 1)
    return Sightings(
        latest.keys,
        np.minimum.reduceat(sighted.first_at, starts),
        latest.last_at,
        latest.contents,
        latest.places,
    )
