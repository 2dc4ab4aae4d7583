"""A copy of the store's file, made while others write, and how it takes its place again."""

import os
from contextlib import closing
from pathlib import Path

from rtcdp.private_files import open_private_file
from rtcdp.store.contract import StoreCopy
from rtcdp.store.sql.statements import one_row
from rtcdp.store.sqlite.connection import SqliteConnection
from rtcdp.store.sqlite.file import open_writer
from rtcdp.store.sqlite.store import BUSY_TIMEOUT_MS, SqliteStore

COPY_NAME = "store.db"


def copy_store(url: str, target: Path) -> StoreCopy:
    """See `rtcdp.store.contract.StoreCopy`. SQLite writes the copy from one state of the file
    (`VACUUM INTO`): it holds what the store holds, and nothing of what was deleted from it."""
    path = _path_of(url)
    os.close(open_private_file(target))
    with closing(SqliteConnection(path, read_only=True, busy_timeout_ms=BUSY_TIMEOUT_MS)) as file:
        file.run("VACUUM INTO ?1", one_row(str(target.absolute())))
    with closing(SqliteStore(target, read_only=True)) as copy:
        return StoreCopy(copy.progress(), tuple(copy.erased_users()))


def holds_a_store(url: str) -> bool:
    """Whether there is anything at the place of a store already."""
    return _path_of(url).exists()


def bring_back_store(url: str, source: Path) -> None:
    """Make a store of a copy, at a place where there is none. Raises `StateMismatch` when a newer
    version wrote it, and `StoreUnavailable`."""
    path = _path_of(url)
    if source != path:
        with source.open("rb") as copy, os.fdopen(open_private_file(path), "wb") as file:
            while block := copy.read(2**20):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
    # Upgraded as needed, and put into WAL mode.
    open_writer(path, BUSY_TIMEOUT_MS).close()


def _path_of(url: str) -> Path:
    return Path(url.partition(":")[2])
