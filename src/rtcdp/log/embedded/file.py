"""The embedded log's file: how it is opened, and what its tables are.

`DIRECTORY/log.db` is one SQLite database in WAL mode. A row of `chunk` is one group commit (or a
part of a large one); `extent` says where the log ends, so that offsets go on growing after all
chunks were deleted; `source` holds the names of all sources ever seen, to bound their number.
"""

import fcntl
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rtcdp.errors import UsageError
from rtcdp.log.contract import LogUnavailable
from rtcdp.log.embedded.columns import PARTITION
from rtcdp.log.embedded.errors import malformed
from rtcdp.private_files import make_private_folder, sync_folder

FILE_NAME = "log.db"
LOCK_NAME = "log.lock"
SCHEMA_VERSION = 2
"""2: lines may be compressed. Files of format 1 are read as they are; a writer brings them up to
date when it opens them, and older versions refuse them from then on."""

APPLICATION_ID = 0x5254434C  # "RTCL"
PAGE_BYTES = 16_384
"""Chunks are large blobs: 4 KiB pages would halve the speed of reading. A small commit writes three
pages: 64 KiB ones would make it four times as dear."""

CACHE_BYTES = 16 * 2**20
WAL_KEPT_BYTES = 32 * 2**20
LOCK_TIMEOUT_MS = 5_000
_LOCK_POLL_S = 0.001

_SCHEMA = """
CREATE TABLE chunk (
    first_offset INTEGER PRIMARY KEY,
    record_count INTEGER NOT NULL,
    received_at_min INTEGER NOT NULL,
    received_at_max INTEGER NOT NULL,
    header_checksum INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    line_bytes INTEGER,
    spans BLOB NOT NULL,
    odd BLOB NOT NULL,
    lines BLOB NOT NULL
) STRICT;
CREATE INDEX chunk_received_at ON chunk (received_at_max);
CREATE TABLE extent (
    partition INTEGER PRIMARY KEY,
    next_offset INTEGER NOT NULL,
    newest_received_at INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE about (name TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE source (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
"""

INSERT_CHUNK = (
    "INSERT INTO chunk (first_offset, record_count, received_at_min, received_at_max,"
    " header_checksum, checksum, spans, odd, lines, line_bytes)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
"""Stores a `Chunk` in a file that is up to date."""


class LogVersionMismatch(UsageError):
    """The file was written by a newer rtcdp, or is no log at all."""


def file_of(directory: Path) -> Path:
    return directory / FILE_NAME


def wal_of(path: Path) -> Path:
    """SQLite's write-ahead log beside the file: the newest records are there alone."""
    return path.with_name(f"{path.name}-wal")


def create_file(directory: Path) -> None:
    """Make the directory (0700) and an empty database file (0600), durably, where they are missing.

    An existing database is never opened here: closing it again would drop the locks that other
    connections of this process hold on it.
    """
    make_private_folder(directory)
    path = file_of(directory)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        path.chmod(0o600)
    for entry in (directory, directory.parent):
        sync_folder(entry)


def connect(path: Path, lock_timeout_ms: int) -> sqlite3.Connection:
    """A connection to an existing database, in autocommit mode, usable from any thread.

    SQLite checkpoints only when it is told to (see `write_turn`). Text comes as bytes, because a
    damaged file may hold any.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=lock_timeout_ms / 1000,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = bytes
    try:
        for pragma in (
            f"page_size = {PAGE_BYTES}",
            "synchronous = FULL",
            "wal_autocheckpoint = 0",
            f"journal_size_limit = {WAL_KEPT_BYTES}",
            f"cache_size = -{CACHE_BYTES // 1024}",
            "secure_delete = FAST",
            "cell_size_check = ON",
            "temp_store = MEMORY",
            "mmap_size = 0",  # a read error in mapped memory would kill the process
        ):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def has_schema(connection: sqlite3.Connection, path: Path) -> bool:
    """True if the file is a log of this version or of one before, False if it is still empty.

    Raises `LogVersionMismatch` for anything else.
    """
    version = version_of(connection)
    if version == 0 and single(connection, "SELECT count(*) FROM sqlite_master") == 0:
        return False
    if single(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise LogVersionMismatch(
            f"{path} is a database, but not a log of rtcdp", "name another directory for the log"
        )
    if version > SCHEMA_VERSION:
        raise LogVersionMismatch(
            f"{path} has format {version}; this version of rtcdp knows {SCHEMA_VERSION}",
            "upgrade rtcdp, or name another directory for the log",
        )
    return True


def version_of(connection: sqlite3.Connection) -> int:
    """The file's format."""
    return int(single(connection, "PRAGMA user_version"))


def line_bytes_in(version: int) -> str:
    """SQL for a chunk's `line_bytes` in a file of this format; NULL in chunks of the first."""
    return "NULL" if version == 1 else "line_bytes"


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Let a file of the first format hold compressed lines. The chunks that are there stay as they
    are. The caller holds the write turn."""
    if version_of(connection) == SCHEMA_VERSION:
        return
    with transaction(connection, "IMMEDIATE"):
        connection.execute("ALTER TABLE chunk ADD COLUMN line_bytes INTEGER")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def create_schema(connection: sqlite3.Connection, path: Path, created_at: int) -> None:
    """Put an empty file into WAL mode and create the tables. `created_at` is UTC ms."""
    mode = single(connection, "PRAGMA journal_mode = WAL")
    if mode != b"wal":
        raise LogUnavailable(
            f"the file system of {path} doesn't support SQLite's WAL mode",
            "keep the log on a local disk",
        )
    with transaction(connection, "IMMEDIATE"):
        if has_schema(connection, path):
            return
        for statement in filter(str.strip, _SCHEMA.split(";")):
            connection.execute(statement)
        connection.execute("INSERT INTO about VALUES ('created_at', ?)", (created_at,))
        connection.execute("INSERT INTO extent VALUES (?, 0, 0, 0)", (PARTITION,))
        write_extent(connection, next_offset=0, newest_received_at=0)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def write_extent(
    connection: sqlite3.Connection, *, next_offset: int, newest_received_at: int
) -> None:
    """Say where the log ends and when its newest record came (UTC ms)."""
    connection.execute(
        "UPDATE extent SET next_offset = ?, newest_received_at = ?, checksum = ?"
        " WHERE partition = ?",
        (
            next_offset,
            newest_received_at,
            _extent_checksum(next_offset, newest_received_at),
            PARTITION,
        ),
    )


def read_extent(connection: sqlite3.Connection, path: Path) -> tuple[int, int]:
    """Where the log ends and the intake time of its newest record ever.

    Raises `LogFailed` when the row is damaged.
    """
    rows = connection.execute(
        "SELECT next_offset, newest_received_at, checksum FROM extent WHERE partition = ?",
        (PARTITION,),
    ).fetchall()
    if not rows or rows[0][2] != _extent_checksum(rows[0][0], rows[0][1]):
        raise malformed(path, "it doesn't say where the log ends")
    return rows[0][0], rows[0][1]


def _extent_checksum(next_offset: int, newest_received_at: int) -> int:
    return zlib.crc32(f"{next_offset} {newest_received_at}".encode())


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    """Commit at the end, roll back on any exception."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def write_turn(directory: Path, timeout_ms: int) -> Iterator[None]:
    """Hold the right to write to the log and to checkpoint it, among all processes.

    SQLite's own lock orders writes, but not checkpoints: until 3.51.3 two connections that
    checkpoint and write at the same instant could damage the file.
    """
    deadline = time.monotonic() + timeout_ms / 1000
    handle = os.open(directory / LOCK_NAME, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LogUnavailable(
                        f"another process has been writing to {directory} for {timeout_ms} ms",
                        "try again; if it stays so, look for a stopped rtcdp process",
                    ) from None
                time.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(handle)


def single(connection: sqlite3.Connection, sql: str, *parameters: object) -> Any:
    """The first column of the only row, or None. Leaves no statement open behind it."""
    rows = connection.execute(sql, parameters).fetchall()
    return rows[0][0] if rows else None


def identity(path: Path) -> tuple[int, int] | None:
    """Which file is at `path`: device and inode; None when there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def beside_bytes(path: Path) -> int:
    """The bytes of the files that SQLite keeps beside the database: its WAL and the index of it."""
    return sum(
        status.st_size
        for suffix in ("-wal", "-shm")
        if (status := _status(path.with_name(f"{path.name}{suffix}"))) is not None
    )


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def used_bytes(connection: sqlite3.Connection) -> int:
    """The bytes of all pages in use, those that are free to be used again left out."""
    pages = connection.execute(
        "SELECT (SELECT page_count FROM pragma_page_count)"
        " - (SELECT freelist_count FROM pragma_freelist_count)"
    ).fetchall()
    return int(pages[0][0]) * PAGE_BYTES
