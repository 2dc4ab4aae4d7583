"""The names of rows: a text that tells one row of a fold from all others, and finds it again.

It is made of when the row begins, of what else tells it apart, and of whose it is, with tildes in
between; the SQL of the column `id` of a step says how.
"""

import re
from dataclasses import dataclass

import polars as pl

from rtcdp.answers.cursor import INSTANT
from rtcdp.answers.fold_rows import Span, Told, rows_of_keys
from rtcdp.definitions import Fold, in_polars
from rtcdp.errors import NotThere

_ID = "id"
_WHOLE = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True)
class RowName:
    """What an id says: when the row begins (UTC ms), what else tells it apart, and whose it is."""

    start: int
    further: tuple[str, ...]
    whose: str

    @property
    def text(self) -> str:
        return "~".join((str(self.start), *self.further, self.whose))


def read_row_name(text: str, fold: Fold, what: str, path: str) -> RowName:
    """What an id says. Raises `NotThere` for a text that is none of a row, called `what`, of which
    the address `path` tells the ids."""
    start, *further = text.split("~", len(fold.step.order))
    is_whole = len(further) == len(fold.step.order) and bool(_WHOLE.fullmatch(start))
    if not is_whole or int(start) not in INSTANT or "\0" in text:
        raise NotThere(f"{text[:100]!r} is no id of a {what}", f"ask {path}, which tells the ids")
    *others, whose = further
    return RowName(int(start), tuple(others), whose)


def row_named(told: Told, name: RowName) -> pl.DataFrame:
    """The row of that name, if it is there now."""
    rows = rows_of_keys(told, [name.whose], Span(name.start, name.start + 1))
    id_column = next(each for each in told.view.columns if each.name == _ID)
    return rows.filter(in_polars(id_column.sql) == name.text)
