"""The store as one SQLite file: what a laptop needs, and the same contract as a server."""

from pathlib import Path

from rtcdp.store.sql.store import SqlStore
from rtcdp.store.sqlite.file import SqliteWriter, gone, identity, open_writer
from rtcdp.store.sqlite.readers import SqliteReaders

BUSY_TIMEOUT_MS = 5000


class SqliteStore(SqlStore):
    """A `Store` in the file `path`; see `rtcdp.store.contract` for what each method promises.

    Nothing is opened or made before it is needed. With `read_only` it never writes, and answers
    from an empty store until another process has made the file. One process writes at a time;
    another one's lock is waited for, `busy_timeout_ms` long. Safe to use from several threads.
    A file that was there and is deleted is neither made anew nor taken for an empty store: the
    methods raise `StoreGone` until it is back.
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, busy_timeout_ms: int = BUSY_TIMEOUT_MS
    ) -> None:
        self._file_readers = SqliteReaders(path, busy_timeout_ms)
        super().__init__(
            self._file_readers,
            lambda: self._opened(path, busy_timeout_ms),
            read_only=read_only,
        )

    def _opened(self, path: Path, busy_timeout_ms: int) -> SqliteWriter:
        if self._file_readers.has_seen_store and identity(path) is None:
            raise gone(path)
        writer = open_writer(path, busy_timeout_ms)
        self._file_readers.has_seen_store = True
        return writer
