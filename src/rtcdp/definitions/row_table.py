"""How what belongs to one key's story rests in a store: rows that are replaced and deleted.

A metric's table is merged into (`rtcdp.definitions.table`); a row table is written over. Its rows
are found by the group they belong to, a user for example, and follow each other within it.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rtcdp.definitions.row_view import RowView
from rtcdp.errors import UsageError

RowType = Literal["text", "integer", "real", "bytes"]

RANGE_FROM, RANGE_TO = "from", "to"
"""What a range of times of a group is called, where rows are asked for."""

_TABLE_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_COLUMN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,47}")
_GROUP_COLUMNS_MAX = 3


@dataclass(frozen=True)
class RowTable:
    """A stored table whose rows are replaced and deleted by key.

    `columns` are all of them in stored order, with their types. `group_key` names the text columns
    that say to which group a row belongs, and `order` the columns, of whole numbers or texts, that
    say which of the group's rows it is. The first of `order` is a time in UTC milliseconds, by
    which rows expire; without one, a group has a single row that never does. A column of the key
    always has a value. `meaning` is a text that changes when the rows come to mean something else.
    `view` is what readers see of them; without one, they see every column that is no bytes. A table
    that `grows` has rows added far more often than replaced or read. The rows of another `stream`
    than that of events are never complete: what comes there is added step by step, as a backfill
    is. Rows that don't `expires` stay whatever their time is.

    Raises `UsageError` when a name can't be one, is used twice, or a key column has a wrong type.
    """

    name: str
    columns: tuple[tuple[str, RowType], ...]
    group_key: tuple[str, ...]
    order: tuple[str, ...] = ()
    meaning: str = ""
    view: RowView | None = None
    grows: bool = False
    stream: str = ""
    expires: bool = True

    def __post_init__(self) -> None:
        for name in (self.name, *self.column_names):
            pattern = _TABLE_NAME if name == self.name else _COLUMN_NAME
            if pattern.fullmatch(name) is None or name in (RANGE_FROM, RANGE_TO):
                raise UsageError(
                    f"{name!r} can't be the name of a table of rows or of its column",
                    "use letters, digits and underscores, 48 at most, a letter first",
                )
        if len({name.lower() for name in self.column_names}) < len(self.columns):
            raise UsageError(f"{self.name} names a column twice", "name it once")
        self._check_key()

    def _check_key(self) -> None:
        types = dict(self.columns)
        if not 0 < len(self.group_key) <= _GROUP_COLUMNS_MAX or any(
            types.get(name) != "text" for name in self.group_key
        ):
            raise UsageError(
                f"{self.name} groups its rows by {', '.join(self.group_key) or 'nothing'}",
                f"name 1 to {_GROUP_COLUMNS_MAX} of its text columns",
            )
        time, *others = self.order or ("",)
        if (self.order and types.get(time) != "integer") or any(
            types.get(name) not in {"text", "integer"} for name in others
        ):
            raise UsageError(
                f"the rows of {self.name} can't be in the order {', '.join(self.order)}",
                "let a time in UTC milliseconds, an integer column, be the first of the order, and"
                " texts or integers the others",
            )
        if len(set(self.primary_key)) < len(self.primary_key) or not self.value_names:
            raise UsageError(
                f"the key of {self.name} is {', '.join(self.primary_key)}",
                "name a column of the key once, and have at least one that is not of the key",
            )

    @cached_property
    def primary_key(self) -> tuple[str, ...]:
        return (*self.group_key, *self.order)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Every column in stored order."""
        return tuple(name for name, _ in self.columns)

    @cached_property
    def value_names(self) -> tuple[str, ...]:
        """The columns that are not of the key."""
        return tuple(name for name in self.column_names if name not in self.primary_key)

    @property
    def time(self) -> str | None:
        """The column of their time; None when they have none."""
        return self.order[0] if self.order else None

    @property
    def expires_by(self) -> str | None:
        """The column by which rows expire; None when they don't."""
        return self.time if self.expires else None

    @property
    def fingerprint(self) -> str:
        """Changes whenever what the rows mean, or how they rest in a store, changes. Rows of
        another fingerprint are never resumed."""
        meaning = [self.columns, self.group_key, self.order, self.meaning]
        return hashlib.sha256(json.dumps(meaning).encode()).hexdigest()[:16]
