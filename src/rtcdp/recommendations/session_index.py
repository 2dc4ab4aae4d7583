"""Sessions of items, laid out so that those that hold an item are found at once.

An index is a function of the set of sessions alone. One that was changed session by session gives
the same answers as one that is built anew: sessions are in the order of (start, user), whatever
came when, and what is taken out leaves nothing behind that counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from rtcdp.recommendations.session_part import (
    KEY,
    SESSIONS_SCHEMA,
    START,
    TOLD,
    USER,
    Codes,
    Columns,
    Flags,
    Floats,
    Ints,
    ItemCodes,
    Part,
    Postings,
    cleaned,
    hash_of,
    part_of,
    postings,
    ranges,
    recoded,
)

RECENT_MAX, RECENT_SHARE = 20_000, 8
"""Changed sessions stand apart until there are more than that, and more than one in so many; and
items that no session holds are remembered until so many more are that than are held."""

ROOM_FOR = 32
"""Behind the base there is room for the recent ones of so many changes."""


Edge = tuple[int, str | None]
"""What is left out beyond: sessions that began before a time (UTC ms), and of those that began just
then, of users that come after a name; all are kept where there is none."""


@dataclass(frozen=True)
class SessionIndex:
    """Sessions of items. Those of `_base` come first in number, then some that are not there, then
    those of `_recent`, from `_first` on; a number means a session in this index and no other.

    `starts` are by session, `is_there` says which are. `codes` are by entry, an item of a session;
    those of session n are from `ends[n]` to `ends[n + 1]`. `counts` says in how many sessions an
    item is.
    """

    items: ItemCodes
    starts: Ints
    ends: Ints
    is_there: Flags
    codes: Codes
    counts: Ints
    _columns: Columns
    _first: int
    _base: Part
    _recent: Part
    _of_base: Postings
    _of_recent: Postings
    _ranks: Ints

    @cached_property
    def session_count(self) -> int:
        """How many sessions there are."""
        return int(np.count_nonzero(self.is_there))

    @cached_property
    def rareness(self) -> Floats:
        """Of each item the logarithm of how many sessions there are for one with it; 0 where it is
        in none."""
        found: Floats = np.log(max(self.session_count, 1) / np.maximum(self.counts, 1))
        return np.where(self.counts > 0, found, 0.0)

    @cached_property
    def oldest_start(self) -> int | None:
        """When the oldest session began (UTC ms); None where there is none."""
        size = self._base.height
        of_base = _first_set(self.is_there[:size])
        # Both parts are in order, and all of the recent ones are there.
        firsts = [*self.starts[of_base].tolist(), *self._recent.starts[:1].tolist()]
        return min(firsts, default=None)

    @cached_property
    def newest_start(self) -> int | None:
        """When the newest session began (UTC ms); None where there is none."""
        size = self._base.height
        of_base = size - 1 - _first_set(self.is_there[:size][::-1])
        lasts = [*self.starts[of_base].tolist(), *self._recent.starts[-1:].tolist()]
        return max(lasts, default=None)

    def held_after(self, start: int) -> Ints:
        """How many of the sessions that began later than that (UTC ms) hold each item, by
        number."""
        base, recent = self._base, self._recent
        first, size = int(base.starts.searchsorted(start + 1)), base.height
        gone = first + np.flatnonzero(~self.is_there[first:size])
        # What began after a time stands together, as both parts are in order.
        return (
            self._counted(base.codes[base.ends[first] :])
            - self._counted(base.codes[base.entries_of(gone)])
            + self._counted(recent.codes[recent.ends[recent.starts.searchsorted(start + 1)] :])
        )

    def _counted(self, codes: Codes) -> Ints:
        return np.bincount(codes, minlength=len(self.counts))

    def codes_of(self, items: Iterable[str]) -> Ints:
        """The numbers of items, of those that any session holds."""
        codes = [self.items.code_of(item) for item in items]
        known = [code for code in codes if 0 <= code < len(self.counts) and self.counts[code]]
        return np.array(known, np.int64)

    def items_of(self, numbers: Ints) -> tuple[Ints, Ints]:
        """The entries of sessions, one session behind the other, and the place of each one's
        session among `numbers`."""
        lengths = self.lengths_of(numbers)
        return ranges(self.ends[numbers], lengths), np.repeat(np.arange(len(numbers)), lengths)

    def lengths_of(self, numbers: Ints) -> Ints:
        """How many items sessions hold."""
        return self.ends[numbers + 1] - self.ends[numbers]

    def order_of(self, numbers: Ints) -> Ints:
        """What sessions, by number, are sorted by to stand in the order of (start, user)."""
        first, further = self._first, len(self._ranks)
        # Between two sessions of the base there is room for all recent ones.
        order = numbers * (further + 1) + further
        recent = np.flatnonzero(numbers >= first)
        if len(recent):
            places = numbers[recent] - first
            order[recent] = self._ranks[places] * (further + 1) + places
        return order

    def entries_of(self, code: int, newest: int) -> tuple[Ints, Ints]:
        """The entries that hold an item, at most those of the `newest` sessions with it, oldest
        first; and these sessions."""
        of_base, of_recent = self._of_base, self._of_recent
        some = of_base.newest(code, newest)
        entries, sessions = of_base.entries[some], of_base.sessions[some]
        if of_base.lacks(code):
            there = np.flatnonzero(self.is_there[sessions])[-newest:]
            entries, sessions = entries[there], sessions[there]
        some = of_recent.newest(code, newest)
        if some.start == some.stop:
            return entries, sessions
        # So many of the base come before the first of them.
        before = self._ranks[int(of_recent.sessions[some.start]) - self._first]
        is_newer = len(sessions) == 0 or sessions[-1] < before
        if is_newer and some.stop - some.start >= newest:
            return of_recent.entries[some][-newest:], of_recent.sessions[some][-newest:]
        entries = np.concatenate([entries, of_recent.entries[some]])
        sessions = np.concatenate([sessions, of_recent.sessions[some]])
        if not is_newer:
            by_age = np.argsort(self.order_of(sessions))
            entries, sessions = entries[by_age], sessions[by_age]
        return entries[-newest:], sessions[-newest:]

    def numbers_of(self, keys: pl.DataFrame) -> Ints:
        """The numbers of the sessions with these keys (`user`, `start`), where they are there."""
        of_recent = self._recent.places(keys) + self._first
        numbers = np.concatenate([self._base.places(keys), of_recent])
        there: Ints = numbers[self.is_there[numbers]]
        return there

    def knows(self, told: pl.DataFrame) -> Flags:
        """Of sessions by their keys (`user`, `start`), whether they are there, and `told` alike."""
        known = np.zeros(told.height, np.bool_)
        for part, first in ((self._base, 0), (self._recent, self._first)):
            rows, places = part.found(told)
            is_same = part.told[places] == told[TOLD][rows]
            there = self.is_there[first + places] & is_same.fill_null(False).to_numpy()
            known[rows[there]] = True
        return known

    def most_of_user(self, user: str) -> int:
        """How many sessions a user has at most; told at once."""
        ranges_of_parts = [part.range_of(hash_of(user)) for part in (self._base, self._recent)]
        return sum(end - first for first, end in ranges_of_parts)

    def of_user(self, user: str, newest: int) -> tuple[Ints, list[str | None]]:
        """The numbers of a user's sessions, and what is told of the `newest`, oldest first."""
        found = [
            (int(self.starts[number]), number, part, place)
            for part, first in ((self._base, 0), (self._recent, self._first))
            for place in part.places_of_user(user)
            if self.is_there[number := first + place]
        ]
        last = sorted(found, key=lambda each: each[0])[-newest:]
        told = [part.told[place] for *_, part, place in last]
        return np.array([number for _, number, *_ in found], np.int64), told

    def ready(self) -> "SessionIndex":
        """The same, with all worked out that an answer would have to wait for."""
        assert len(self.rareness) == len(self.counts)
        for _ in (self.session_count, self.oldest_start, self.newest_start):
            pass
        for _ in (self._base.by_user, self._recent.by_user):
            pass
        return self

    def sessions(self) -> pl.DataFrame:
        """All sessions that are there, by (start, user), as `SESSIONS_SCHEMA` has them."""
        parts = [self._base.frame(self.items), self._recent.frame(self.items)]
        is_there = np.concatenate(
            [self.is_there[: self._base.height], self.is_there[self._first :]]
        )
        there = pl.concat(parts).filter(pl.Series(is_there))
        return there.sort(START, USER).select(SESSIONS_SCHEMA.names())

    def changed(
        self,
        sessions: pl.DataFrame,
        gone: pl.DataFrame,
        edge: Edge | None = None,
        count_max: int | None = None,
    ) -> "SessionIndex":
        """An index with these sessions, in the place of those with their keys, and without those
        whose keys (`user`, `start`) are among `gone`; without what is beyond the `edge`, and with
        the newest `count_max` at most, of those that began at the same time the first users."""
        away = pl.concat([sessions[KEY], gone[KEY]])
        size = self._base.height
        was_there = self.is_there[:size]
        is_there = was_there.copy()
        is_there[self._base.places(away)] = False
        stays = np.ones(self._recent.height, np.bool_)
        stays[self._recent.places(away)] = False
        further = part_of(cleaned(sessions), self.items)
        order = self._recent.order_with(further, stays)
        recent = self._recent.beside(further).among(order)
        ranks = np.concatenate([self._ranks, self._base.ranks(further.keys)])[order]
        if edge is not None:
            is_there, recent = _within(self._base, is_there, recent, edge)
        edge = None if count_max is None else _edge_of(self._base, is_there, recent, count_max)
        if edge is not None:
            is_there, recent = _within(self._base, is_there, recent, edge)
        held = int((self.counts > 0).sum())
        is_full = recent.height > _room(size)
        if is_full or len(self.items.names) > 2 * held + RECENT_MAX:
            # Items that no session holds any more are forgotten with it.
            return _built(
                *recoded(self._base.among(np.flatnonzero(is_there)).joined(recent), self.items)
            )
        lost = self._base.codes[self._base.entries_of(np.flatnonzero(was_there & ~is_there))]
        lost_counts = np.bincount(lost, minlength=len(self.items.names))
        lost_counts[: len(self._of_base.gone)] += self._of_base.gone
        of_base = replace(self._of_base, gone=lost_counts)
        if len(ranks) != recent.height:
            ranks = self._base.ranks(recent.keys)
        return _joined(self, (recent, ranks), of_base, is_there)

    def without_before(self, start: int) -> "SessionIndex":
        """An index without the sessions that began before a time (UTC ms)."""
        oldest = self.oldest_start
        if oldest is None or oldest >= start:
            return self
        return self.changed(SESSIONS_SCHEMA.to_frame(), keys_frame(()), (start, None))

    @cached_property
    def oldest(self) -> Edge | None:
        """The oldest session that is there, of those that began at the same time the one of the
        last user."""
        if self.oldest_start is None:
            return None
        start = self.oldest_start
        users = [
            user
            for part, first in ((self._base, 0), (self._recent, self._first))
            for place in range(*_span_of(part, start))
            if self.is_there[first + place] and (user := part.users[place]) is not None
        ]
        return start, max(users)


def index_of(sessions: pl.DataFrame) -> SessionIndex:
    """The index of these sessions, in any order. They have the columns of `SESSIONS_SCHEMA`."""
    items = ItemCodes()
    return _built(part_of(cleaned(sessions), items), items)


def keys_frame(keys: Iterable[tuple[str, int]]) -> pl.DataFrame:
    """Keys of sessions as a frame."""
    return pl.DataFrame(list(keys), {USER: pl.String(), START: pl.Int64()}, orient="row")


def _first_set(flags: Flags) -> Ints:
    """The place of the first one that is set; none where no one is."""
    if len(flags) == 0:
        return np.zeros(0, np.int64)
    first = int(flags.argmax())
    return np.arange(first, first + int(flags[first]))


def _room(base_size: int) -> int:
    """How many sessions may stand apart from so many."""
    return max(RECENT_MAX, base_size // RECENT_SHARE)


def _span_of(part: Part, start: int) -> tuple[int, int]:
    """From where to where sessions begin at a time."""
    ends = part.starts.searchsorted(start, side="right")
    return int(part.starts.searchsorted(start)), int(ends)


def _within(base: Part, is_there: Flags, recent: Part, edge: Edge) -> tuple[Flags, Part]:
    """Without what is beyond an edge."""
    is_there, stays = is_there.copy(), np.ones(recent.height, np.bool_)
    start, last_user = edge
    for part, kept in ((base, is_there), (recent, stays)):
        first, end = _span_of(part, start)
        kept[:first] = False
        if last_user is not None:
            kept[first:end] &= (part.users[first:end] <= last_user).to_numpy()
    return is_there, recent if stays.all() else recent.among(np.flatnonzero(stays))


def _edge_of(base: Part, is_there: Flags, recent: Part, count_max: int) -> Edge | None:
    """The edge within which the newest `count_max` are; None where there are no more."""
    surplus = int(np.count_nonzero(is_there)) + recent.height - count_max
    if surplus <= 0:
        return None
    oldest = np.concatenate(
        [base.starts[np.flatnonzero(is_there)[:surplus]], recent.starts[:surplus]]
    )
    start = int(np.partition(oldest, surplus - 1)[surplus - 1])
    first, end = _span_of(base, start)
    same = base.users[first:end].filter(pl.Series(is_there[first:end]))
    before = int(np.count_nonzero(is_there[:first]))
    first, end = _span_of(recent, start)
    users = sorted([*same.to_list(), *recent.users[first:end].to_list()])
    left = len(users) - (surplus - before - first)
    return (start, users[left - 1]) if left else (start + 1, None)


def _built(base: Part, items: ItemCodes) -> SessionIndex:
    everyone = np.ones(base.height, np.bool_)
    of_base = postings(base, len(items.names), 0, 0)
    nothing = part_of(cleaned(SESSIONS_SCHEMA.to_frame()), items)
    columns = Columns(base, 0, 0)
    starts, ends, codes = columns.until(base.height, len(base.codes))
    return SessionIndex(
        items=items,
        starts=starts,
        ends=ends,
        is_there=everyone,
        codes=codes,
        counts=of_base.counts,
        _columns=columns,
        _first=base.height,
        _base=base,
        _recent=nothing,
        _of_base=of_base,
        _of_recent=postings(nothing, len(items.names), len(base.codes), base.height),
        _ranks=np.zeros(0, np.int64),
    )


def _joined(
    before: SessionIndex, recent: tuple[Part, Ints], of_base: Postings, is_there: Flags
) -> SessionIndex:
    """An index of the same base, of which some sessions are there, and of recent sessions with
    their ranks in it."""
    part, ranks = recent
    columns, item_count = before._columns, len(before.items.names)
    place = columns.put(part)
    if place is None:
        columns = Columns(before._base, ROOM_FOR * part.height, ROOM_FOR * len(part.codes))
        place = columns.put(part)
        assert place is not None
    session, entry = place
    starts, ends, codes = columns.until(session + part.height, entry + len(part.codes))
    is_any = np.zeros(len(starts), np.bool_)
    is_any[: len(is_there)] = is_there
    is_any[session:] = True
    # The base is counted already: there are millions of entries.
    counts = np.bincount(part.codes, minlength=item_count)
    of_items = of_base.counts
    counts[: len(of_items)] += of_items
    return replace(
        before,
        starts=starts,
        ends=ends,
        is_there=is_any,
        codes=codes,
        counts=counts,
        _columns=columns,
        _first=session,
        _recent=part,
        _of_base=of_base,
        _of_recent=postings(part, item_count, entry, session),
        _ranks=ranks,
    )
