"""Connections for reading a PostgreSQL store, lent to one thread at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rtcdp.store.contract import StoreSnapshot, StoreUnavailable
from rtcdp.store.postgres.address import PostgresAddress
from rtcdp.store.postgres.schema import MIGRATIONS, PostgresReader
from rtcdp.store.postgres.snapshot import PostgresSnapshot
from rtcdp.store.sql.snapshot import EmptySnapshot

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
