"""What stands around an item in the newest sessions with it: all that answers take from these.

It hangs on the sessions alone and on nobody who asks, so it is worked out once for all answers of
an index that look at the item.
"""

import threading
from dataclasses import dataclass, replace

import numpy as np

from rtcdp.recommendations.session_index import SessionIndex
from rtcdp.recommendations.session_part import Flags, Floats, Ints

_DAY_MS = 86_400_000

_OLDEST = -600.0
"""Sessions count less by their age down to e to the power of this, which is still a number."""

CELLS_MAX = 2_000_000
"""So much of neighbourhoods is kept, in items of sessions: 40 bytes each at most."""


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
class Neighbourhood:
    """The newest `sessions` with an item, by number, oldest first, and what each is worth by its
    length and age, its `weight`; 0 is not to be heard, as it is `left_out`.

    All items of these sessions, one session behind the other, are its cells: which item each is, a
    number among `codes`, `whose` it is, a place among `sessions`, and what it counts for its
    `nearness` to the item. The rules tell of some cells: of those at the places `near`, with these
    points.
    """

    sessions: Ints
    weights: Floats
    codes: Ints
    whose: Ints
    nearness: Floats
    near: Ints
    near_points: Floats
    left_out: Flags | None = None

    @property
    def looked_at(self) -> int:
        """How many sessions are heard."""
        left_out = 0 if self.left_out is None else int(np.count_nonzero(self.left_out))
        return len(self.sessions) - left_out

    def points(self, weights: Floats) -> Floats:
        """What each cell counts, where each session counts so much."""
        found: Floats = weights.take(self.whose)
        found *= self.nearness
        return found

    def ruled(self) -> tuple[Ints, Floats]:
        """The items that the rules tell of, each as often as it is near, with the points."""
        codes, points = self.codes.take(self.near), self.near_points
        if self.left_out is None:
            return codes, points
        is_heard = ~self.left_out[self.whose[self.near]]
        return codes[is_heard], points[is_heard]

    def beside(self) -> Ints:
        """The items of the sessions that are heard, each as often as it is there."""
        return self.codes if self.left_out is None else self.codes[~self.left_out[self.whose]]

    def without(self, left_out: Flags) -> "Neighbourhood":
        """The same, but for some of the sessions."""
        return replace(self, weights=np.where(left_out, 0.0, self.weights), left_out=left_out)


class Neighbourhoods:
    """Those of the items of an index. What was worked out is kept, about `CELLS_MAX` of their
    `cells`; then all of it is forgotten. Safe to use from several threads."""

    def __init__(self, index: SessionIndex, taste: Taste = USUAL) -> None:
        self.index = index
        self.taste = taste
        self._kept: dict[int, Neighbourhood] = {}
        self.cells = 0
        self._keeping = threading.Lock()

    def of(self, code: int, without: Ints) -> Neighbourhood | None:
        """That of an item; the sessions of the numbers `without` are not heard, as if they were
        not there. None where no others hold it."""
        found = self._kept.get(code)
        if found is None:
            found = neighbourhood(self.index, *self._newest(code), self.taste)
            self._keep(code, found)
        if len(without) == 0:
            return found
        is_own = _are_among(found.sessions, without)
        if not is_own.any():
            return found
        if len(is_own) < self.taste.sessions_per_item:
            return None if is_own.all() else found.without(is_own)
        # Older ones take their places.
        entries, sessions = self._newest(code, len(without))
        stays = np.flatnonzero(~_are_among(sessions, without))[-self.taste.sessions_per_item :]
        if len(stays) == 0:
            return None
        return neighbourhood(self.index, entries[stays], sessions[stays], self.taste)

    def _newest(self, code: int, more: int = 0) -> tuple[Ints, Ints]:
        return self.index.entries_of(code, self.taste.sessions_per_item + more)

    def _keep(self, code: int, found: Neighbourhood) -> None:
        with self._keeping:
            if self.cells > CELLS_MAX:
                self._kept, self.cells = {}, 0
            self._kept[code] = found
            self.cells += len(found.whose)


def neighbourhood(
    index: SessionIndex, entries: Ints, sessions: Ints, taste: Taste
) -> Neighbourhood:
    """That of an item by the entries that hold it, of which there is one at least, and their
    sessions, oldest first."""
    lengths = index.lengths_of(sessions)
    places, whose = index.items_of(sessions)
    steps = places - entries.repeat(lengths)
    away = np.abs(steps)
    far = taste.rule_steps
    near = np.flatnonzero((away <= far) & (steps != 0))
    ahead = 1 / np.arange(1, far + 1)
    by_step = np.concatenate([taste.rules_back * ahead[::-1], [0], ahead])
    nearness = np.ones(len(steps))
    if taste.near_items:
        # Many cells are few items away: each distance is worked out once.
        nearness = np.exp(-np.arange(lengths.max()) / taste.near_items).take(away)
    return Neighbourhood(
        sessions,
        _weights(index, sessions, lengths, taste),
        index.codes.take(places).astype(np.int64),
        whose,
        nearness,
        near,
        by_step.take(steps.take(near) + far),
    )


def _weights(index: SessionIndex, sessions: Ints, lengths: Ints, taste: Taste) -> Floats:
    """What each session is worth by its length and age."""
    weights = np.ones(len(sessions))
    if taste.shortness:
        by_length = np.arange(1, lengths.max() + 1) ** -taste.shortness
        weights = by_length[lengths - 1]
    if taste.old_days:
        ages = (index.starts[sessions] - (index.newest_start or 0)) / (taste.old_days * _DAY_MS)
        weights = weights * np.exp(np.maximum(ages, _OLDEST))
    return weights


def _are_among(sessions: Ints, some: Ints) -> Flags:
    if len(some) == 1:
        found: Flags = sessions == some[0]
        return found
    return np.isin(sessions, some)
