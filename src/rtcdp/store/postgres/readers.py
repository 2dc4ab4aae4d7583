"""Reading a PostgreSQL store: its snapshots, on connections lent to one thread at a time."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

import polars as pl

from rtcdp.definitions import RowTable, Table
from rtcdp.store.contract import RowScan, Scan, StoreSnapshot, StoreUnavailable
from rtcdp.store.postgres.address import PostgresAddress
from rtcdp.store.postgres.division import read_shard_states
from rtcdp.store.postgres.schema import MIGRATIONS, PostgresReader
from rtcdp.store.postgres.text import restored, stored_rows, stored_scan, stored_text
from rtcdp.store.row_changes import groups_asked
from rtcdp.store.sql.snapshot import EmptySnapshot, SqlSnapshot
from rtcdp.store.sql.statements import SqlConnection

_PAIR = pl.Schema({"short": pl.String(), "full_text": pl.String()})


class PostgresSnapshot(SqlSnapshot):
    """Reads inside one read transaction of a connection, which the caller opens and ends."""

    def __init__(self, connection: SqlConnection) -> None:
        super().__init__(connection)
        self.progress = replace(self.progress, shards=read_shard_states(connection))

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


_IDLE_MAX = 8


class PostgresReaders:
    """Snapshots of a store that need not be there yet."""

    def __init__(self, address: PostgresAddress, answer_timeout_s: float) -> None:
        self._address = address
        self._answer_timeout_s = answer_timeout_s
        self._lock = threading.Lock()
        self._idle: list[PostgresReader] = []
        self._is_closed = False

    @contextmanager
    def snapshot(self) -> Iterator[StoreSnapshot]:
        """One consistent state; an empty one while no writer has made the store."""
        with self.reading() as snapshot:
            yield EmptySnapshot() if snapshot is None else snapshot

    @contextmanager
    def reading(self) -> Iterator[PostgresSnapshot | None]:
        """The same; None while no writer has made the store.

        Raises `StoreUnavailable`, and `StateMismatch` when a newer version wrote the store.
        """
        connection, has_store = self._begun()
        try:
            yield PostgresSnapshot(connection) if has_store else None
            connection.commit()
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)

    def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        with self._lock:
            self._is_closed = True
        self._drop_idle()

    def _begun(self) -> tuple[PostgresReader, bool]:
        """A connection inside a read transaction, and whether there is a store. One that was idle
        may have been cut off meanwhile; then they all were, and a new one is made."""
        connection = self._idle_one()
        if connection is not None:
            with suppress(StoreUnavailable):
                return connection, _begin(connection)
            self._drop_idle()
        connection = PostgresReader(self._address, answer_timeout_s=self._answer_timeout_s)
        return connection, _begin(connection)

    def _idle_one(self) -> PostgresReader | None:
        with self._lock:
            if self._is_closed:
                raise StoreUnavailable("the store was closed", "open it again")
            return self._idle.pop() if self._idle else None

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _give_back(self, connection: PostgresReader) -> None:
        with self._lock:
            if not self._is_closed and len(self._idle) < _IDLE_MAX:
                self._idle.append(connection)
                return
        connection.close()


def _begin(connection: PostgresReader) -> bool:
    """Open a transaction; whether there is a store. After an error the connection is closed."""
    try:
        version = connection.begin()
    except BaseException:
        connection.close()
        raise
    if 0 < version < len(MIGRATIONS):
        connection.close()
        raise StoreUnavailable(
            f"the store has schema version {version} and waits to be upgraded",
            "start the engine of this version once; it upgrades the store",
        )
    return version > 0
