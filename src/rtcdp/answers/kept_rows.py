"""All rows of a fold that begin in a time, where days that are as they were before are not read
again."""

from collections.abc import Callable, Sequence

import polars as pl

from rtcdp.answers.fold_rows import Span, Told, slices_of
from rtcdp.answers.keeper import marks_of_rows
from rtcdp.answers.kept_days import ENTRY_BYTES, KeptDays, Stretch, detached, stretches, whole_days
from rtcdp.definitions import Fold
from rtcdp.errors import BadRequest

TOTAL_ROWS_MAX = 10_000_000
"""So many rows are put together for one answer."""

Narrow = Callable[[Fold, pl.DataFrame], pl.DataFrame]
"""Makes of rows of a fold what is kept of them. It may look at nothing else."""


def rows_kept(
    days: KeptDays, told: Told, span: tuple[int, int], columns: Sequence[str], narrow: Narrow
) -> pl.DataFrame:
    """The rows that begin in [`start`, `end`) (UTC ms), in any order, as `narrow` makes them of the
    `columns` and the primary key.

    Raises `BadRequest` for a day, or what is read at once, that has too many of them, and for more
    than `TOTAL_ROWS_MAX` in all.
    """
    start, end = span
    table = told.fold.table
    marks = marks_of_rows(told.snapshot, table) if whole_days(start, end) else None
    parts: list[pl.DataFrame] = []
    row_count = size = 0

    def read(stretch: Stretch) -> tuple[pl.DataFrame, int | None]:
        kept = told.kept(Span(stretch.start, stretch.end))
        slices = slices_of(told, kept, columns)
        found = pl.concat(detached(narrow(told.fold, rows)) for rows in slices)
        # One answer pushes no part of its own out again.
        takes = _size_of(found)
        return found, takes if size + takes <= days.bytes_max else None

    for stretch in stretches(marks or {}, start, end):
        if marks is None or stretch.day is None:
            found, _ = read(stretch)
        else:
            name = (table.name, told.fold.fingerprint, tuple(columns), narrow, stretch.day)
            found = days.get(name, marks[stretch.day], lambda each=stretch: read(each))  # type: ignore[misc]
            size += _size_of(found)
        row_count += found.height
        if row_count > TOTAL_ROWS_MAX:
            raise BadRequest(
                f"{told.fold.name} has more than {TOTAL_ROWS_MAX:,} rows in this time",
                "ask for less of it with from and to, or since: since=7d",
            )
        parts.append(found)
    return pl.concat(parts)


def _size_of(rows: pl.DataFrame) -> int:
    return ENTRY_BYTES + int(rows.estimated_size())
