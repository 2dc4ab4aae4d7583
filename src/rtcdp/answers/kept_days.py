"""What was read of whole days, kept for the next answer as long as these days are the same.

Beside its tables a store keeps control sums by day (`rtcdp.store.checksums`). A late event, an
import, a session that joins another or is deleted: all of them change the sum of their day in the
transaction that changes the rows. So a day whose sum is the one of before has the rows of before,
and only what changed since, most of all today, is read again.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from rtcdp.events.calendar import DAY_MS

T = TypeVar("T")

ROWS_MAX = 3_000_000
"""So many rows are kept in all; what nobody has asked for the longest goes first."""

Mark = Hashable
MarkOf = Callable[[int], Mark]
"""The mark of a day (counted from 1970, by UTC): as long as it is the same, so is the day."""


class KeptDays:
    """What one server has read of whole days. Used by many threads."""

    def __init__(self, rows_max: int = ROWS_MAX) -> None:
        self._rows_max = rows_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._rows = 0

    def get(self, name: Hashable, mark: Mark, read: Callable[[], tuple[T, int]]) -> T:
        """What is kept under the name, if it has this mark; otherwise what `read` gives, with the
        number of its rows. What that raises is raised, and nothing kept."""
        with self._lock:
            kept = self._kept.get(name)
            if kept is not None and kept.mark == mark:
                self._kept.move_to_end(name)
                return cast("T", kept.part)
        part, rows = read()
        with self._lock:
            before = self._kept.pop(name, None)
            self._rows += rows + 1 - (0 if before is None else before.rows)
            self._kept[name] = _Kept(mark, part, rows + 1)
            while self._rows > self._rows_max and self._kept:
                _, gone = self._kept.popitem(last=False)
                self._rows -= gone.rows
        return part


@dataclass(frozen=True)
class _Kept:
    mark: Mark
    part: Any
    rows: int


def whole_days(start: int, end: int) -> range:
    """The days (by UTC) that lie in [`start`, `end`) (UTC ms) entirely."""
    return range(-(-start // DAY_MS), max(-(-start // DAY_MS), end // DAY_MS))
