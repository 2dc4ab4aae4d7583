"""The store's file: how it is made, which version of the schema it has, and how it is upgraded."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rtcdp.private_files import make_private_folder, sync_folder
from rtcdp.store.contract import StateMismatch, StoreGone, StoreUnavailable
from rtcdp.store.sql.acknowledgements import acknowledgement_tables
from rtcdp.store.sql.erasures import erasure_tables
from rtcdp.store.sql.schema import (
    Step,
    continuity_tables,
    lease_tables,
    quiet_tables,
    row_tables,
    run_step,
    system_tables,
    tables_out_of_sight,
    verdict_tables,
)
from rtcdp.store.sqlite.connection import SQLITE, SqliteConnection

APPLICATION_ID = 0x72746364
"""Marks the file as a store of rtcdp; the letters r, t, c, d."""

WAL_BYTES_MAX = 64 * 2**20
"""From this size on, what was committed is written into the file itself. A page that changes in
every commit is written there once for many of them."""

PAGE_BYTES = 8192
"""Of a new file; an older one keeps its own. What a commit of many rows costs is how many pages it
changes; one of few rows changes as many large ones as small ones, and writes more bytes."""

CACHE_KIB = 128 * 1024

Migrations = Sequence[Sequence[Step]]

MIGRATIONS: Migrations = (
    system_tables(SQLITE),
    lease_tables(SQLITE),
    verdict_tables(SQLITE),
    continuity_tables(SQLITE),
    row_tables(SQLITE),
    tables_out_of_sight(SQLITE),
    acknowledgement_tables(SQLITE),
    erasure_tables(SQLITE),
    quiet_tables(SQLITE),
)
"""The n-th entry leads from version n-1 to version n. Entries are never changed, only added."""


FileIdentity = tuple[int, int]
"""Device and inode."""


class SqliteWriter(SqliteConnection):
    """A connection that writes, as long as its file is at its path.

    What is committed into a file that was deleted or replaced is lost with the process, so that
    `begin` and `commit` raise `StoreGone` then; after a `commit` it is not known what was applied.
    """

    def __init__(self, path: Path, busy_timeout_ms: int) -> None:
        super().__init__(path, read_only=False, busy_timeout_ms=busy_timeout_ms)
        self._path = path
        self._wal = path.with_name(f"{path.name}-wal")
        self._identity = identity(path)
        self._wal_identity: FileIdentity | None = None

    def begin(self) -> None:
        self._refuse_other_file()
        super().begin()

    def commit(self) -> None:
        super().commit()
        self._refuse_other_file()

    def _refuse_other_file(self) -> None:
        wal = identity(self._wal)
        self._wal_identity = self._wal_identity or wal
        if identity(self._path) != self._identity or wal != self._wal_identity:
            raise gone(self._path)


def identity(path: Path) -> FileIdentity | None:
    """Which file is at a path; None when there is none. Raises `StoreUnavailable`."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreUnavailable(
            f"the store's file {path} can't be reached: {error.strerror}",
            "check the path and who may read it",
        ) from error
    return (found.st_dev, found.st_ino)


def gone(path: Path) -> StoreGone:
    """What to say of a file that was there."""
    happened = "deleted" if identity(path) is None else "replaced by another file"
    return StoreGone(
        f"the store's file {path} was {happened} while it was in use",
        "bring it back; to have everything computed again from the log, restart rtcdp",
    )


def make_file(path: Path) -> None:
    """Make the file, for its owner's eyes only, unless it is there. SQLite's side files inherit
    its mode.

    An existing file is not touched: closing a second handle on it would drop the locks that this
    process holds through SQLite.
    """
    if path.exists():
        return
    try:
        make_private_folder(path.parent)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        sync_folder(path.parent)
    except OSError as error:
        raise StoreUnavailable(
            f"the store's file {path} can't be made: {error.strerror}",
            "name a place where this user may write",
        ) from error


def open_writer(
    path: Path, busy_timeout_ms: int, migrations: Migrations = MIGRATIONS
) -> SqliteWriter:
    """A connection that writes, on a file that is made or upgraded as needed.

    Raises `StateMismatch` when a newer version, or another program, wrote the file.
    """
    make_file(path)
    connection = SqliteWriter(path, busy_timeout_ms)
    try:
        version = version_of(connection, migrations)
        connection.pragma(f"page_size = {PAGE_BYTES}")
        connection.pragma("journal_mode = WAL")
        connection.pragma("synchronous = FULL")
        connection.pragma(f"journal_size_limit = {WAL_BYTES_MAX}")
        page_bytes = int(connection.pragma("page_size") or PAGE_BYTES)
        connection.pragma(f"wal_autocheckpoint = {WAL_BYTES_MAX // page_bytes}")
        connection.pragma(f"cache_size = -{CACHE_KIB}")
        if version < len(migrations):
            _migrate(connection, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


def version_of(connection: SqliteConnection, migrations: Migrations = MIGRATIONS) -> int:
    """The version of the schema; 0 for a file without anything in it.

    Raises `StateMismatch` when a newer version, or another program, wrote the file.
    """
    version = int(connection.pragma("user_version") or 0)
    owner = int(connection.pragma("application_id") or 0)
    is_empty = version == 0 and int(connection.pragma("schema_version") or 0) == 0
    if owner != APPLICATION_ID and not is_empty:
        raise StateMismatch(
            "the file is a database of another program",
            "name a file of its own for the store",
        )
    if version > len(migrations):
        raise StateMismatch(
            f"the store has schema version {version}, and this program knows up to"
            f" {len(migrations)}",
            "run the version that wrote it or a newer one, or give this one a store of its own",
        )
    return version


def _migrate(connection: SqliteConnection, migrations: Migrations) -> None:
    connection.run("BEGIN IMMEDIATE")
    # Another process may have done it while this one waited for the lock.
    for steps in migrations[version_of(connection, migrations) :]:
        for step in steps:
            run_step(connection, step)
    connection.pragma(f"application_id = {APPLICATION_ID}")
    connection.pragma(f"user_version = {len(migrations)}")
    connection.run("COMMIT")
