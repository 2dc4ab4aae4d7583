"""From points to an answer: what is left out, what is like what, what steps in, and why."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import msgspec
import numpy as np

from rtcdp.recommendations.neighbourhood import USUAL, Neighbourhoods, Taste
from rtcdp.recommendations.scoring import LookedAt, Scores, last_items, looked_at, scored_by
from rtcdp.recommendations.session_index import SessionIndex
from rtcdp.recommendations.session_part import Floats, Ints

Source = Literal["sessions", "trending", "popular"]
"""Whence a recommendation is: of sessions like this one, or of what stands in for them."""

TREND_MS = 86_400_000
"""What is trending is so within a day."""

TREND_SESSIONS_MIN = 3
"""What fewer sessions of that day hold is no trend."""

StandIns = tuple[tuple[Source, Scores], ...]
"""What stands in for sessions, in the order in which it is asked."""

KEPT_MAX = 2_000
KEPT_IDS_MAX = 64
"""So many answers of a model are kept: those to questions of at most so many ids. How long a
question is lies in the hands of whoever asks."""

_Standing = tuple[float, str, int]
"""An item's points below 0, its name and its number."""

_DIVERSE_AMONG = 4
_LIKE_SESSIONS = 200


class Wish(msgspec.Struct, frozen=True, gc=False):
    """How many items, which ones not, and how different they shall be: with a `diversity` of 0 the
    best, with 1 those that are least like each other."""

    limit: int = 10
    excluded: frozenset[str] = frozenset()
    diversity: float = 0.0


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Of the newest `looked_at` sessions with `item`, which the asker looked at, so many `sessions`
    hold what is recommended."""

    item: str
    sessions: int
    looked_at: int


class Recommended(msgspec.Struct, frozen=True, gc=False):
    """An item with its points, which tell it from others of the same source alone, and why."""

    item: str
    points: float
    source: Source
    because: Reason | None = None


@dataclass(frozen=True)
class Model:
    """An index, and what stands in where sessions tell too little."""

    index: SessionIndex

    @cached_property
    def stand_ins(self) -> StandIns:
        """The sources of such items, in the order in which they are asked."""
        return ("trending", self.trending), ("popular", popular(self.index))

    @cached_property
    def trending(self) -> Scores:
        """What is trending."""
        return trending(self.index)

    @cached_property
    def kept(self) -> Callable[[tuple[str, ...], Wish], tuple[Recommended, ...]]:
        """What is recommended when nobody's sessions are left out: the last `KEPT_MAX` answers are
        not worked out again. They hold nothing that would be searched for garbage."""

        def worked_out(session: tuple[str, ...], wish: Wish) -> tuple[Recommended, ...]:
            return tuple(_recommended(around, stand_ins, session, wish))

        around, stand_ins = self.around, self.stand_ins
        return lru_cache(KEPT_MAX)(worked_out)

    @cached_property
    def around(self) -> Neighbourhoods:
        """What stands around items, as it was worked out for answers before."""
        return Neighbourhoods(self.index)


NO_SESSIONS: Ints = np.zeros(0, np.int64)


def recommended(
    model: Model,
    session: Sequence[str],
    wish: Wish,
    without: Ints = NO_SESSIONS,
    taste: Taste = USUAL,
) -> list[Recommended]:
    """What goes with a session (its items in order), the best first; where that is too little, what
    is trending, and then what is popular. What is in the session may be among it, unless it is
    excluded. The sessions of the numbers `without` are not heard, as if they were not there."""
    is_short = len(session) + len(wish.excluded) <= KEPT_IDS_MAX
    if is_short and len(without) == 0 and taste == USUAL:
        return list(model.kept(tuple(session), wish))
    around = model.around if taste == USUAL else Neighbourhoods(model.index, taste)
    return _recommended(around, model.stand_ins, session, wish, without)


def _recommended(
    around: Neighbourhoods,
    stand_ins: StandIns,
    session: Sequence[str],
    wish: Wish,
    without: Ints = NO_SESSIONS,
) -> list[Recommended]:
    index, taste = around.index, around.taste
    current = last_items(index, session, taste)
    excluded = wish.excluded
    looked = looked_at(around, current, without)
    found = scored_by(index, looked, taste)
    if wish.diversity:
        most = wish.limit * _DIVERSE_AMONG
        chosen = _different(index, _best(index, found, most, excluded), wish)
    else:
        chosen = _best(index, found, wish.limit, excluded)
    reasons = _reasons(index, current, looked, [code for _, _, code in chosen])
    answer = [
        Recommended(item, -at, "sessions", why)
        for (at, item, _), why in zip(chosen, reasons, strict=True)
    ]
    for source, scores in stand_ins if len(answer) < wish.limit else ():
        missing = wish.limit - len(answer)
        if missing:
            excluded = excluded | {each.item for each in answer}
            more = ranked(index, scores, missing, excluded)
            answer += [Recommended(item, points, source) for item, points in more]
    return answer


def ranked(
    index: SessionIndex, scores: Scores, limit: int, excluded: Iterable[str] = ()
) -> list[tuple[str, float]]:
    """The best items with their points; of equal ones those that come first in the alphabet."""
    return [(name, -at) for at, name, _ in _best(index, scores, limit, excluded)]


def _best(
    index: SessionIndex, scores: Scores, limit: int, excluded: Iterable[str]
) -> list[_Standing]:
    """The same as `ranked`, as they are sorted."""
    out = set(map(index.items.code_of, excluded))
    codes, points = scores.codes, scores.points
    count = limit + len(out)
    if len(codes) > count:
        in_order = points.copy()
        in_order.partition(len(points) - count)
        best = (points >= in_order[len(points) - count]).nonzero()[0]
        codes, points = codes.take(best), points.take(best)
    names = index.items.names
    found = [
        (-at, names[code], code)
        for code, at in zip(codes.tolist(), points.tolist(), strict=True)
        if code not in out
    ]
    found.sort()
    return found[:limit]


def popular(index: SessionIndex) -> Scores:
    """In how many sessions each item is."""
    codes = np.flatnonzero(index.counts)
    return Scores(codes, index.counts[codes].astype(np.float64))


def trending(index: SessionIndex) -> Scores:
    """How far the sessions of the last day go beyond what all days before let expect, in standard
    deviations of chance; of items that do. The last day ends with the newest session."""
    end, begin = index.newest_start, index.oldest_start
    if end is None or begin is None:
        return Scores(np.zeros(0, np.int64), np.zeros(0))
    counts = index.held_after(end - TREND_MS).astype(np.float64)
    days_before = max(1.0, (end - TREND_MS - begin) / TREND_MS)
    usual = (index.counts - counts) / days_before
    points = (counts - usual) / np.sqrt(usual + 1)
    codes = np.flatnonzero((counts >= TREND_SESSIONS_MIN) & (points > 0))
    return Scores(codes, points[codes])


def _different(index: SessionIndex, best: Sequence[_Standing], wish: Wish) -> list[_Standing]:
    """Of the best items, one after the other the one that is good and least like those before it
    (maximal marginal relevance)."""
    if not best:
        return []
    likeness = _likeness(index, [code for _, _, code in best])
    points = np.array([-at for at, _, _ in best])
    merit = points / points.max()
    chosen = [0]
    left = list(range(1, len(best)))
    while left and len(chosen) < wish.limit:
        nearest = likeness[np.ix_(left, chosen)].max(axis=1)
        worth = (1 - wish.diversity) * merit[left] - wish.diversity * nearest
        chosen.append(left.pop(int(np.argmax(worth))))
    return [best[place] for place in chosen]


def _likeness(index: SessionIndex, codes: Sequence[int]) -> Floats:
    """How alike items are: the cosine of their newest sessions."""
    found = [index.entries_of(code, _LIKE_SESSIONS)[1] for code in codes]
    sessions, places = np.unique(np.concatenate(found), return_inverse=True)
    holds = np.zeros((len(codes), len(sessions)))
    holds[np.repeat(np.arange(len(codes)), [len(each) for each in found]), places] = 1
    sizes = np.sqrt(holds.sum(axis=1))
    return holds @ holds.T / np.outer(sizes, sizes)


def _reasons(
    index: SessionIndex, current: Sequence[int], looked: Sequence[LookedAt], items: Sequence[int]
) -> list[Reason | None]:
    """For each item the other one of the current items that most of the sessions which are looked
    at hold together with it."""
    if not items:
        return []
    # Small numbers: the whole column stays near the processor.
    place_of = np.zeros(len(index.counts), np.int16)
    place_of[items] = np.arange(1, len(items) + 1, dtype=np.int16)
    names, count = index.items.names, len(items)
    found: list[Reason | None] = [None] * count
    most = [0] * count
    for each in looked:
        code, looked_at = current[each.back], each.around.looked_at
        for place, together in enumerate(each.around.beside(place_of, count).tolist()):
            # Nothing is a reason for itself.
            if together > most[place] and items[place] != code:
                most[place] = together
                found[place] = Reason(names[code], together, looked_at)
    return found
