"""What stands around an item in the newest sessions with it: all that answers take from these.

It hangs on the sessions alone and on nobody who asks, so it is worked out once for all answers of
an index that look at the item.
"""

import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from rtcdp.clock import DAY_MS
from rtcdp.recommendations.session_index import SessionIndex
from rtcdp.recommendations.session_part import Codes, Flags, Floats, Ints, ranges

Places = npt.NDArray[np.int16]

Pointed = tuple[Ints, Floats]
"""Items by number, each as often as it may be, with points."""


_OLDEST = -600.0
"""Sessions count less by their age down to e to the power of this, which is still a number."""

CELLS_MAX = 2_000_000
"""So much of neighbourhoods is kept, in items of sessions: 44 bytes each at most."""


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


class Neighbourhood:
    """The newest `sessions` with an item, by number, oldest first, and the `entries` that hold it;
    and what each is worth by its length and age, its `weights`; 0 is not to be heard, as it is
    `left_out`.

    All items of these sessions are its `cells`, so many. What they are is looked up when somebody
    asks first: of those that are heard alone, much less is asked.
    """

    def __init__(
        self, index: SessionIndex, entries: Ints, sessions: Ints, taste: Taste = USUAL
    ) -> None:
        self.entries = entries
        self.sessions = sessions
        self.left_out: Flags | None = None
        self._index = index
        self._taste = taste
        self._begins = index.ends.take(sessions)
        self._lengths = index.ends.take(sessions + 1) - self._begins
        self.cells = int(self._lengths.sum())
        self.weights = self._worth()

    @property
    def looked_at(self) -> int:
        """How many sessions are heard."""
        left_out = 0 if self.left_out is None else int(np.count_nonzero(self.left_out))
        return len(self.sessions) - left_out

    def ruled(self) -> Pointed:
        """The items that the rules tell of, each as often as it is near, with the points."""
        codes, points, whose = self._ruled
        if self.left_out is None:
            return codes, points
        is_heard = ~self.left_out.take(whose)
        return codes[is_heard], points[is_heard]

    def beside(self, place_of: Places, count: int) -> Ints:
        """In how many of the sessions that are heard some items are: `place_of` tells of each
        item its place among these, from 1 to `count`, or 0."""
        found = np.bincount(place_of.take(self._codes), minlength=count + 1)
        if self.left_out is not None:
            # Few are left out: what they hold is taken off.
            away = self.left_out.nonzero()[0]
            codes = self._index.codes.take(ranges(self._begins[away], self._lengths[away]))
            found -= np.bincount(place_of.take(codes), minlength=count + 1)
        return found[1:]

    def without(self, left_out: Flags) -> "Neighbourhood":
        """The same, but for some of the sessions."""
        found = object.__new__(Neighbourhood)
        # What was looked up goes along.
        found.__dict__.update(self.__dict__)
        found.left_out = left_out
        found.weights = self.weights * ~left_out
        return found

    @cached_property
    def _codes(self) -> Codes:
        return self._index.codes.take(ranges(self._begins, self._lengths))

    @cached_property
    def _ruled(self) -> tuple[Ints, Floats, Ints]:
        """The same as `ruled` of all sessions, and whose each is, a place among these."""
        far, back = self._taste.rule_steps, self._taste.rules_back
        first = np.maximum(self._begins, self.entries - far)
        counts = np.minimum(self._begins + self._lengths, self.entries + (far + 1)) - first
        places = ranges(first, counts)
        steps = places - (self.entries - far).repeat(counts)
        whose = np.arange(len(counts)).repeat(counts)
        is_other = (steps != far).nonzero()[0]
        ahead = 1 / np.arange(1, far + 1)
        by_step = np.concatenate([back * ahead[::-1], [0], ahead])
        return (
            self._index.codes.take(places.take(is_other)).astype(np.int64),
            by_step.take(steps.take(is_other)),
            whose.take(is_other),
        )

    def _worth(self) -> Floats:
        """What each session is worth by its length and age."""
        index, taste = self._index, self._taste
        weights = np.ones(len(self.sessions))
        if taste.shortness:
            weights = _by_length(taste.shortness, _size(self._lengths)).take(self._lengths)
        if taste.old_days:
            since_newest_ms = index.starts.take(self.sessions) - (index.newest_start or 0)
            weights *= np.exp(np.maximum(since_newest_ms / (taste.old_days * DAY_MS), _OLDEST))
        return weights


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
            found = Neighbourhood(self.index, *self._newest(code), self.taste)
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
        return Neighbourhood(self.index, entries[stays], sessions[stays], self.taste)

    def _newest(self, code: int, more: int = 0) -> tuple[Ints, Ints]:
        return self.index.entries_of(code, self.taste.sessions_per_item + more)

    def _keep(self, code: int, found: Neighbourhood) -> None:
        with self._keeping:
            if self.cells > CELLS_MAX:
                self._kept, self.cells = {}, 0
            self._kept[code] = found
            self.cells += found.cells


def heard(
    index: SessionIndex, entries: Ints, sessions: Ints, weights: Floats, taste: Taste = USUAL
) -> Pointed:
    """All items of these sessions, one session behind the other, each with what it counts: the
    session's weight, the less the farther it is from the entry of that session."""
    begins = index.ends.take(sessions)
    lengths = index.ends.take(sessions + 1) - begins
    places = ranges(begins, lengths)
    points = weights.repeat(lengths)
    if taste.near_items:
        away = np.abs(places - entries.repeat(lengths))
        points *= _by_distance(taste.near_items, _size(lengths)).take(away)
    return index.codes.take(places).astype(np.int64), points


def _size(lengths: Ints) -> int:
    """How far a table has to reach for sessions so long: there are few tables."""
    return 1 << int(lengths.max(initial=1)).bit_length()


@lru_cache(maxsize=64)
def _by_distance(near_items: float, size: int) -> Floats:
    """What an item counts that is so many items away."""
    return np.exp(-np.arange(size) / near_items)


@lru_cache(maxsize=64)
def _by_length(shortness: float, size: int) -> Floats:
    """What a session counts that holds so many items."""
    return np.maximum(np.arange(size), 1) ** -shortness


def _are_among(sessions: Ints, some: Ints) -> Flags:
    if len(some) == 1:
        found: Flags = sessions == some[0]
        return found
    return np.isin(sessions, some)
