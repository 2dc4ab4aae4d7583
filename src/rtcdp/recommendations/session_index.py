"""Sessions of items, laid out so that those that hold an item are found at once.

An index is a function of the set of sessions alone. One that was changed session by session gives
the same answers as one that is built anew: sessions are in the order of (start, user), whatever
came when, and what is taken out leaves nothing behind that counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

USER, START, ITEMS, TOLD = "user", "start", "items", "told"
SESSIONS_SCHEMA = pl.Schema({USER: pl.String(), START: pl.Int64(), ITEMS: pl.List(pl.String())})
"""A session: whose it is, when it began (UTC ms), and its items in order; of an item that is there
again, the first time counts. A user's sessions begin at different times. Beside these columns there
may be `TOLD`, a text that is kept of each session."""

_KEY = [USER, START]
_KEPT = [*_KEY, TOLD]
RECENT_MAX, RECENT_SHARE = 20_000, 8
"""Changed sessions stand apart until there are more than that, and more than one in so many; and
items that no session holds are remembered until so many more are that than are held."""

UNKNOWN = -1


class ItemCodes:
    """Numbers for items, in the order in which they were seen. It only grows, so that indexes of
    one family share it, and whoever reads an older one is not disturbed; when all is sorted again,
    a new family begins."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self.names: list[str] = []

    def code_of(self, item: str) -> int:
        """The number of an item, or `UNKNOWN`."""
        return self._codes.get(item, UNKNOWN)

    def encoded(self, items: pl.Series) -> Codes:
        """The numbers of items, new ones for those that were not seen before."""
        different = items.unique(maintain_order=True)
        for name in different.to_list():
            if name not in self._codes:
                self._codes[name] = len(self.names)
                self.names.append(name)
        numbers = pl.Series([self._codes[name] for name in different.to_list()], dtype=pl.Int32)
        return items.replace_strict(different, numbers, return_dtype=pl.Int32).to_numpy()


@dataclass(frozen=True)
class _Postings:
    """Which entries hold each item, a slice of `entries` by `ends`, oldest session first, and
    whose `sessions` they are; and how many of each item's are of sessions that are gone."""

    ends: Ints
    entries: Ints
    sessions: Ints
    gone: Ints

    def newest(self, code: int, count: int) -> slice:
        """At least the newest `count` entries that are not gone, as far as there are so many."""
        if code >= len(self.ends) - 1:
            return slice(0, 0)
        first, end = int(self.ends[code]), int(self.ends[code + 1])
        return slice(max(first, end - count - int(self.gone[code])), end)

    def lacks(self, code: int) -> bool:
        """Whether any entry of an item is gone."""
        return code < len(self.gone) and bool(self.gone[code])


@dataclass(frozen=True)
class _Part:
    """Sessions sorted by (start, user): `keys` and what is told of them, and their items, those of
    session n being `codes[ends[n]:ends[n + 1]]`."""

    keys: pl.DataFrame
    starts: Ints
    ends: Ints
    codes: Codes

    def places(self, keys: pl.DataFrame) -> Ints:
        """Where among these sessions those with such keys are, as far as they are there."""
        pairs, places = self._at_once(keys)
        same = self.users.gather(places) == keys[USER].gather(pairs)
        found: Ints = places[same.to_numpy()]
        return found

    @cached_property
    def users(self) -> pl.Series:
        """Whose each session is."""
        return self.keys[USER]

    @cached_property
    def told(self) -> pl.Series:
        """What is told of each session."""
        return self.keys[TOLD]

    @cached_property
    def by_user(self) -> tuple[npt.NDArray[np.uint64], Ints]:
        """The hashes of the users in order, and the place of each one's session."""
        hashes = np.fromiter(map(_hash_of, self.users), np.uint64, len(self.users))
        order = np.argsort(hashes, kind="stable")
        return hashes[order], order

    def places_of_user(self, user: str) -> list[int]:
        """Where the sessions of a user are, oldest first."""
        first, end = self.range_of(_hash_of(user))
        if first == end:
            return []
        places = self.by_user[1][first:end].tolist()
        return [place for place in places if self.users[place] == user]

    def range_of(self, user_hash: int) -> tuple[int, int]:
        """From where to where, among `by_user`, users with a hash are."""
        hashes, wanted = self.by_user[0], np.uint64(user_hash)
        end = np.searchsorted(hashes, wanted, side="right")
        return int(np.searchsorted(hashes, wanted)), int(end)

    def ranks(self, keys: pl.DataFrame) -> Ints:
        """How many of these sessions come before each of these keys."""
        before: Ints = np.searchsorted(self.starts, keys[START].to_numpy())
        pairs, places = self._at_once(keys)
        is_less = self.users.gather(places) < keys[USER].gather(pairs)
        less: Ints = np.bincount(pairs[is_less.to_numpy()], minlength=keys.height)
        before += less
        return before

    def _at_once(self, keys: pl.DataFrame) -> tuple[Ints, Ints]:
        """Each key with each session that begins at its time, as two columns of places."""
        starts = keys[START].to_numpy()
        first = np.searchsorted(self.starts, starts)
        counts = np.searchsorted(self.starts, starts, side="right") - first
        return np.repeat(np.arange(len(starts)), counts), ranges(first, counts)


@dataclass(frozen=True)
class SessionIndex:
    """Sessions of items. Those of `_base` come first in number, then those of `_recent`; a number
    means a session in this index and no other.

    `starts` are by session, `order` says in which order they are by (start, user), `is_there` which
    are. `codes` are by entry, an item of a session; those of session n are from `ends[n]` to
    `ends[n + 1]`. `counts` says in how many sessions an item is.
    """

    items: ItemCodes
    starts: Ints
    ends: Ints
    order: Ints
    is_there: Flags
    codes: Codes
    counts: Ints
    _base: _Part
    _recent: _Part
    _of_base: _Postings
    _of_recent: _Postings

    @cached_property
    def session_count(self) -> int:
        """How many sessions there are."""
        return int(self.is_there.sum())

    @cached_property
    def rareness(self) -> Floats:
        """Of each item the logarithm of how many sessions there are for one with it; 0 where it is
        in none."""
        found: Floats = np.log(max(self.session_count, 1) / np.maximum(self.counts, 1))
        return np.where(self.counts > 0, found, 0.0)

    @cached_property
    def oldest_start(self) -> int | None:
        """When the oldest session began (UTC ms); None where there is none."""
        there = self.starts[self.is_there]
        return int(there.min()) if len(there) else None

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
        is_newer = len(sessions) == 0 or (
            self.order[sessions[-1]] < self.order[of_recent.sessions[some.start]]
        )
        entries = np.concatenate([entries, of_recent.entries[some]])
        sessions = np.concatenate([sessions, of_recent.sessions[some]])
        if not is_newer:
            by_age = np.argsort(self.order[sessions], kind="stable")
            entries, sessions = entries[by_age], sessions[by_age]
        return entries[-newest:], sessions[-newest:]

    def numbers_of(self, keys: pl.DataFrame) -> Ints:
        """The numbers of the sessions with these keys (`user`, `start`), where they are there."""
        of_recent = self._recent.places(keys) + self._base.keys.height
        numbers = np.concatenate([self._base.places(keys), of_recent])
        there: Ints = numbers[self.is_there[numbers]]
        return there

    def most_of_user(self, user: str) -> int:
        """How many sessions a user has at most; told at once."""
        ranges_of_parts = [part.range_of(_hash_of(user)) for part in (self._base, self._recent)]
        return sum(end - first for first, end in ranges_of_parts)

    def of_user(self, user: str, newest: int) -> tuple[Ints, list[str | None]]:
        """The numbers of a user's sessions, and what is told of the `newest`, oldest first."""
        found = [
            (int(self.starts[number]), number, part, place)
            for part, first in ((self._base, 0), (self._recent, self._base.keys.height))
            for place in part.places_of_user(user)
            if self.is_there[number := first + place]
        ]
        last = sorted(found, key=lambda each: each[0])[-newest:]
        told = [part.told[place] for *_, part, place in last]
        return np.array([number for _, number, *_ in found], np.int64), told

    def ready(self) -> "SessionIndex":
        """The same, with all worked out that an answer would have to wait for."""
        assert len(self.rareness) == len(self.counts)
        for _ in (self.session_count, self.oldest_start, self._base.by_user, self._recent.by_user):
            pass
        return self

    def sessions(self) -> pl.DataFrame:
        """All sessions that are there, by (start, user), as `SESSIONS_SCHEMA` has them."""
        parts = [_frame(self._base, self.items), _frame(self._recent, self.items)]
        there = pl.concat(parts).filter(pl.Series(self.is_there))
        return there.sort(START, USER).select(SESSIONS_SCHEMA.names())

    def changed(self, sessions: pl.DataFrame, gone: pl.DataFrame) -> "SessionIndex":
        """An index with these sessions, in the place of those with their keys, and without those
        whose keys (`user`, `start`) are among `gone`."""
        away = pl.concat([sessions.select(_KEY), gone.select(_KEY)]).unique()
        sessions = _cleaned(sessions)
        base_size = self._base.keys.height
        is_there = self.is_there[:base_size].copy()
        is_there[self._base.places(away)] = False
        recent = _frame(self._recent, self.items).join(away, on=_KEY, how="anti", nulls_equal=True)
        recent = pl.concat([recent, sessions])
        held = int((self.counts > 0).sum())
        is_full = recent.height > max(RECENT_MAX, base_size // RECENT_SHARE)
        if is_full or len(self.items.names) > 2 * held + RECENT_MAX:
            kept = _frame(self._base, self.items).filter(pl.Series(is_there))
            # Items that no session holds any more are forgotten with it.
            return _built(ItemCodes(), pl.concat([kept, recent]))
        gone_places = np.flatnonzero(~is_there)
        begins, ends = self._base.ends[gone_places], self._base.ends[gone_places + 1]
        lost = self._base.codes[ranges(begins, ends - begins)]
        lost_counts = np.bincount(lost, minlength=len(self.items.names))
        of_base = replace(self._of_base, gone=lost_counts)
        return _joined(self.items, (self._base, of_base), _part(recent, self.items), is_there)

    def without_before(self, start: int) -> "SessionIndex":
        """An index without the sessions that began before a time (UTC ms)."""
        is_old = self.is_there & (self.starts < start)
        if not is_old.any():
            return self
        keys = pl.concat([self._base.keys, self._recent.keys]).filter(pl.Series(is_old))
        return self.changed(SESSIONS_SCHEMA.to_frame(), keys.select(_KEY))


def index_of(sessions: pl.DataFrame) -> SessionIndex:
    """The index of these sessions, in any order. They have the columns of `SESSIONS_SCHEMA`."""
    return _built(ItemCodes(), _cleaned(sessions))


def ranges(firsts: Ints, counts: Ints) -> Ints:
    """The numbers of ranges, one behind the other: `counts` numbers from each of `firsts` on."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(firsts - ends + counts, counts)


def _hash_of(user: str) -> int:
    return xxhash.xxh3_64_intdigest(user.encode(errors="surrogatepass"))


def _cleaned(sessions: pl.DataFrame) -> pl.DataFrame:
    """Sessions that have an item, each item once."""
    different = pl.col(ITEMS).list.unique(maintain_order=True)
    told = pl.col(TOLD) if TOLD in sessions.columns else pl.lit(None, pl.String).alias(TOLD)
    return sessions.select(USER, START, different, told).filter(pl.col(ITEMS).list.len() > 0)


def _built(items: ItemCodes, sessions: pl.DataFrame) -> SessionIndex:
    base = _part(sessions, items)
    everyone = np.ones(base.keys.height, np.bool_)
    of_base = _postings(base, len(items.names), 0, 0)
    nothing = _cleaned(SESSIONS_SCHEMA.to_frame())
    return _joined(items, (base, of_base), _part(nothing, items), everyone)


def _part(sessions: pl.DataFrame, items: ItemCodes) -> _Part:
    ordered = sessions.sort(START, USER)
    lengths = ordered[ITEMS].list.len().to_numpy().astype(np.int64)
    codes = items.encoded(ordered[ITEMS].explode()) if len(ordered) else np.zeros(0, np.int32)
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return _Part(ordered.select(_KEPT), ordered[START].to_numpy(), ends, codes)


def _postings(part: _Part, item_count: int, first_entry: int, first_session: int) -> _Postings:
    """The postings of a part whose entries and sessions are numbered from these on."""
    counts = np.bincount(part.codes, minlength=item_count)
    entries = np.argsort(part.codes, kind="stable")
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    sessions = np.repeat(np.arange(len(part.ends) - 1), np.diff(part.ends))[entries]
    gone = np.zeros(item_count, np.int64)
    return _Postings(ends, entries + first_entry, sessions + first_session, gone)


def _joined(
    items: ItemCodes, base: tuple[_Part, _Postings], recent: _Part, is_there: Flags
) -> SessionIndex:
    """One index of a base, of which some sessions are there, and of recent sessions."""
    part, of_base = base
    size, further = part.keys.height, recent.keys.height
    is_there = np.concatenate([is_there, np.ones(further, np.bool_)])
    # Between two sessions of the base there is room for all recent ones.
    order = np.concatenate(
        [
            np.arange(size) * (further + 1) + further,
            part.ranks(recent.keys) * (further + 1) + np.arange(further),
        ]
    )
    entry_count = len(part.codes)
    ends = np.concatenate([part.ends, recent.ends[1:] + entry_count])
    # The base is counted already: there are millions of entries.
    counts = np.bincount(recent.codes, minlength=len(items.names))
    known = len(of_base.ends) - 1
    counts[:known] += np.diff(of_base.ends) - of_base.gone[:known]
    return SessionIndex(
        items=items,
        starts=np.concatenate([part.starts, recent.starts]),
        ends=ends,
        order=order,
        is_there=is_there,
        codes=np.concatenate([part.codes, recent.codes]),
        counts=counts,
        _base=part,
        _recent=recent,
        _of_base=of_base,
        _of_recent=_postings(recent, len(items.names), entry_count, size),
    )


def _frame(part: _Part, items: ItemCodes) -> pl.DataFrame:
    """The sessions of a part, as they were given."""
    if part.keys.is_empty():
        return _cleaned(SESSIONS_SCHEMA.to_frame())
    names = pl.Series(items.names, dtype=pl.String).gather(part.codes)
    numbers = np.repeat(np.arange(part.keys.height), np.diff(part.ends))
    lists = pl.DataFrame({"n": numbers, ITEMS: names}).group_by("n", maintain_order=True).all()
    return part.keys.with_columns(lists[ITEMS]).select(USER, START, ITEMS, TOLD)


def keys_frame(keys: Iterable[tuple[str, int]]) -> pl.DataFrame:
    """Keys of sessions as a frame."""
    return pl.DataFrame(list(keys), {USER: pl.String(), START: pl.Int64()}, orient="row")
