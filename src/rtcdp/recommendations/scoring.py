"""What goes with a session: what its nearest neighbours among all sessions hold, blended with rules
on what stands near what.

After the nearest neighbours of sessions (VSKNN) with weights of place and time (STAN), and the
sequential rules (SR), as compared by Ludewig, Mauro, Latifi and Jannach, "Empirical analysis of
session-based recommendation algorithms", 2020. Nothing is learned: an answer is computed of the
sessions themselves, so what is taken out of them is taken out of every answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rtcdp.recommendations.neighbourhood import (
    USUAL,
    Neighbourhood,
    Neighbourhoods,
    Pointed,
    Taste,
    heard,
)
from rtcdp.recommendations.session_index import SessionIndex
from rtcdp.recommendations.session_part import Floats, Ints

_NOTHING: Pointed = np.zeros(0, np.int64), np.zeros(0)

_COUNTED_IN_PLACE = 2**17
"""Of more items than that, a place for each takes longer to look through than sorting what there
is."""


@dataclass(frozen=True)
class Scores:
    """Items by number, each once and in this order, with their points."""

    codes: Ints
    points: Floats


@dataclass(frozen=True)
class LookedAt:
    """What is looked at of a current item: how far `back` it is from the last one, and its
    neighbourhood."""

    back: int
    around: Neighbourhood


def last_items(index: SessionIndex, session: Sequence[str], taste: Taste = USUAL) -> list[int]:
    """The numbers of the last items of a session, the last one first; each stands once."""
    codes = index.codes_of(session).tolist()
    return list(dict.fromkeys(reversed(codes)))[: taste.items_max]


def scored(
    index: SessionIndex, current: Sequence[int], without: Ints, taste: Taste = USUAL
) -> Scores:
    """The points of what goes with the `current` items (see `last_items`), these among them. The
    sessions of the numbers `without` are not heard."""
    return scored_by(index, looked_at(Neighbourhoods(index, taste), current, without), taste)


def looked_at(around: Neighbourhoods, current: Sequence[int], without: Ints) -> list[LookedAt]:
    """What is looked at of the `current` items that others have as well; the sessions of the
    numbers `without` are not."""
    found = ((back, around.of(code, without)) for back, code in enumerate(current))
    return [LookedAt(back, each) for back, each in found if each is not None]


def scored_by(index: SessionIndex, found: Sequence[LookedAt], taste: Taste = USUAL) -> Scores:
    """The same as `scored`, by what is looked at."""
    if not found:
        return Scores(np.zeros(0, np.int64), np.zeros(0))
    near = heard(index, *_heard(index, found, taste), taste)
    # The rules tell of the last item alone.
    ruled = found[0].around.ruled() if taste.rules and found[0].back == 0 else _NOTHING
    codes, points, by_rules = _summed(near, ruled, len(index.counts))
    if taste.rarity:
        points *= 1 + taste.rarity * index.rareness.take(codes)
    if taste.rules:
        points = _share(points) * (1 - taste.rules) + _share(by_rules) * taste.rules
    return Scores(codes, points)


def _heard(
    index: SessionIndex, found: Sequence[LookedAt], taste: Taste
) -> tuple[Ints, Ints, Floats]:
    """The sessions that are most alike, each once, with the last item that it shares and what it
    counts: the entry that holds the item, the session, and how alike it is to the current items,
    less where the item is further back. One item behind the other, oldest first."""
    if len(found) == 1:
        [only] = found
        fading, around = taste.fading**only.back, only.around
        best = _most(index, around.sessions, fading * around.weights, taste.neighbours)
        best.sort()
        weights = around.weights.take(best) * fading**2
        return around.entries.take(best), around.sessions.take(best), weights
    sizes = [len(each.around.sessions) for each in found]
    fadings = _fadings(taste.fading, taste.items_max)
    counts_for = fadings.take([each.back for each in found]).repeat(sizes)
    sessions = np.concatenate([each.around.sessions for each in found])
    worth = np.concatenate([each.around.weights for each in found])
    # Each item's are nearly in order, and runs that are in order are quickly merged.
    places = sessions.argsort(kind="stable")
    ordered = sessions.take(places)
    is_first = np.ones(len(sessions), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    firsts = is_first.nonzero()[0]
    shared = np.add.reduceat(counts_for.take(places), firsts)
    # What a session shares stands from the last item backwards.
    places = places.take(firsts)
    likeness = shared * worth.take(places)
    best = _most(index, ordered.take(firsts), likeness, taste.neighbours)
    best = best.take(places.take(best).argsort())
    chosen = places.take(best)
    entries = np.concatenate([each.around.entries for each in found])
    weights = likeness.take(best) * counts_for.take(chosen)
    return entries.take(chosen), sessions.take(chosen), weights


def _most(index: SessionIndex, sessions: Ints, points: Floats, count: int) -> Ints:
    """The places of the `count` largest points that are above 0, of equal ones the newest."""
    there: Ints = points.nonzero()[0]
    if len(there) <= count:
        return there
    in_order = points.copy()
    in_order.partition(len(points) - count)
    least = in_order[len(points) - count]
    above, equal = (points > least).nonzero()[0], (points == least).nonzero()[0]
    missing = count - len(above)
    if len(equal) > missing:
        equal = equal[np.argsort(index.order_of(sessions[equal]))[-missing:]]
    return np.concatenate([above, equal])


def _summed(near: Pointed, ruled: Pointed, item_count: int) -> tuple[Ints, Floats, Floats]:
    """Each item that has points among those that are `near`, or is there among those that are
    `ruled`, once and in order; and the sums of its points in either, in the order in which they
    stand. The numbers of items are below `item_count`."""
    if item_count <= _COUNTED_IN_PLACE:
        return _in_place(near, ruled, item_count)
    codes = np.unique(np.concatenate([near[0], ruled[0]]))
    places, points, by_rules = _in_place(
        (np.searchsorted(codes, near[0]), near[1]),
        (np.searchsorted(codes, ruled[0]), ruled[1]),
        len(codes),
    )
    return codes[places], points, by_rules


def _in_place(near: Pointed, ruled: Pointed, item_count: int) -> tuple[Ints, Floats, Floats]:
    points, by_rules = _sums(near, item_count), _sums(ruled, item_count)
    is_there = points > 0
    is_there[ruled[0]] = True
    found = is_there.nonzero()[0]
    return found, points.take(found), by_rules.take(found)


@lru_cache(maxsize=64)
def _fadings(fading: float, count: int) -> Floats:
    """What an item counts that is so many items back."""
    found: Floats = np.power(fading, np.arange(count), dtype=np.float64)
    return found


def _sums(pointed: Pointed, item_count: int) -> Floats:
    return np.bincount(*pointed, minlength=item_count).astype(np.float64, copy=False)


def _share(points: Floats) -> Floats:
    most = points.max(initial=0.0)
    return points / most if most else points
