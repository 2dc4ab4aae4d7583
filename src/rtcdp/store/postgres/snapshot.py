"""One consistent state of a PostgreSQL store, with long keys as they came."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from rtcdp.definitions import RowTable, Table
from rtcdp.store.contract import RowScan, Scan
from rtcdp.store.postgres.text import restored, stored_rows, stored_scan, stored_text
from rtcdp.store.row_changes import groups_asked
from rtcdp.store.sql.snapshot import SqlSnapshot

_PAIR = pl.Schema({"short": pl.String(), "full_text": pl.String()})


class PostgresSnapshot(SqlSnapshot):
    """Reads inside one read transaction of a connection, which the caller opens and ends."""

    def scan(self, scan: Scan) -> pl.DataFrame:
        return restored(scan.table, super().scan(stored_scan(scan)), self._long_texts)

    def members(self, table: Table, groups: pl.DataFrame) -> pl.DataFrame:
        found = super().members(table, stored_rows(table, groups).rows)
        return restored(table, found, self._long_texts)

    def rows(self, table: RowTable, groups: pl.DataFrame) -> pl.DataFrame:
        found = super().rows(table, stored_rows(table, groups_asked(table, groups)).rows)
        rows = restored(table, found, self._long_texts)
        return rows if rows is found else rows.sort(table.primary_key)

    def row_page(
        self, table: RowTable, *, after: tuple[int | str, ...] | None = None, limit: int = 1000
    ) -> pl.DataFrame:
        if after is not None:
            after = tuple(stored_text(table, p) if isinstance(p, str) else p for p in after)
        return restored(table, super().row_page(table, after=after, limit=limit), self._long_texts)

    def row_scan(self, scan: RowScan) -> pl.DataFrame:
        table = scan.table
        if scan.after is not None:
            position = (stored_text(table, p) if isinstance(p, str) else p for p in scan.after)
            scan = replace(scan, after=tuple(position))
        return restored(table, super().row_scan(scan), self._long_texts)

    def dump(self, table: Table | RowTable) -> pl.DataFrame:
        """The whole table, sorted by primary key."""
        stored = super().dump(table)
        rows = restored(table, stored, self._long_texts)
        return rows if rows is stored else rows.sort(table.primary_key)

    def _long_texts(self, shorts: pl.Series) -> Mapping[str, str]:
        pairs = self.connection.query(
            "SELECT short, full_text FROM _long_texts WHERE short = $1", _PAIR, shorts.to_frame()
        )
        return dict(pairs.rows())
