"""The embedded log's writer: group commits that are on disk when `append` returns."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rtcdp.clock import Clock
from rtcdp.errors import UsageError
from rtcdp.log.contract import Appended, Delivery, LogFailed, LogFull, LogUnavailable
from rtcdp.log.embedded import imported
from rtcdp.log.embedded.chunk import (
    MAX_CHUNK_BYTES,
    Chunk,
    LinesPacker,
    check_delivery,
    chunks_of,
    stored_bytes,
)
from rtcdp.log.embedded.claims import Claim, try_claim
from rtcdp.log.embedded.columns import PARTITION
from rtcdp.log.embedded.errors import errors_of, gone, malformed
from rtcdp.log.embedded.file import (
    INSERT_CHUNK,
    LOCK_TIMEOUT_MS,
    PAGE_BYTES,
    beside_bytes,
    bring_up_to_date,
    connect,
    create_file,
    create_schema,
    file_of,
    has_schema,
    identity,
    read_extent,
    single,
    transaction,
    used_bytes,
    wal_of,
    write_extent,
    write_turn,
)
from rtcdp.log.limits import MAX_SOURCES
from rtcdp.log.piece import Piece

MAX_LOG_BYTES = 24 * 2**30
"""More than a reader's retention keeps by default, so that intake goes on while it catches up."""

CHECKPOINT_BYTES = 16 * 2**20
MAX_WAL_BYTES = 64 * 2**20
_RESTART_PATIENCE_MS = 250
_TRY_AGAIN_BYTES = 2**20
_OTHER_PAGES = 3
"""Pages that a small commit writes beside those of its chunk: the index, the extent, and one of the
tree above."""


class TooManySources(UsageError):
    """A delivery has a source that the log has not seen, and it can't take any more of them."""


class EmbeddedLogWriter:
    """Appends to `DIRECTORY/log.db`, which it creates if it is missing.

    Several threads and several processes may have one; they take turns. `max_bytes` limits the
    pages in use and the files beside the database together; a group of more than `max_chunk_bytes`
    is stored in several chunks. Raises `LogUnavailable`, `LogFailed` or `LogVersionMismatch` when
    the file can't be opened for writing, and `LogGone` when it is missing and `must_exist`.
    """

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        max_bytes: int = MAX_LOG_BYTES,
        max_chunk_bytes: int = MAX_CHUNK_BYTES,
        lock_timeout_ms: int = LOCK_TIMEOUT_MS,
        must_exist: bool = False,
    ) -> None:
        self._directory = directory
        self._path = file_of(directory)
        self._max_bytes = max_bytes
        self._max_chunk_bytes = max_chunk_bytes
        self._lock_timeout_ms = lock_timeout_ms
        self._mutex = threading.Lock()
        self._packer = LinesPacker()
        self._failure: LogFailed | None = None
        self._sources: frozenset[str] = frozenset()
        self._wal_bytes_since_checkpoint = 0
        self._connection: sqlite3.Connection | None = None
        with errors_of(self._path):
            if not must_exist:
                create_file(directory)
            elif identity(self._path) is None:
                raise gone(self._path)
            self._connection = connect(self._path, lock_timeout_ms)
            try:
                self._prepare(self._connection, clock.now_ms())
            except BaseException:
                self._connection.close()
                raise
        self._identity = identity(self._path)
        self._wal_identity = identity(wal_of(self._path))

    def append(self, deliveries: Sequence[Delivery]) -> Sequence[Appended]:
        """Append all deliveries in one transaction, and return when it is on disk.

        Returns where each came to rest, in their order. Raises `LogUnavailable` or `LogFull`
        (nothing was appended; may be tried again), `LogGone` (the file was deleted or replaced:
        open another writer), `LogFailed` (this writer is of no use any more), `TooManySources`, and
        `ValueError` for a delivery that contradicts itself.
        """
        for delivery in deliveries:
            check_delivery(delivery)
        with self._mutex, self._failing_for_good():
            connection = self._checked_connection()
            with errors_of(self._path), write_turn(self._directory, self._lock_timeout_ms):
                try:
                    placed = self._append_to(connection, deliveries)
                except LogFull:
                    if not self._checkpoint(connection, "TRUNCATE"):
                        raise
                    placed = self._append_to(connection, deliveries)
                # Deleted meanwhile, the file took the records with it.
                self._refuse_other_file()
                if self._wal_bytes_since_checkpoint >= CHECKPOINT_BYTES:
                    self._checkpoint_in_turn(connection)
        return placed

    def pieces_after(self, key: str) -> Sequence[Piece]:
        """As promised by `ImportRegister`."""
        with self._mutex, self._failing_for_good(), errors_of(self._path):
            return imported.pieces_after(self._checked_connection(), key)

    def try_claim(self, key: str) -> Claim | None:
        """As promised by `ImportRegister`."""
        with errors_of(self._path):
            return try_claim(self._directory, key)

    def sources(self) -> list[str]:
        """The names of all sources that count against `MAX_SOURCES`, in their order."""
        with self._mutex, errors_of(self._path):
            connection = self._checked_connection()
            rows = connection.execute("SELECT name FROM source ORDER BY name").fetchall()
        return [name.decode(errors="replace") for (name,) in rows]

    def retire_source(self, name: str) -> bool:
        """Forget that there was a source of that name, so that another one can take its place; its
        records stay. False when there was none. Other writers notice when they are made anew."""
        with self._mutex, self._failing_for_good():
            connection = self._checked_connection()
            with errors_of(self._path), write_turn(self._directory, self._lock_timeout_ms):
                with transaction(connection, "IMMEDIATE"):
                    gone = connection.execute("DELETE FROM source WHERE name = ?", (name,)).rowcount
                self._sources = frozenset()
        return gone > 0

    def close(self) -> None:
        """End the writer; what was appended stays. May be called twice."""
        with self._mutex:
            self._close_connection()

    def _prepare(self, connection: sqlite3.Connection, now_ms: int) -> None:
        with write_turn(self._directory, self._lock_timeout_ms):
            if not has_schema(connection, self._path):
                create_schema(connection, self._path, now_ms)
            bring_up_to_date(connection)
            newest = single(connection, "SELECT max(first_offset) FROM chunk")
            if isinstance(newest, int) and newest >= read_extent(connection, self._path)[0]:
                raise malformed(self._path, "a chunk lies behind the end of the log")

    def _append_to(
        self, connection: sqlite3.Connection, deliveries: Sequence[Delivery]
    ) -> Sequence[Appended]:
        """Append in one transaction; returns where each came to rest."""
        with transaction(connection, "IMMEDIATE"):
            first_offset: int = read_extent(connection, self._path)[0]
            deliveries = imported.register(connection, deliveries)
            sources = self._with_sources_of(deliveries, connection)
            self._insert(connection, deliveries, first_offset)
        self._sources = sources
        return _placed(deliveries, first_offset)

    @contextmanager
    def _failing_for_good(self) -> Iterator[None]:
        """After a failed write or fsync the kernel may have dropped what it could not write, and
        another fsync of the same file would call that a success. So there is no second try."""
        if self._failure is not None:
            raise LogFailed(str(self._failure), self._failure.hint)
        try:
            yield
        except LogFailed as failure:
            self._failure = failure
            self._close_connection()
            raise

    def _checked_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise LogUnavailable(f"{self._path} was closed by this process", "open it again")
        self._refuse_other_file()
        return self._connection

    def check_place(self) -> None:
        """Raises `LogGone` when the file is no longer where it was, or another one is."""
        with self._mutex:
            self._checked_connection()

    def _refuse_other_file(self) -> None:
        wal = identity(wal_of(self._path))
        self._wal_identity = self._wal_identity or wal
        if identity(self._path) != self._identity or wal != self._wal_identity:
            raise gone(self._path)

    def _with_sources_of(
        self, deliveries: Sequence[Delivery], connection: sqlite3.Connection
    ) -> frozenset[str]:
        """All sources of the log, those of `deliveries` among them; the new ones are written."""
        wanted = {delivery.source for delivery in deliveries if delivery.record_count}
        if wanted <= self._sources:
            return self._sources
        rows = connection.execute("SELECT name FROM source").fetchall()
        known = {name.decode(errors="replace") for (name,) in rows}
        if len(known | wanted) > MAX_SOURCES:
            refused = sorted(wanted - known)[0]
            raise TooManySources(
                f"{refused!r} would be one source too many; a log takes {MAX_SOURCES} of them",
                "send it under a source that is known already, or use a log of its own",
            )
        new = [(name,) for name in sorted(wanted - known)]
        connection.executemany("INSERT INTO source VALUES (?)", new)
        return frozenset(known | wanted)

    def _insert(
        self, connection: sqlite3.Connection, deliveries: Sequence[Delivery], first_offset: int
    ) -> None:
        chunks = list(chunks_of(deliveries, first_offset, self._max_chunk_bytes, self._packer))
        if not chunks:
            return
        size = sum(map(stored_bytes, chunks))
        if used_bytes(connection) + size + beside_bytes(self._path) > self._max_bytes:
            raise LogFull(
                f"{self._path} holds the {self._max_bytes} bytes that it may",
                "let a processor catch up, so that old records can be deleted, or raise the limit",
            )
        connection.executemany(INSERT_CHUNK, chunks)
        last = chunks[-1]
        newest = next(each.received_at for each in reversed(deliveries) if each.record_count)
        write_extent(
            connection,
            next_offset=last.first_offset + last.record_count,
            newest_received_at=newest,
        )
        self._wal_bytes_since_checkpoint += sum(map(_wal_bytes_of, chunks))

    def _checkpoint_in_turn(self, connection: sqlite3.Connection) -> None:
        """Copy what is in the WAL to the database, so that the WAL can be used from its start.

        It runs by itself, not inside SQLite's commit, so that a failing fsync is seen. When the
        disk is full or readers are in the way, the records are safe in the WAL: it is tried again
        when there is some more of it.
        """
        is_long = _size_of_wal(self._path) >= MAX_WAL_BYTES
        if self._checkpoint(connection, "TRUNCATE" if is_long else "PASSIVE"):
            self._wal_bytes_since_checkpoint = 0
        else:
            self._wal_bytes_since_checkpoint = CHECKPOINT_BYTES - _TRY_AGAIN_BYTES

    def _checkpoint(self, connection: sqlite3.Connection, kind: str) -> bool:
        """False when it can't be done now."""
        try:
            with errors_of(self._path):
                connection.execute(f"PRAGMA busy_timeout = {_RESTART_PATIENCE_MS}")
                ((busy, _, _),) = connection.execute(f"PRAGMA wal_checkpoint({kind})").fetchall()
        except LogUnavailable:
            return False
        finally:
            connection.execute(f"PRAGMA busy_timeout = {self._lock_timeout_ms}")
        return not busy

    def _close_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _placed(deliveries: Sequence[Delivery], first_offset: int) -> list[Appended]:
    placed = []
    for delivery in deliveries:
        placed.append(Appended(PARTITION, first_offset, delivery.record_count))
        first_offset += delivery.record_count
    return placed


def _wal_bytes_of(chunk: Chunk) -> int:
    """About what a chunk adds to the WAL. SQLite writes whole pages: of one event a commit, five
    hundred times its size."""
    return (-(-stored_bytes(chunk) // PAGE_BYTES) + _OTHER_PAGES) * PAGE_BYTES


def _size_of_wal(path: Path) -> int:
    wal = wal_of(path)
    return wal.stat().st_size if wal.exists() else 0
