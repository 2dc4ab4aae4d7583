"""What goes with a session: what its nearest neighbours among all sessions hold, blended with rules
on what stands near what.

After the nearest neighbours of sessions (VSKNN) with weights of place and time (STAN), and the
sequential rules (SR), as compared by Ludewig, Mauro, Latifi and Jannach, "Empirical analysis of
session-based recommendation algorithms", 2020. Nothing is learned: an answer is computed of the
sessions themselves, so what is taken out of them is taken out of every answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rtcdp.recommendations.session_index import SessionIndex
from rtcdp.recommendations.session_part import Codes, Floats, Ints, ranges

Pointed = tuple[Codes, Floats]
"""Items by number, each as often as it may be, with points."""

_DAY_MS = 86_400_000

_NOTHING: tuple[Ints, Ints] = np.zeros(0, np.int64), np.zeros(0, np.int64)

_COUNTED_IN_PLACE = 2**17
"""Of more items than that, a place for each takes longer to look through than sorting what there
is."""


@dataclass(frozen=True)
class Taste:
    """How sessions are compared.

    Of each of the last `items_max` items the newest `sessions_per_item` sessions are looked at, and
    the `neighbours` most alike are heard. Each item further back in the session counts `fading` of
    the one after it. In a neighbour, what is `near_items` away from what it shares with the session
    counts a third. A session that is `old_days` older than the newest one counts a third; one that
    is long counts less, by its length to the power of `shortness`. What is in few sessions counts
    more, by `rarity`. `rules` is the share of the rules: what came up to `rule_steps` items behind
    the last item, or, with `rules_back` of the weight, before it; the nearer, the more. With 0 days
    or items, these make no difference.
    """

    items_max: int = 8
    sessions_per_item: int = 500
    neighbours: int = 300
    fading: float = 0.7
    near_items: float = 10.0
    old_days: float = 7.0
    shortness: float = 0.5
    rarity: float = 0.2
    rules: float = 0.15
    rule_steps: int = 10
    rules_back: float = 0.7


USUAL = Taste()
"""What was best on the last day but one of the sample that docs/recommendations.md tells of."""

PLAIN_NEIGHBOURS = Taste(near_items=0, old_days=0, shortness=0, rarity=0, rules=0)
"""The nearest neighbours as they were published first (VSKNN)."""


@dataclass(frozen=True)
class Scores:
    """Items by number, each once and in this order, with their points."""

    codes: Ints
    points: Floats


@dataclass(frozen=True)
class LookedAt:
    """The entries that hold the current items, those of one item behind those of the other, each
    item's oldest first: so many of each as `counts` says. By entry, their `sessions`, and `back`,
    the item's place counted from the last one backwards."""

    index: SessionIndex
    counts: Ints
    entries: Ints
    sessions: Ints
    back: Ints

    @cached_property
    def beside(self) -> tuple[Ints, Ints]:
        """All entries of these sessions, and the place of each one's session among them."""
        return self.index.items_of(self.sessions)


@dataclass(frozen=True)
class _Neighbours:
    """Sessions with how alike each is, which item of the session it `shares` (counted from the last
    one backwards), and at which entry."""

    sessions: Ints
    likeness: Floats
    shares: Ints
    entries: Ints


def last_items(index: SessionIndex, session: Sequence[str], taste: Taste = USUAL) -> list[int]:
    """The numbers of the last items of a session, the last one first; each stands once."""
    codes = index.codes_of(session).tolist()
    return list(dict.fromkeys(reversed(codes)))[: taste.items_max]


def scored(
    index: SessionIndex, current: Sequence[int], without: Ints, taste: Taste = USUAL
) -> Scores:
    """The points of what goes with the `current` items (see `last_items`), these among them. The
    sessions of the numbers `without` are not heard."""
    return scored_by(index, looked_at(index, current, without, taste), taste)


def looked_at(
    index: SessionIndex, current: Sequence[int], without: Ints, taste: Taste = USUAL
) -> LookedAt:
    """What is looked at of each of the `current` items."""
    found = [_entries_without(index, code, without, taste) for code in current]
    counts = np.array([len(entries) for entries, _ in found], np.int64)
    back = np.repeat(np.arange(len(found)), counts)
    entries, sessions = map(np.concatenate, zip(*found, strict=True)) if found else _NOTHING
    return LookedAt(index, counts, entries, sessions, back)


def scored_by(index: SessionIndex, found: LookedAt, taste: Taste = USUAL) -> Scores:
    """The same as `scored`, by what is looked at."""
    if len(found.entries) == 0:
        return Scores(np.zeros(0, np.int64), np.zeros(0))
    near = _of_neighbours(index, _neighbours(index, found, taste), taste)
    count = len(index.counts)
    if not taste.rules:
        codes, (points,) = _summed([near], count)
        return Scores(codes, points)
    codes, (points, ruled) = _summed([near, _by_rules(index, found, taste)], count)
    return Scores(codes, _share(points) * (1 - taste.rules) + _share(ruled) * taste.rules)


def _entries_without(
    index: SessionIndex, code: int, without: Ints, taste: Taste
) -> tuple[Ints, Ints]:
    """The entries that hold an item and are looked at, oldest first, but for those of some
    sessions; and their sessions."""
    newest = taste.sessions_per_item
    entries, sessions = index.entries_of(code, newest + len(without))
    if len(without):
        is_own = sessions == without[0] if len(without) == 1 else np.isin(sessions, without)
        entries, sessions = entries[~is_own], sessions[~is_own]
    return entries[-newest:], sessions[-newest:]


def _neighbours(index: SessionIndex, found: LookedAt, taste: Taste) -> _Neighbours:
    """Of the entries that hold each current item, the sessions that are most alike."""
    entries, shares, sessions = found.entries, found.back, found.sessions
    weights = (taste.fading ** np.arange(len(found.counts))).astype(np.float64)
    likeness: Floats = weights[shares]
    if len(found.counts) > 1:
        by_session = np.argsort(sessions, kind="stable")
        sessions, likeness = sessions[by_session], likeness[by_session]
        firsts = np.flatnonzero(np.append(True, sessions[1:] != sessions[:-1]))
        likeness, sessions = np.add.reduceat(likeness, firsts), sessions[firsts]
        # What a session shares stands from the last item backwards.
        shares, entries = shares[by_session[firsts]], entries[by_session[firsts]]
    if taste.shortness:
        lengths = index.lengths_of(sessions)
        likeness = likeness / (np.arange(lengths.max() + 1) ** taste.shortness)[lengths]
    if taste.old_days:
        starts = index.starts[sessions]
        likeness = likeness * np.exp((starts - starts.max()) / (taste.old_days * _DAY_MS))
    best = _most(likeness, taste.neighbours)
    best = best[np.lexsort((-index.order[sessions[best]], -likeness[best]))[: taste.neighbours]]
    return _Neighbours(sessions[best], likeness[best], shares[best], entries[best])


def _most(points: Floats, count: int) -> Ints:
    """The places of the `count` largest, and of all that are equal to the least of these."""
    if len(points) <= count:
        return np.arange(len(points))
    least = np.partition(points, len(points) - count)[len(points) - count]
    places: Ints = np.flatnonzero(points >= least)
    return places


def _of_neighbours(index: SessionIndex, near: _Neighbours, taste: Taste) -> Pointed:
    """The items of sessions, with points for each entry."""
    entries, whose = index.items_of(near.sessions)
    points = (near.likeness * taste.fading**near.shares)[whose]
    if taste.near_items:
        # Many entries are few items away: each distance is worked out once.
        longest = index.lengths_of(near.sessions).max()
        nearness = np.exp(-np.arange(longest) / taste.near_items)
        points *= nearness[np.abs(entries - near.entries[whose])]
    codes = index.codes[entries]
    if taste.rarity:
        points *= 1 + taste.rarity * index.rareness[codes]
    return codes, points


def _by_rules(index: SessionIndex, found: LookedAt, taste: Taste) -> Pointed:
    """What stands behind the last item's entries in their sessions, and before them."""
    entries, sessions = found.entries[: found.counts[0]], found.sessions[: found.counts[0]]
    begins = np.maximum(entries - taste.rule_steps, index.ends[sessions])
    ends = np.minimum(entries + taste.rule_steps + 1, index.ends[sessions + 1])
    near = ranges(begins, ends - begins)
    steps = near - np.repeat(entries, ends - begins)
    others = np.flatnonzero(steps)
    ahead = 1 / np.arange(1, taste.rule_steps + 1)
    weights = np.concatenate([taste.rules_back * ahead[::-1], [0], ahead])
    return index.codes[near[others]], weights[steps[others] + taste.rule_steps]


def _summed(pointed: Sequence[Pointed], item_count: int) -> tuple[Ints, list[Floats]]:
    """Each code that is anywhere, which are below `item_count`, once and in order; and the sum of
    its points in each, in the order in which they stand."""
    if item_count > _COUNTED_IN_PLACE:
        found: Ints = np.unique(np.concatenate([codes for codes, _ in pointed])).astype(np.int64)
        within = [np.searchsorted(found, codes) for codes, _ in pointed]
        return found, [
            _sums(of, each[1], len(found)) for of, each in zip(within, pointed, strict=True)
        ]
    is_there = np.zeros(item_count, np.bool_)
    for codes, _ in pointed:
        is_there[codes] = True
    found = np.flatnonzero(is_there)
    return found, [_sums(codes, points, item_count)[found] for codes, points in pointed]


def _sums(places: Ints | Codes, points: Floats, count: int) -> Floats:
    return np.bincount(places, points, minlength=count).astype(np.float64, copy=False)


def _share(points: Floats) -> Floats:
    return points / points.max() if points.any() else points
