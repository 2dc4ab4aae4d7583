"""How much time a partition has gone through, told by its own records and by no clock of ours.

The records of a partition are taken in blocks of offsets. Of each block the middle one of the
intake times counts, so that a few wrong clocks move nothing; and from one block to the next no more
time is believed than a share of what has to go by before an id is forgotten. So a clock that is
wrong for everybody, ahead or back, for a moment or for days, passes at most one such share where it
jumps ahead, and a quiet partition forgets nothing in less than `FORGOTTEN_BLOCKS_MIN` blocks. What
has gone by between two records is a matter of the blocks between them alone: it is the same in
whatever batches they are read, and after a restart that reads them again.
"""

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]

BLOCK_OFFSETS = 4_096
_SHARES = 64
_SPARE_SHARES = 8

FORGOTTEN_BLOCKS_MIN = _SHARES + _SPARE_SHARES
"""However the clocks go, an id outlives so many blocks of its partition."""


@dataclass(frozen=True)
class Turn:
    """From `row` on, counted within the observed records, everything before `remembered_from` is
    forgotten."""

    row: int
    remembered_from: int


@dataclass(frozen=True)
class _Past:
    """The blocks that were gone through and may still be remembered: where each begins, and how
    much time had gone by at its end. They are only appended to; what is there stays."""

    first_offsets: list[int] = field(default_factory=list)
    gone_by: list[int] = field(default_factory=list)
    count: int = 0
    start: int = 0


class LogTime:
    """The time of one partition whose records are given in the order of its log.

    `kept_ms` is how much time has to go by before a record is forgotten.
    """

    def __init__(self, kept_ms: int) -> None:
        self._share_ms = max(1, kept_ms // _SHARES)
        self._kept_ms = kept_ms + _SPARE_SHARES * self._share_ms
        self._past = _Past()
        self._open: tuple[Int64Array, ...] = ()
        self._open_first: int | None = None
        self._middle: int | None = None

    @property
    def remembered_from(self) -> int | None:
        """The first offset that is not forgotten; None before the first record."""
        past = self._past
        return past.first_offsets[past.start] if past.start < past.count else self._open_first

    def observe(self, offsets: Int64Array, received_at: Int64Array) -> list[Turn]:
        """Go through records (UTC ms each). Returns from which of them on more is forgotten."""
        if len(offsets) == 0:
            return []
        turns: list[Turn] = []
        blocks = offsets // BLOCK_OFFSETS
        borders = [0, *(np.flatnonzero(blocks[1:] != blocks[:-1]) + 1).tolist(), len(offsets)]
        for start, stop in pairwise(borders):
            is_next = self._open_first is not None and (
                self._open_first // BLOCK_OFFSETS != int(blocks[start])
            )
            if is_next:
                before = self.remembered_from
                self._close()
                after = self.remembered_from
                if after is not None and after != before:
                    turns.append(Turn(start, after))
            if self._open_first is None:
                self._open_first = int(offsets[start])
            self._open = (*self._open, received_at[start:stop])
        return turns

    def mark(self) -> "LogTime":
        """A copy that stays as it is. Costs nothing that grows."""
        copy = LogTime(0)
        copy.__dict__.update(self.__dict__)
        return copy

    def _close(self) -> None:
        """The open block is complete: let its time go by."""
        assert self._open_first is not None
        times = np.concatenate(self._open)
        middle = int(np.partition(times, len(times) // 2)[len(times) // 2])
        past = self._past
        gone_by = past.gone_by[past.count - 1] if past.count else 0
        if self._middle is not None:
            # Less of a block with gaps: an id has to outlive as many records of those, too.
            believed = self._share_ms * min(len(times), BLOCK_OFFSETS) // BLOCK_OFFSETS
            gone_by += min(max(middle - self._middle, 0), believed)
        self._middle = middle
        self._past = self._forgotten(_appended(past, self._open_first, gone_by))
        self._open, self._open_first = (), None

    def _forgotten(self, past: _Past) -> _Past:
        now = past.gone_by[past.count - 1]
        start = bisect_left(past.gone_by, now - self._kept_ms, past.start, past.count)
        # Marks share these lists, so nothing is cut off; a copy pays when half of them is of no
        # use.
        if start <= past.count // 2:
            return replace(past, start=start)
        kept = slice(start, past.count)
        return _Past(past.first_offsets[kept], past.gone_by[kept], past.count - start)


def _appended(past: _Past, first_offset: int, gone_by: int) -> _Past:
    if len(past.gone_by) > past.count:
        # Somebody went on from here before, and was taken back.
        kept = slice(past.start, past.count)
        past = _Past(past.first_offsets[kept], past.gone_by[kept], past.count - past.start)
    past.first_offsets.append(first_offset)
    past.gone_by.append(gone_by)
    return replace(past, count=past.count + 1)
