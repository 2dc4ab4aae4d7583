"""What goes with a session: what its nearest neighbours among all sessions hold, blended with rules
on what stands near what.

After the nearest neighbours of sessions (VSKNN) with weights of place and time (STAN), and the
sequential rules (SR), as compared by Ludewig, Mauro, Latifi and Jannach, "Empirical analysis of
session-based recommendation algorithms", 2020. Nothing is learned: an answer is computed of the
sessions themselves, so what is taken out of them is taken out of every answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtcdp.recommendations.session_index import Ints, SessionIndex, ranges

Floats = npt.NDArray[np.float64]

_DAY_MS = 86_400_000

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
    sessions_per_item: int = 1_000
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
    return scored_by(index, entries_looked_at(index, current, without, taste), taste)


def entries_looked_at(
    index: SessionIndex, current: Sequence[int], without: Ints, taste: Taste = USUAL
) -> list[Ints]:
    """Of each of the `current` items the entries that hold it and are looked at, oldest first."""
    return [_entries_without(index, code, without, taste) for code in current]


def scored_by(index: SessionIndex, found: Sequence[Ints], taste: Taste = USUAL) -> Scores:
    """The same as `scored`, by what is looked at."""
    if sum(map(len, found)) == 0:
        return Scores(np.zeros(0, np.int64), np.zeros(0))
    codes, points = _of_neighbours(index, _neighbours(index, found, taste), taste)
    if not taste.rules:
        return Scores(codes, points)
    ruled, rule_points = _by_rules(index, found[0], taste)
    blended = [_share(points) * (1 - taste.rules), _share(rule_points) * taste.rules]
    together = np.concatenate([codes, ruled])
    return Scores(*_summed(together, np.concatenate(blended), len(index.counts)))


def _entries_without(index: SessionIndex, code: int, without: Ints, taste: Taste) -> Ints:
    """The entries that hold an item and are looked at, oldest first, but for some sessions."""
    entries = index.entries_of(code, taste.sessions_per_item + len(without))
    if len(without):
        entries = entries[~np.isin(index.session_of[entries], without)]
    return entries[-taste.sessions_per_item :]


def _neighbours(index: SessionIndex, found: Sequence[Ints], taste: Taste) -> _Neighbours:
    """Of the entries that hold each current item, the sessions that are most alike."""
    entries = np.concatenate(found)
    back = np.repeat(np.arange(len(found)), [len(each) for each in found])
    sessions = index.session_of[entries]
    by_session = np.argsort(sessions, kind="stable")
    sessions, back, entries = sessions[by_session], back[by_session], entries[by_session]
    firsts = np.flatnonzero(np.append(True, sessions[1:] != sessions[:-1]))
    likeness = np.add.reduceat((taste.fading ** np.arange(len(found)))[back], firsts)
    # What a session shares stands from the last item backwards.
    sessions, shares, entries = sessions[firsts], back[firsts], entries[firsts]
    if taste.shortness:
        likeness = likeness / index.lengths[sessions] ** taste.shortness
    if taste.old_days:
        starts = index.starts[sessions]
        likeness = likeness * np.exp((starts - starts.max()) / (taste.old_days * _DAY_MS))
    best = np.lexsort((-index.order[sessions], -likeness))[: taste.neighbours]
    return _Neighbours(sessions[best], likeness[best], shares[best], entries[best])


def _of_neighbours(index: SessionIndex, near: _Neighbours, taste: Taste) -> tuple[Ints, Floats]:
    entries, whose = index.items_of(near.sessions)
    points = (near.likeness * taste.fading**near.shares)[whose]
    if taste.near_items:
        points = points * np.exp(-np.abs(entries - near.entries[whose]) / taste.near_items)
    codes = index.codes[entries].astype(np.int64)
    if taste.rarity:
        rare = np.log(index.session_count / index.counts[codes])
        points = points * (1 + taste.rarity * rare)
    return _summed(codes, points, len(index.counts))


def _by_rules(index: SessionIndex, entries: Ints, taste: Taste) -> tuple[Ints, Floats]:
    """What stands behind the last item's entries in their sessions, and before them."""
    sessions = index.session_of[entries]
    firsts = index.first_entry[sessions]
    ahead = np.minimum(firsts + index.lengths[sessions] - entries - 1, taste.rule_steps)
    behind = ranges(entries + 1, ahead)
    weights = [1 / (behind - np.repeat(entries, ahead))]
    back = np.minimum(entries - firsts, taste.rule_steps)
    before = ranges(entries - back, back)
    weights.append(taste.rules_back / (np.repeat(entries, back) - before))
    codes = index.codes[np.concatenate([behind, before])].astype(np.int64)
    return _summed(codes, np.concatenate(weights), len(index.counts))


def _summed(codes: Ints, points: Floats, item_count: int) -> tuple[Ints, Floats]:
    """Each of the codes, which are below `item_count`, once, with the sum of its points in the
    order in which they stand."""
    if item_count > _COUNTED_IN_PLACE:
        different, which = np.unique(codes, return_inverse=True)
        return different, np.bincount(which, points, minlength=len(different)).astype(np.float64)
    is_there = np.zeros(item_count, np.bool_)
    is_there[codes] = True
    found: Ints = np.flatnonzero(is_there)
    sums = np.bincount(codes, points, minlength=item_count).astype(np.float64)
    return found, sums[found]


def _share(points: Floats) -> Floats:
    return points / points.max() if points.any() else points
