"""What readers see of a row table: columns by name and kind, each made of the stored ones.

One text of SQL says it, which SQLite, PostgreSQL and Polars all take; so a view in a database and
an answer of the API can't say different things. Stored columns stand in it in braces.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import polars as pl

ShownKind = Literal["text", "integer", "real", "instant", "flag"]

FLAG_PREFIX = "is_"
"""What the names of flags begin with where readers of SQL see them; the API leaves it away."""

_STORED = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class ShownColumn:
    """A column for readers: its name in snake_case, its kind, the SQL that it is made of, and what
    it says. An instant is made of UTC milliseconds, a flag is a condition. `of_event` is the field
    of events that it is, if it is one."""

    name: str
    kind: ShownKind
    sql: str
    says: str
    of_event: str = ""

    @property
    def field(self) -> str:
        """What the API calls it."""
        if self.of_event:
            return self.of_event
        return self.name.removeprefix(FLAG_PREFIX) if self.kind == "flag" else self.name


@dataclass(frozen=True)
class RowView:
    """The columns that readers see, in order, with what all of it is.

    `settled` is SQL for the time (UTC ms) from which on no event can change a row: it is open until
    the watermark is there. None says that there is no such time.
    """

    title: str
    description: str
    columns: tuple[ShownColumn, ...]
    settled: str | None = None


NO_VIEW = RowView("", "", ())
"""Of rows that no reader is to see."""


def field_column(field: str, says: str = "") -> ShownColumn:
    """The column of a field of events."""
    says = says or f"The event's {field}"
    return ShownColumn(snake_case_of(field), "text", f"{{{field}}}", says, field)


def of_stored(sql: str, column: Callable[[str], str]) -> str:
    """The SQL with each stored column as `column` writes it."""
    return _STORED.sub(lambda found: column(found[1]), sql)


def in_polars(sql: str) -> pl.Expr:
    """The same over a frame of stored rows."""
    return pl.sql_expr(of_stored(sql, lambda name: f'"{name}"'))


def snake_case_of(name: str) -> str:
    """`userId` as `user_id`."""
    return re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
