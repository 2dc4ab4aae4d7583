"""All rows of a fold that begin in a time, where days that are as they were before are not read
again."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from rtcdp.answers.fold_rows import Span, Told, slices_of
from rtcdp.answers.keeper import marks_of_rows
from rtcdp.answers.kept_days import (
    ENTRY_BYTES,
    KeptDays,
    Mark,
    Stretch,
    detached,
    stretches,
    whole_days,
)
from rtcdp.definitions import Fold
from rtcdp.errors import BadRequest

TOTAL_ROWS_MAX = 10_000_000
"""So many rows are put together for one answer."""

Narrow = Callable[[Fold, pl.DataFrame], pl.DataFrame]
"""Makes of rows of a fold what is kept of them. It may look at nothing else."""


@dataclass(frozen=True)
class Part:
    """A part of a time, the `mark` by which it is known again, if it is, and what reads its rows,
    or takes them from what is kept."""

    stretch: Stretch
    mark: Mark | None
    rows: Callable[[], pl.DataFrame]


def rows_kept(
    days: KeptDays, told: Told, span: tuple[int, int], columns: Sequence[str], narrow: Narrow
) -> pl.DataFrame:
    """The rows that begin in [`start`, `end`) (UTC ms), in any order, as `narrow` makes them of the
    `columns` and the primary key.

    Raises `BadRequest` for a day, or what is read at once, that has too many of them, and for more
    than `TOTAL_ROWS_MAX` in all.
    """
    found: list[pl.DataFrame] = []
    row_count = 0
    for part in parts_kept(days, told, span, columns, narrow):
        found.append(part.rows())
        row_count += found[-1].height
        if row_count > TOTAL_ROWS_MAX:
            raise BadRequest(
                f"{told.fold.name} has more than {TOTAL_ROWS_MAX:,} rows in this time",
                "ask for less of it with from and to, or since: since=7d",
            )
    return pl.concat(found)


def parts_kept(
    days: KeptDays, told: Told, span: tuple[int, int], columns: Sequence[str], narrow: Narrow
) -> Iterator[Part]:
    """The parts of [`start`, `end`) (UTC ms), one after the other, for who needs no more than what
    is told of each. Their rows are to be asked for within the state of `told`.

    What reads them raises `BadRequest` for a part that has too many.
    """
    start, end = span
    table = told.fold.table
    marks = marks_of_rows(told.snapshot, table) if whole_days(start, end) else None
    asked = (table.name, told.fold.fingerprint, tuple(columns), narrow)
    size = 0

    def read(stretch: Stretch) -> tuple[pl.DataFrame, int | None]:
        kept = told.kept(Span(stretch.start, stretch.end))
        slices = slices_of(told, kept, columns)
        found = pl.concat(detached(narrow(told.fold, rows)) for rows in slices)
        # One answer pushes no part of its own out again.
        takes = _size_of(found)
        return found, takes if size + takes <= days.bytes_max else None

    def known(stretch: Stretch, mark: Mark | None) -> pl.DataFrame:
        nonlocal size
        if mark is None:
            return read(stretch)[0]
        found = days.get((*asked, stretch.day), mark, lambda: read(stretch))
        size += _size_of(found)
        return found

    for stretch in stretches(marks or {}, start, end):
        mark = None if marks is None or stretch.day is None else marks[stretch.day]
        yield Part(stretch, mark, partial(known, stretch, mark))


def _size_of(rows: pl.DataFrame) -> int:
    return ENTRY_BYTES + int(rows.estimated_size())
