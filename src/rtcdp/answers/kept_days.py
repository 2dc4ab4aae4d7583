"""What was read of whole days, kept for the next answer as long as these days are the same.

Beside its tables a store keeps control sums by day (`rtcdp.store.checksums`). A late event, an
import, a session that joins another or is deleted: all of them change the sum of their day in the
transaction that changes the rows. So a day whose sum is the one of before has the rows of before,
and only what changed since, most of all today, is read again.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import polars as pl

from rtcdp.clock import DAY_MS

T = TypeVar("T")

BYTES_MAX = 256 * 1024 * 1024
"""So many bytes are kept in all; what nobody has asked for the longest goes first."""

ENTRY_BYTES = 4096
"""What a part takes beside its rows, about, also where it has none."""

Mark = Hashable
Marks = Mapping[int, Mark]
"""The marks of the days (counted from 1970, by UTC) that anything was ever counted on: as long as
the mark is the same, so is the day. Days without one have nothing worth keeping."""


class KeptDays:
    """What one server has read of whole days: `bytes_max` of it. Used by many threads."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._bytes = 0

    @property
    def is_half_full(self) -> bool:
        """Whether what is read ahead would soon push out what somebody has asked for."""
        return 2 * self._bytes > self.bytes_max

    def get(self, name: Hashable, mark: Mark, read: Callable[[], tuple[T, int | None]]) -> T:
        """What is kept under the name, if it has this mark; otherwise what `read` gives, with the
        bytes that it takes; None: it is not kept. What that raises is raised, and nothing kept."""
        with self._lock:
            kept = self._kept.get(name)
            if kept is not None and kept.mark == mark:
                self._kept.move_to_end(name)
                return cast("T", kept.part)
        part, size = read()
        with self._lock:
            before = self._kept.pop(name, None)
            self._bytes -= 0 if before is None else before.size
            if size is not None:
                self._kept[name] = _Kept(mark, part, size)
                self._bytes += size
            while self._bytes > self.bytes_max and self._kept:
                _, gone = self._kept.popitem(last=False)
                self._bytes -= gone.size
        return part


@dataclass(frozen=True)
class _Kept:
    mark: Mark
    part: Any
    size: int


@dataclass(frozen=True)
class Stretch:
    """A part of a time, [`start`, `end`) (UTC ms): a whole `day` that has a mark, or whatever lies
    between such days."""

    day: int | None
    start: int
    end: int


def detached(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows, whose texts rest by themselves: those that were picked out of others hold the
    memory of all of them, which `estimated_size` doesn't tell."""
    return rows.with_columns(pl.col(pl.String) + "")


def stretches(marks: Marks, start: int, end: int) -> Iterator[Stretch]:
    """All of [`start`, `end`) (UTC ms), cut at the whole days that have a mark; at least one."""
    whole, at = whole_days(start, end), start
    for day in sorted(each for each in marks if each in whole):
        begin = day * DAY_MS
        if at < begin:
            yield Stretch(None, at, begin)
        at = begin + DAY_MS
        yield Stretch(day, begin, at)
    if at < end or at == start:
        yield Stretch(None, at, end)


def whole_days(start: int, end: int) -> range:
    """The days (by UTC) that lie in [`start`, `end`) (UTC ms) entirely."""
    return range(-(-start // DAY_MS), max(-(-start // DAY_MS), end // DAY_MS))
