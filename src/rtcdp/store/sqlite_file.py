"""The store's file: how it is made, which version of the schema it has, and how it is upgraded."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rtcdp.store.sql_schema import lease_tables, system_tables, verdict_tables
from rtcdp.store.sqlite_connection import SQLITE, SqliteConnection
from rtcdp.store.store import StateMismatch, StoreUnavailable

APPLICATION_ID = 0x72746364
"""Marks the file as a store of rtcdp; the letters r, t, c, d."""

WAL_BYTES_MAX = 64 * 2**20
CACHE_KIB = 64 * 1024

Migrations = Sequence[Sequence[str]]

MIGRATIONS: Migrations = (
    system_tables(SQLITE),
    lease_tables(SQLITE),
    verdict_tables(SQLITE),
)
"""The n-th entry leads from version n-1 to version n. Entries are never changed, only added."""


def make_file(path: Path) -> None:
    """Make the file, for its owner's eyes only, unless it is there. SQLite's side files inherit
    its mode.

    An existing file is not touched: closing a second handle on it would drop the locks that this
    process holds through SQLite.
    """
    if path.exists():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise StoreUnavailable(
            f"the store's file {path} can't be made: {error.strerror}",
            "name a place where this user may write",
        ) from error


def open_writer(
    path: Path, busy_timeout_ms: int, migrations: Migrations = MIGRATIONS
) -> SqliteConnection:
    """A connection that writes, on a file that is made or upgraded as needed.

    Raises `StateMismatch` when a newer version, or another program, wrote the file.
    """
    make_file(path)
    connection = SqliteConnection(path, read_only=False, busy_timeout_ms=busy_timeout_ms)
    try:
        version = version_of(connection, migrations)
        connection.pragma("journal_mode = WAL")
        connection.pragma("synchronous = FULL")
        connection.pragma(f"journal_size_limit = {WAL_BYTES_MAX}")
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
    for statements in migrations[version_of(connection, migrations) :]:
        for statement in statements:
            connection.run(statement)
    connection.pragma(f"application_id = {APPLICATION_ID}")
    connection.pragma(f"user_version = {len(migrations)}")
    connection.run("COMMIT")
