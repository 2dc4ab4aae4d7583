"""The store as one SQLite file: what a laptop needs, and the same contract as a server."""

from pathlib import Path

from rtcdp.store.contract import StoreUnavailable
from rtcdp.store.sql.store import SqlStore
from rtcdp.store.sqlite.file import SqliteWriter, gone, identity, open_writer
from rtcdp.store.sqlite.readers import SqliteReaders

BUSY_TIMEOUT_MS = 5000
_READERS_PATIENCE_MS = 1000
"""How long to wait for readers before the file is written anew."""


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

    def _overwrite_deleted(self) -> None:
        """Write the file anew, without free pages, and empty its WAL.

        Raises `StoreUnavailable` while a reader keeps the WAL from being emptied."""
        with self._between_transactions() as writer:
            assert isinstance(writer, SqliteWriter)
            patience_ms = int(writer.pragma("busy_timeout") or 0)
            writer.pragma(f"busy_timeout = {min(patience_ms, _READERS_PATIENCE_MS)}")
            # Before the work: tried again and again, it would fill a WAL that nobody can empty.
            _empty_wal(writer)
            writer.pragma(f"busy_timeout = {patience_ms}")
            # What it works on would be as large as the file.
            writer.pragma("temp_store = FILE")
            writer.run("VACUUM")
            _empty_wal(writer)
            self._drop_writer()

    def _opened(self, path: Path, busy_timeout_ms: int) -> SqliteWriter:
        if self._file_readers.has_seen_store and identity(path) is None:
            raise gone(path)
        writer = open_writer(path, busy_timeout_ms)
        self._file_readers.has_seen_store = True
        return writer


def _empty_wal(writer: SqliteWriter) -> None:
    if writer.pragma("wal_checkpoint(TRUNCATE)") != 0:
        raise StoreUnavailable(
            "somebody reads the store's file, so that its WAL can't be emptied",
            "end what has been reading it for long; it is tried again",
        )
