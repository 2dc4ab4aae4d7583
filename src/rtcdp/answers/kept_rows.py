"""All rows of a fold that begin in a time, where days that are as they were before are not read
again."""

from collections.abc import Callable, Sequence
from functools import partial

import polars as pl

from rtcdp.answers.fold_rows import Span, Told, slices_of
from rtcdp.answers.keeper import marks_of_rows
from rtcdp.answers.kept_days import KeptDays, whole_days
from rtcdp.definitions import Fold
from rtcdp.events.calendar import DAY_MS

Narrow = Callable[[Fold, pl.DataFrame], pl.DataFrame]
"""Makes of rows of a fold what is kept of them. It may look at nothing else."""


def rows_kept(
    days: KeptDays, told: Told, span: tuple[int, int], columns: Sequence[str], narrow: Narrow
) -> pl.DataFrame:
    """The rows that begin in [`start`, `end`) (UTC ms), in any order, as `narrow` makes them of the
    `columns` and the primary key.

    Raises `BadRequest` for a day, or what is read at once, that has too many of them.
    """
    start, end = span
    table = told.fold.table
    whole = whole_days(start, end)
    mark_of = marks_of_rows(told.snapshot, table) if whole else None

    def read(first: int, last: int) -> pl.DataFrame:
        kept = told.kept(Span(first, last))
        return pl.concat(narrow(told.fold, rows) for rows in slices_of(told, kept, columns))

    def of_day(day: int) -> tuple[pl.DataFrame, int]:
        found = read(day * DAY_MS, (day + 1) * DAY_MS)
        return found, found.height

    if mark_of is None:
        return read(start, end)
    parts = []
    if start < whole[0] * DAY_MS:
        parts.append(read(start, whole[0] * DAY_MS))
    for day in whole:
        name = (table.name, told.fold.fingerprint, tuple(columns), narrow, day)
        parts.append(days.get(name, mark_of(day), partial(of_day, day)))
    if whole[-1] * DAY_MS + DAY_MS < end:
        parts.append(read(whole[-1] * DAY_MS + DAY_MS, end))
    return pl.concat(parts)
