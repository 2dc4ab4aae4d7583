"""What has changed among a fold's newest rows since they were looked at last; also which are gone.

A late event may join two sessions: whoever follows rows is told of the one that went.
"""

from typing import Any

import msgspec
import polars as pl

from rtcdp.answers.fold_rows import Told, newest_first
from rtcdp.definitions import Fold
from rtcdp.store import RowScan

WATCHED_ROWS = 2_000
"""So many rows of a fold are watched: those that began last."""

TOLD_ROWS = 100
"""So many changes are told at once; how many there were is told besides."""


class RowsChanged(msgspec.Struct, omit_defaults=True):
    """What changed in a fold between two epochs: rows as they are now, newest first, and what names
    those that are `gone`. At most 100 of each are told; `changed_count` and `gone_count` say how
    many there were. Messages of a fold are numbered: where a number is missing, so are changes."""

    fold: str
    number: int
    epoch: int
    changed: list[dict[str, Any]]
    changed_count: int
    gone: list[dict[str, Any]]
    gone_count: int


class RowsWatch:
    """Watches the newest rows of a fold, as one snapshot after another has them."""

    def __init__(self, fold: Fold, number: int = 0, rows_max: int = WATCHED_ROWS) -> None:
        self.fold = fold
        self.number = number
        self._rows_max = rows_max
        self.forget()

    def forget(self) -> None:
        """Look anew: what changes meanwhile is not told."""
        self._rows: pl.DataFrame | None = None
        self._border = 0
        self._epoch = -1

    def look(self, told: Told) -> RowsChanged | None:
        """What has changed since the last look; None where nothing has, and at the first one."""
        epoch = told.snapshot.progress.epoch
        if epoch == self._epoch:
            return None
        self._epoch = epoch
        rows = told.snapshot.row_scan(RowScan(self.fold.table, limit=self._rows_max))
        before, border = self._rows, self._border
        self._rows, self._border = rows, self._border_of(rows)
        if before is None:
            return None
        # What lies before one of the borders was not seen whole by both looks.
        after = pl.col(self.fold.step.order[0]) >= max(border, self._border)
        now, then = rows.filter(after), before.filter(after)
        changed = now.join(then, on=now.columns, how="anti", nulls_equal=True)
        gone = then.join(now, on=self.fold.primary_key, how="anti")
        if changed.is_empty() and gone.is_empty():
            return None
        self.number += 1
        return RowsChanged(
            fold=self.fold.name,
            number=self.number,
            epoch=epoch,
            changed=told.shown(newest_first(self.fold, changed).head(TOLD_ROWS)),
            changed_count=changed.height,
            gone=self._named(told, newest_first(self.fold, gone).head(TOLD_ROWS)),
            gone_count=gone.height,
        )

    def _border_of(self, rows: pl.DataFrame) -> int:
        """The time from which on all rows are there."""
        if rows.height < self._rows_max:
            return -(2**62)
        return int(rows[self.fold.step.order[0]][-1]) + 1

    def _named(self, told: Told, rows: pl.DataFrame) -> list[dict[str, Any]]:
        """What tells rows apart: their id where they have one, and their primary key."""
        key = {f"{{{name}}}" for name in self.fold.primary_key}
        names = {each.field for each in told.view.columns if each.name == "id" or each.sql in key}
        return [
            {name: value for name, value in item.items() if name in names}
            for item in told.shown(rows)
        ]
