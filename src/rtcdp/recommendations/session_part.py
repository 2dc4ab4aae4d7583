"""Sorted sessions of items, which are never changed, and where among them each item is.

What a part has worked out of its sessions, the numbers of their items and the hashes of their
users, goes along when some are taken out of it or put beside others: a small change costs little.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]
_Number = TypeVar("_Number", np.int32, np.int64)

USER, START, ITEMS, TOLD = "user", "start", "items", "told"
SESSIONS_SCHEMA = pl.Schema({USER: pl.String(), START: pl.Int64(), ITEMS: pl.List(pl.String())})
"""A session: whose it is, when it began (UTC ms), and its items in order; of an item that is there
again, the first time counts. A user's sessions begin at different times. Beside these columns there
may be `TOLD`, a text that is kept of each session."""

KEY = [USER, START]
_KEPT = [*KEY, TOLD]

UNKNOWN = -1

_HALF_BITS = 16

_FEW = 100_000
"""So many items are numbered one by one, which is soon done. Of many, most are there again."""


class ItemCodes:
    """Numbers for items, in the order in which they were seen. It only grows, so that indexes of
    one family share it, and whoever reads an older one is not disturbed; when all is sorted again,
    a new family begins."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names: list[str] = list(names)
        self._codes = {name: code for code, name in enumerate(self.names)}

    def code_of(self, item: str) -> int:
        """The number of an item, or `UNKNOWN`."""
        return self._codes.get(item, UNKNOWN)

    def encoded(self, items: pl.Series) -> Codes:
        """The numbers of items, new ones for those that were not seen before."""
        if len(items) <= _FEW:
            names = items.to_list()
            known = [code for code in map(self._codes.get, names) if code is not None]
            # Mostly all of them are: then no name is looked at one by one.
            codes = known if len(known) == len(names) else map(self._number, names)
            return np.fromiter(codes, np.int32, len(names))
        different = items.unique(maintain_order=True)
        found = pl.Series([self._number(name) for name in different.to_list()], dtype=pl.Int32)
        return items.replace_strict(different, found, return_dtype=pl.Int32).to_numpy()

    def _number(self, item: str) -> int:
        found = self._codes.setdefault(item, len(self.names))
        if found == len(self.names):
            self.names.append(item)
        return found


@dataclass(frozen=True)
class Postings:
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

    @property
    def counts(self) -> Ints:
        """How many entries that are not gone each item has, by number."""
        found: Ints = np.diff(self.ends) - self.gone[: len(self.ends) - 1]
        return found


@dataclass(frozen=True)
class Part:
    """Sessions sorted by (start, user): `keys` and what is told of them, the `hashes` of their
    users, and their items, those of session n being `codes[ends[n]:ends[n + 1]]`."""

    keys: pl.DataFrame
    hashes: Hashes
    starts: Ints
    ends: Ints
    codes: Codes

    @property
    def height(self) -> int:
        """How many sessions these are."""
        return len(self.starts)

    def places(self, keys: pl.DataFrame) -> Ints:
        """Where among these sessions those with such keys are, as far as they are there."""
        return self.found(keys)[1]

    def found(self, keys: pl.DataFrame) -> tuple[Ints, Ints]:
        """Which of these keys are among these sessions, by their rows; and the places of these."""
        ranks = self.ranks(keys)
        asked = np.flatnonzero(ranks < self.height)
        asked = asked[self.starts[ranks[asked]] == keys[START].to_numpy()[asked]]
        same = self.users[ranks[asked]] == keys[USER][asked]
        asked = asked[same.to_numpy()]
        return asked, ranks[asked]

    @cached_property
    def users(self) -> pl.Series:
        """Whose each session is."""
        return self.keys[USER]

    @cached_property
    def told(self) -> pl.Series:
        """What is told of each session."""
        return self.keys[TOLD]

    @cached_property
    def by_user(self) -> tuple[Hashes, Ints]:
        """The hashes of the users in order, and the place of each one's session."""
        order = np.argsort(self.hashes, kind="stable")
        return self.hashes[order], order

    def places_of_user(self, user: str) -> list[int]:
        """Where the sessions of a user are, oldest first."""
        first, end = self.range_of(hash_of(user))
        if first == end:
            return []
        places = self.by_user[1][first:end].tolist()
        return [place for place in places if self.users[place] == user]

    def range_of(self, user_hash: int) -> tuple[int, int]:
        """From where to where, among `by_user`, users with a hash are."""
        hashes, wanted = self.by_user[0], np.uint64(user_hash)
        end = hashes.searchsorted(wanted, side="right")
        return int(hashes.searchsorted(wanted)), int(end)

    def ranks(self, keys: pl.DataFrame) -> Ints:
        """How many of these sessions come before each of these keys."""
        starts, users = keys[START].to_numpy(), keys[USER]
        least: Ints = np.searchsorted(self.starts, starts)
        most: Ints = np.searchsorted(self.starts, starts, side="right")
        # Among those that begin at the same time, which may be many, half are left at each step.
        open_ones = np.flatnonzero(least < most)
        while len(open_ones):
            middle = (least[open_ones] + most[open_ones]) // 2
            # Polars takes by brackets what is there, and plans a query for `gather`.
            is_before = (self.users[middle] < users[open_ones]).to_numpy()
            least[open_ones[is_before]] = middle[is_before] + 1
            most[open_ones[~is_before]] = middle[~is_before]
            open_ones = open_ones[least[open_ones] < most[open_ones]]
        return least

    def entries_of(self, places: Ints) -> Ints:
        """The entries of sessions, one session behind the other."""
        begins = self.ends[places]
        return ranges(begins, self.ends[places + 1] - begins)

    def among(self, places: Ints) -> "Part":
        """These sessions alone."""
        lengths = self.ends[places + 1] - self.ends[places]
        return Part(
            self.keys[places],
            self.hashes[places],
            self.starts[places],
            ends_of(lengths),
            self.codes[self.entries_of(places)],
        )

    def joined(self, other: "Part", stays: Flags | None = None) -> "Part":
        """These sessions, or those of them that stay, and others, which have other keys."""
        return self.beside(other).among(self.order_with(other, stays))

    def beside(self, other: "Part") -> "Part":
        """These sessions and then others, as they stand: no part that could be asked."""
        return Part(
            pl.concat([self.keys, other.keys]),
            np.concatenate([self.hashes, other.hashes]),
            np.concatenate([self.starts, other.starts]),
            np.concatenate([self.ends, other.ends[1:] + len(self.codes)]),
            np.concatenate([self.codes, other.codes]),
        )

    def order_with(self, other: "Part", stays: Flags | None = None) -> Ints:
        """The places of these sessions, or of those of them that stay, and of others, numbered on,
        in the order of (start, user)."""
        size = self.height + other.height
        # Both are in order, so what is to be found is only where the others come in.
        is_other = np.zeros(size, np.bool_)
        is_other[self.ranks(other.keys) + np.arange(other.height)] = True
        order: Ints = np.empty(size, np.int64)
        order[is_other] = np.arange(self.height, size)
        order[~is_other] = np.arange(self.height)
        if stays is not None:
            order = order[np.concatenate([stays, np.ones(other.height, np.bool_)])[order]]
        return order

    def frame(self, items: ItemCodes) -> pl.DataFrame:
        """The sessions as they were given."""
        if self.height == 0:
            return cleaned(SESSIONS_SCHEMA.to_frame())
        names = pl.Series(items.names, dtype=pl.String).gather(self.codes)
        numbers = np.repeat(np.arange(self.height), np.diff(self.ends))
        lists = pl.DataFrame({"n": numbers, ITEMS: names}).group_by("n", maintain_order=True).all()
        return self.keys.with_columns(lists[ITEMS]).select(USER, START, ITEMS, TOLD)


class Columns:
    """The starts, ends and items of the sessions of a base, and behind them those of recent ones,
    of which there are other ones each time: these are put behind all that was there before, while
    there is `room` for them. So what was put there is never changed, and the base, which is large,
    is seldom copied. Safe to use from several threads."""

    def __init__(self, base: Part, sessions: int, entries: int) -> None:
        self._starts = _with_room(base.starts, sessions)
        self._ends = _with_room(base.ends, sessions)
        self._codes = _with_room(base.codes, entries)
        self._session_count, self._entry_count = base.height, len(base.codes)
        self._putting = threading.Lock()

    def put(self, recent: Part) -> tuple[int, int] | None:
        """The numbers of the first of these sessions and of its first entry; None where there is no
        room for them."""
        with self._putting:
            session, entry = self._session_count, self._entry_count
            end, last = session + recent.height, entry + len(recent.codes)
            if end > len(self._starts) or last > len(self._codes):
                return None
            self._starts[session:end] = recent.starts
            self._ends[session + 1 : end + 1] = recent.ends[1:] + entry
            self._codes[entry:last] = recent.codes
            self._session_count, self._entry_count = end, last
        return session, entry

    def until(self, session: int, entry: int) -> tuple[Ints, Ints, Codes]:
        """The starts, ends and items of all sessions and entries before these."""
        return self._starts[:session], self._ends[: session + 1], self._codes[:entry]


def _with_room(some: npt.NDArray[_Number], more: int) -> npt.NDArray[_Number]:
    found = np.empty(len(some) + more, some.dtype)
    found[: len(some)] = some
    return found


def part_of(sessions: pl.DataFrame, items: ItemCodes) -> Part:
    """Sessions that are `cleaned`, in any order, as a part."""
    ordered = sessions.sort(START, USER)
    lengths = ordered[ITEMS].list.len().to_numpy().astype(np.int64)
    codes = items.encoded(ordered[ITEMS].explode()) if len(ordered) else np.zeros(0, np.int32)
    hashes = np.fromiter(map(hash_of, ordered[USER]), np.uint64, ordered.height)
    starts = ordered[START].to_numpy()
    return Part(ordered[_KEPT], hashes, starts, ends_of(lengths), codes)


def recoded(part: Part, items: ItemCodes) -> tuple[Part, ItemCodes]:
    """A part with numbers for its own items alone."""
    used, codes = np.unique(part.codes, return_inverse=True)
    names = ItemCodes(items.names[code] for code in used.tolist())
    return Part(part.keys, part.hashes, part.starts, part.ends, codes.astype(np.int32)), names


def postings(part: Part, item_count: int, first_entry: int, first_session: int) -> Postings:
    """The postings of a part whose entries and sessions are numbered from these on."""
    counts = np.bincount(part.codes, minlength=item_count)
    entries = _order_of(part.codes)
    sessions = np.repeat(np.arange(part.height), np.diff(part.ends))[entries]
    gone = np.zeros(item_count, np.int64)
    return Postings(ends_of(counts), entries + first_entry, sessions + first_session, gone)


def cleaned(sessions: pl.DataFrame) -> pl.DataFrame:
    """Sessions that have an item, each item once."""
    different = pl.col(ITEMS).list.unique(maintain_order=True)
    told = pl.col(TOLD) if TOLD in sessions.columns else pl.lit(None, pl.String).alias(TOLD)
    found = sessions.lazy().select(USER, START, different, told)
    return found.filter(pl.col(ITEMS).list.len() > 0).collect()


def ranges(firsts: Ints, counts: Ints) -> Ints:
    """The numbers of ranges, one behind the other: `counts` numbers from each of `firsts` on."""
    ends = counts.cumsum()
    numbers: Ints = (firsts - ends + counts).repeat(counts)
    numbers += np.arange(len(numbers))
    return numbers


def ends_of(lengths: Ints) -> Ints:
    """Where what is so long ends, one behind the other, and before them 0."""
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    return ends


def hash_of(user: str) -> int:
    """The hash that a user's sessions are found by."""
    return xxhash.xxh3_64_intdigest(user.encode(errors="surrogatepass"))


def _order_of(codes: Codes) -> Ints:
    """The places of codes in their order, equal ones as they stand. NumPy sorts numbers of 16 bits
    by their digits, which takes a tenth of the time."""
    low = codes.astype(np.uint16)
    order: Ints = np.argsort(low, kind="stable")
    if len(codes) and int(codes.max()) >> _HALF_BITS:
        high = (codes >> _HALF_BITS).astype(np.uint16)[order]
        order = order[np.argsort(high, kind="stable")]
    return order
