"""Rows of a table for the only one who writes them: what is under way is waited for."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import polars as pl

from rtcdp.definitions import RANGE_FROM, RANGE_TO, RowTable
from rtcdp.store import StoreSnapshot

Landed = Callable[[], object]
"""Returns when a commit is done, and raises what became of it otherwise."""


class Readable(Protocol):
    """A store, for whoever reads what rests there."""

    def snapshot(self) -> AbstractContextManager[StoreSnapshot]:
        """A consistent view. Raises `StoreUnavailable`."""
        ...


class StoredRows:
    """The rows of a table, as the store has them now, or will when what is under way is there."""

    def __init__(self, store: Readable, table: RowTable) -> None:
        self._store = store
        self._table = table
        self.landed()

    def under_way(self, spans: pl.DataFrame, landed: Landed | None) -> None:
        """Rows of these keys, from the beginnings of their spans on, are to be waited for, by
        calling `landed`."""
        self._changing, self._landed = spans, landed

    def landed(self) -> None:
        """Nothing is under way."""
        self._changing, self._landed = pl.DataFrame(), None

    def rows(self, spans: pl.DataFrame) -> pl.DataFrame:
        """See `rtcdp.folds.kernel.RowsByKey`."""
        if self._landed is not None:
            key = list(self._table.group_key)
            beside = spans.join(self._changing, on=key, suffix=" changing")
            if beside.select((pl.col(RANGE_TO) > pl.col(f"{RANGE_FROM} changing")).any()).item():
                self._landed()
        with self._store.snapshot() as snapshot:
            return snapshot.rows(self._table, spans)
