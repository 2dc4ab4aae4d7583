# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""The store as one SQLite file: what a laptop needs, and the same contract as a server."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import polars as pl

from rtcdp.engines.engine import Epoch, TableChange
from rtcdp.errors import UsageError
from rtcdp.store.sql import frame_schema, one_row, quote
from rtcdp.store.sql_definitions import apply_backfill, backfill_offsets, prepare_metrics
from rtcdp.store.sql_epoch import apply_epoch
from rtcdp.store.sql_reading import read_definitions
from rtcdp.store.sql_snapshot import SqlSnapshot
from rtcdp.store.sqlite_connection import SqliteConnection
from rtcdp.store.sqlite_file import open_writer
from rtcdp.store.sqlite_readers import SqliteReaders
from rtcdp.store.store import Progress, StoreSnapshot
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.table import BUCKET_START, Table

BUSY_TIMEOUT_MS = 5000

_EXPIRING = (("_ledger", "minute"), ("_uncounted", "received_at"), ("_spans", "committed_at"))
_UNDATED = {"minute": " AND minute > 0", "received_at": " AND received_at > 0"}
"""Records whose intake time was lost with a damaged chunk have the time 0: their age is unknown."""


class SqliteStore:
    """A `Store` in the file `path`; see `rtcdp.store.store` for what each method promises.

    Nothing is opened or made before it is needed. With `read_only` it never writes, and answers
    from an empty store until another process has made the file. One process writes at a time;
    another one's lock is waited for, `busy_timeout_ms` long. Safe to use from several threads.
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, busy_timeout_ms: int = BUSY_TIMEOUT_MS
    ) -> None:
        self._path = path
        self._read_only = read_only
        self._busy_timeout_ms = busy_timeout_ms
        self._readers = SqliteReaders(path, busy_timeout_ms)
        self._lock = threading.Lock()
        self._writer: SqliteConnection | None = None
        self._prepared: dict[str, str] | None = None

    def prepare(self, metrics: Sequence[Metric]) -> Sequence[Metric]:
        """As promised by `Store`; those whose backfill was begun or interrupted are returned too.

        A metric that was left out for some time and comes back is backfilled from where it stopped.
        Raises `UsageError` when the metrics' names don't go together.
        """
        with self._writing() as connection:
            to_backfill = prepare_metrics(connection, metrics)
        self._prepared = {metric.name: metric.fingerprint for metric in metrics}
        return to_backfill

    def metrics(self) -> Sequence[str]:
        with self._readers.connection() as connection:
            return [] if connection is None else [d.name for d in read_definitions(connection)]

    def progress(self) -> Progress:
        with self.snapshot() as snapshot:
            return snapshot.progress

    def commit(self, epoch: Epoch) -> None:
        """As promised by `Store`. Raises `EpochUnbalanced` when the epoch's ledger does not account
        for what it read."""
        with self._writing() as connection:
            apply_epoch(connection, epoch, self._prepared)

    def backfill_offsets(self, metric: str) -> Mapping[int, int] | None:
        with self._readers.connection() as connection:
            return None if connection is None else backfill_offsets(connection, metric)

    def commit_backfill(
        self,
        metric: str,
        changes: Sequence[TableChange],
        next_offsets: Mapping[int, int],
        *,
        complete: bool,
    ) -> None:
        with self._writing() as connection:
            apply_backfill(
                connection,
                metric,
                changes,
                next_offsets,
                complete=complete,
                prepared=self._prepared,
            )

    def snapshot(self) -> AbstractContextManager[StoreSnapshot]:
        return self._readers.snapshot()

    def mark_replayed(self, records: Sequence[tuple[int, int]], replayed_at: int) -> None:
        rows = pl.DataFrame(
            records, {"partition": pl.Int64, "offset": pl.Int64}, orient="row"
        ).with_columns(pl.lit(replayed_at, pl.Int64).alias("replayed_at"))
        if rows.is_empty():
            return
        with self._writing() as connection:
            connection.run(
                "UPDATE _uncounted SET replayed_at = ?3"
                ' WHERE "partition" = ?1 AND "offset" = ?2 AND replayed_at IS NULL',
                rows,
            )

    def expire(self, *, buckets_before: int, uncounted_before: int) -> int:
        """As promised by `Store`, one table at a time, so that no commit waits for all of them."""
        with self._writing() as connection:
            tables = connection.query(
                "SELECT name FROM _relations WHERE kind = 'table'", pl.Schema({"name": pl.String})
            )["name"].to_list()
        expired = [(table, BUCKET_START, buckets_before) for table in tables]
        expired += [(table, column, uncounted_before) for table, column in _EXPIRING]
        deleted = 0
        for table, column, before in expired:
            condition = f"{quote(column)} < ?1{_UNDATED.get(column, '')}"
            with self._writing() as connection:
                deleted += connection.run(
                    f"DELETE FROM {quote(table)} WHERE {condition}", one_row(before)
                )
        return deleted

    def dump(self, table: Table) -> pl.DataFrame:
        with self._readers.connection() as connection:
            if connection is None:
                return pl.DataFrame(schema=frame_schema(table))
            return SqlSnapshot(connection).dump(table)

    def close(self) -> None:
        with self._lock:
            self._drop_writer()
        self._readers.close()

    @contextmanager
    def _writing(self) -> Iterator[SqliteConnection]:
        """A write transaction, committed at the end.

        When anything fails the connection is closed, which rolls back whatever state the failure
        left it in: a file handle whose write or sync failed is never used again.
        """
        if self._read_only:
            raise UsageError(
                "this store was opened for reading only", "write through the engine's process"
            )
        with self._lock:
            if self._writer is None:
                self._writer = open_writer(self._path, self._busy_timeout_ms)
            try:
                self._writer.run("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.run("COMMIT")
            except BaseException:
                self._drop_writer()
                raise

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
