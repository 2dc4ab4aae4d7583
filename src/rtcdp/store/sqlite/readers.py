"""Connections for reading a store's file, lent to one thread at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rtcdp.store.contract import StoreSnapshot, StoreUnavailable
from rtcdp.store.sql.snapshot import EmptySnapshot, SqlSnapshot
from rtcdp.store.sqlite.connection import SqliteConnection
from rtcdp.store.sqlite.file import MIGRATIONS, FileIdentity, gone, identity, version_of

_IDLE_MAX = 8


class SqliteReaders:
    """Snapshots of a file that need not be there yet, and that may be replaced by another. One that
    `has_seen_store` is no longer content without a file."""

    def __init__(self, path: Path, busy_timeout_ms: int) -> None:
        self._path = path
        self._busy_timeout_ms = busy_timeout_ms
        self._lock = threading.Lock()
        self._idle: list[tuple[FileIdentity, SqliteConnection]] = []
        self._is_closed = False
        self.has_seen_store = False

    @contextmanager
    def snapshot(self) -> Iterator[StoreSnapshot]:
        """One consistent state; an empty one while no writer has made the store."""
        with self.reading() as snapshot:
            yield EmptySnapshot() if snapshot is None else snapshot

    @contextmanager
    def reading(self) -> Iterator[SqlSnapshot | None]:
        """The same; None while no writer has made the store."""
        with self.connection() as connection:
            yield None if connection is None else SqlSnapshot(connection)

    @contextmanager
    def connection(self) -> Iterator[SqliteConnection | None]:
        """A connection inside a read transaction; None while no writer has made the store.

        Raises `StoreUnavailable`, `StoreGone` when it was seen and is there no more, and
        `StateMismatch` when a newer version wrote the store.
        """
        identity = self._identity()
        if identity is None:
            yield None
            return
        connection = self._borrow(identity)
        try:
            connection.run("BEGIN")
            is_made = _is_made(connection)
            self.has_seen_store = self.has_seen_store or is_made
            yield connection if is_made else None
            connection.run("COMMIT")
        except BaseException:
            connection.close()
            raise
        self._give_back(identity, connection)

    def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def _identity(self) -> FileIdentity | None:
        if self._is_closed:
            raise StoreUnavailable("the store was closed", "open it again")
        found = identity(self._path)
        if found is None and self.has_seen_store:
            raise gone(self._path)
        return found

    def _borrow(self, identity: FileIdentity) -> SqliteConnection:
        stale: list[SqliteConnection] = []
        lent: SqliteConnection | None = None
        with self._lock:
            while self._idle and lent is None:
                known, connection = self._idle.pop()
                if known == identity:
                    lent = connection
                else:
                    stale.append(connection)
        for connection in stale:
            connection.close()
        if lent is not None:
            return lent
        return SqliteConnection(self._path, read_only=True, busy_timeout_ms=self._busy_timeout_ms)

    def _give_back(self, identity: FileIdentity, connection: SqliteConnection) -> None:
        with self._lock:
            if not self._is_closed and len(self._idle) < _IDLE_MAX:
                self._idle.append((identity, connection))
                return
        connection.close()


def _is_made(connection: SqliteConnection) -> bool:
    version = version_of(connection)
    if 0 < version < len(MIGRATIONS):
        raise StoreUnavailable(
            f"the store has schema version {version} and waits to be upgraded",
            "start the engine of this version once; it upgrades the store",
        )
    return version > 0
