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

from rtcdp.recommendations.neighbourhood import USUAL, Neighbourhood, Neighbourhoods, Taste
from rtcdp.recommendations.session_index import SessionIndex
from rtcdp.recommendations.session_part import Floats, Ints

Pointed = tuple[Ints, Floats]
"""Items by number, each as often as it may be, with points."""

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
    weights = _weights(index, found, taste)
    near = (
        np.concatenate([each.around.codes for each in found]),
        np.concatenate(
            [each.around.points(some) for each, some in zip(found, weights, strict=True)]
        ),
    )
    # The rules tell of the last item alone.
    ruled = found[0].around.ruled() if taste.rules and found[0].back == 0 else _NOTHING
    codes, points, by_rules = _summed(near, ruled, len(index.counts))
    if taste.rarity:
        points = points * (1 + taste.rarity * index.rareness[codes])
    if taste.rules:
        points = _share(points) * (1 - taste.rules) + _share(by_rules) * taste.rules
    return Scores(codes, points)


def _weights(index: SessionIndex, found: Sequence[LookedAt], taste: Taste) -> list[Floats]:
    """By item, what each session of its neighbourhood counts: how alike it is to the current items,
    where it is among the most alike and shares no later item; else nothing."""
    if len(found) == 1:
        [only] = found
        fading, worth = taste.fading**only.back, only.around.weights
        best = _most(index, only.around.sessions, fading * worth, taste.neighbours)
        weights = np.zeros(len(worth))
        weights[best] = worth[best] * fading**2
        return [weights]
    sizes = [len(each.around.sessions) for each in found]
    counts_for = (taste.fading ** np.array([each.back for each in found])).repeat(sizes)
    sessions = np.concatenate([each.around.sessions for each in found])
    # Each item's are nearly in order, and runs that are in order are quickly merged.
    places = sessions.argsort(kind="stable")
    sessions = sessions.take(places)
    is_first = np.ones(len(sessions), np.bool_)
    np.not_equal(sessions[1:], sessions[:-1], out=is_first[1:])
    firsts = np.flatnonzero(is_first)
    shared = np.add.reduceat(counts_for.take(places), firsts)
    # What a session shares stands from the last item backwards.
    places = places.take(firsts)
    worth = np.concatenate([each.around.weights for each in found])
    likeness = shared * worth.take(places)
    best = _most(index, sessions.take(firsts), likeness, taste.neighbours)
    weights, chosen = np.zeros(len(sessions)), places.take(best)
    weights[chosen] = likeness.take(best) * counts_for.take(chosen)
    ends = np.cumsum(sizes).tolist()
    return [weights[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def _most(index: SessionIndex, sessions: Ints, points: Floats, count: int) -> Ints:
    """The places of the `count` largest points that are above 0, of equal ones the newest."""
    there = np.flatnonzero(points)
    if len(there) <= count:
        return there
    least = np.partition(points, len(points) - count)[len(points) - count]
    above, equal = np.flatnonzero(points > least), np.flatnonzero(points == least)
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
    found = np.flatnonzero(is_there)
    return found, points.take(found), by_rules.take(found)


def _sums(pointed: Pointed, item_count: int) -> Floats:
    return np.bincount(*pointed, minlength=item_count).astype(np.float64, copy=False)


def _share(points: Floats) -> Floats:
    return points / points.max() if points.any() else points
