# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""The store that all SQL databases share: which transaction does what."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from rtcdp.admission.erased import ErasedUser
from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import DAY_MS, KeptTime
from rtcdp.definitions import BUCKET_START, Metric, RowTable, Table
from rtcdp.errors import UsageError
from rtcdp.store.contract import Acknowledgement, Lease, LeaseLost, Progress, StoreSnapshot
from rtcdp.store.epoch import Epoch, RowChanges, TableChange
from rtcdp.store.sql.acknowledgements import put_acknowledgement, take_acknowledgement_away
from rtcdp.store.sql.definitions import (
    apply_backfill,
    backfill_offsets,
    backfills,
    limit_completeness,
    prepare_metrics,
    raise_floors,
)
from rtcdp.store.sql.epoch import apply_epoch
from rtcdp.store.sql.erasures import end_erasures, read_erased_users
from rtcdp.store.sql.lease import check_lease, prolong_lease, take_lease
from rtcdp.store.sql.reading import read_fingerprints, read_tables
from rtcdp.store.sql.snapshot import EmptySnapshot, SqlSnapshot
from rtcdp.store.sql.statements import SqlWriter, one_row, quote, stored_name
from rtcdp.store.sql.verdicts import forget_verdicts, put_rules, write_quiet, write_time
from rtcdp.store.sql.views import readable_schema

_UNDATED = {"minute": " AND minute > 0", "received_at": " AND received_at > 0"}
"""Records whose intake time was lost with a damaged chunk have the time 0: their age is unknown."""


class SqlReaders(Protocol):
    """Lends connections for reading."""

    def snapshot(self) -> AbstractContextManager[StoreSnapshot]:
        """One consistent state; an empty one while no writer has made the store."""
        ...

    def reading(self) -> AbstractContextManager[SqlSnapshot | None]:
        """The same; None while no writer has made the store."""
        ...

    def close(self) -> None: ...


class SqlStore:
    """A `Store` in a SQL database; see `rtcdp.store.contract` for what each method promises.

    Nothing is opened or made before it is needed: `open_writer` is called before the first write
    and after each one that failed. With `read_only` it never writes, and answers from an empty
    store until another process has made one. Safe to use from several threads.
    """

    def __init__(
        self, readers: SqlReaders, open_writer: Callable[[], SqlWriter], *, read_only: bool
    ) -> None:
        self._readers = readers
        self._open_writer = open_writer
        self._read_only = read_only
        self._lock = threading.Lock()
        self._writer: SqlWriter | None = None
        self._prepared: dict[str, str] | None = None
        self._lease: Lease | None = None

    def acquire_lease(
        self, holder: str, now_ms: int, ttl_ms: int, *, over: int | None = None
    ) -> Lease:
        with self._writing() as connection:
            lease = take_lease(connection, holder, now_ms, ttl_ms, over)
        self._lease = lease
        return lease

    def renew_lease(self, now_ms: int, ttl_ms: int) -> None:
        if self._lease is not None:
            with self._writing() as connection:
                prolong_lease(connection, self._lease, now_ms + ttl_ms)

    def release_lease(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            # Where somebody else has it already there is nothing to give back.
            with suppress(LeaseLost), self._writing() as connection:
                prolong_lease(connection, lease, 0)

    def prepare(
        self, metrics: Sequence[Metric], row_tables: Sequence[RowTable] = ()
    ) -> Sequence[Metric]:
        """As promised by `Store`; those whose backfill was begun or interrupted are returned too.

        A metric that was left out for some time and comes back is backfilled from where it stopped.
        Raises `UsageError` when the metrics' names don't go together.
        """
        with self._leased() as connection:
            to_backfill = prepare_metrics(connection, metrics, row_tables)
        wanted: list[Metric | RowTable] = [*metrics, *row_tables]
        self._prepared = {each.name: each.fingerprint for each in wanted}
        return to_backfill

    def metrics(self) -> Mapping[str, str]:
        with self._readers.reading() as snapshot:
            if snapshot is None:
                return {}
            return read_fingerprints(snapshot.connection, "table")

    def row_tables(self) -> Mapping[str, str]:
        with self._readers.reading() as snapshot:
            if snapshot is None:
                return {}
            return read_fingerprints(snapshot.connection, "rows")

    def progress(self) -> Progress:
        with self.snapshot() as snapshot:
            return snapshot.progress

    def commit(self, epoch: Epoch) -> None:
        """As promised by `Store`. Raises `EpochUnbalanced` when the epoch's ledger does not account
        for what it read."""
        with self._leased() as connection:
            apply_epoch(connection, epoch, self._prepared)

    def backfill_offsets(self, metric: str) -> Mapping[int, int] | None:
        with self._readers.reading() as snapshot:
            return None if snapshot is None else backfill_offsets(snapshot.connection, metric)

    def backfills(self) -> Mapping[str, Mapping[int, int] | None]:
        with self._readers.reading() as snapshot:
            return {} if snapshot is None else backfills(snapshot.connection)

    def commit_backfill(
        self,
        metric: str,
        changes: Sequence[TableChange | RowChanges],
        next_offsets: Mapping[int, int],
        *,
        complete: bool,
    ) -> None:
        with self._leased() as connection:
            apply_backfill(
                connection,
                metric,
                changes,
                next_offsets,
                complete=complete,
                prepared=self._prepared,
            )

    def limit_completeness(self, metric: str, complete_from: int) -> None:
        with self._leased() as connection:
            limit_completeness(connection, metric, complete_from)

    def snapshot(self) -> AbstractContextManager[StoreSnapshot]:
        return self._readers.snapshot()

    def mark_replayed(self, records: Sequence[tuple[int, int]], replayed_at: int) -> None:
        rows = pl.DataFrame(
            records, {"partition": pl.Int64, "offset": pl.Int64}, orient="row"
        ).with_columns(pl.lit(replayed_at, pl.Int64).alias("replayed_at"))
        if rows.is_empty():
            return
        with self._writing() as connection:
            p = connection.dialect.placeholder
            connection.run(
                f"UPDATE _uncounted SET replayed_at = {p(3)}"
                f' WHERE "partition" = {p(1)} AND "offset" = {p(2)} AND replayed_at IS NULL',
                rows,
            )

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        with self._writing() as connection:
            put_acknowledgement(connection, acknowledgement)

    def withdraw_acknowledgement(self, series: str, window_start: int) -> bool:
        with self._writing() as connection:
            return take_acknowledgement_away(connection, series, window_start)

    def erased_users(self, *, only_pending: bool = False) -> Sequence[ErasedUser]:
        with self._readers.reading() as snapshot:
            if snapshot is None:
                return ()
            return read_erased_users(snapshot.connection, only_pending=only_pending)

    def end_erasures(self, on_slice: Callable[[], None] = lambda: None) -> None:
        # First, so that whoever is interrupted here does it again.
        self._overwrite_deleted()
        on_slice()
        with self._leased() as connection:
            end_erasures(connection)

    def _overwrite_deleted(self) -> None:
        """Leave nothing of deleted rows in files that belong to nobody else; a server has its own
        ways."""

    def put_rules_in_force(self, rules: AdmissionRules) -> AdmissionRules | None:
        with self._leased() as connection:
            return put_rules(connection, rules)

    def keep_time(self, kept: KeptTime) -> None:
        with self._leased() as connection:
            write_time(connection, kept)

    def keep_quiet(self, quiet_until: Mapping[int, int]) -> None:
        with self._leased() as connection:
            write_quiet(connection, quiet_until)

    def expire(
        self, *, buckets_before: int, uncounted_before: int, offsets_before: Mapping[int, int]
    ) -> int:
        """As promised by `Store`, one table at a time, so that no commit waits for all of them."""
        with self._leased() as connection:
            tables = read_tables(connection)
            stored = {name: stored_name(connection.dialect, name) for name in tables}
            forget_verdicts(connection, offsets_before)
            # Before the rows go, so that an answer in between says from when on it is whole.
            raise_floors(connection, buckets=buckets_before, uncounted=uncounted_before)
        expired = [(stored[n], Older(time, buckets_before)) for n, time in tables.items() if time]
        expired.append(("_ledger", Older("minute", uncounted_before)))
        for partition, offset in offsets_before.items():
            place, end = (partition, offset), (partition, offset + 1)
            expired += [
                ("_uncounted", Older("received_at", uncounted_before, place, "offset")),
                ("_spans", Older("committed_at", uncounted_before, end, "next_offset")),
            ]
        deleted = sum(self._expire_table(*each) for each in expired)
        self._expire_table("_acknowledgements", Older(BUCKET_START, buckets_before))
        self._expire_table("_checksums", Older("day", buckets_before // DAY_MS))
        return deleted

    def dump(self, table: Table | RowTable) -> pl.DataFrame:
        with self._readers.reading() as snapshot:
            if snapshot is None:
                return EmptySnapshot().dump(table)
            return snapshot.dump(table)

    def readable(self, metric: Metric) -> pl.DataFrame:
        """What SQL readers see of a metric, in its view; see `SqlSnapshot.readable`. Empty before
        there is a store."""
        with self._readers.reading() as snapshot:
            if snapshot is None:
                return pl.DataFrame(schema=readable_schema(metric))
            return snapshot.readable(metric)

    def close(self) -> None:
        with self._lock:
            self._drop_writer()
        self._readers.close()

    def _expire_table(self, table: str, older: "Older") -> int:
        """Delete the rows of a table that are older; returns their number."""
        with self._leased() as connection:
            condition = older.condition(connection.dialect.placeholder)
            return connection.run(f"DELETE FROM {quote(table)} WHERE {condition}", older.bound)

    @contextmanager
    def _leased(self) -> Iterator[SqlWriter]:
        """A write transaction that only the holder of the lease may do."""
        with self._writing() as connection:
            check_lease(connection, self._lease)
            yield connection

    @contextmanager
    def _writing(
        self, begin: Callable[[SqlWriter], None] = lambda writer: writer.begin()
    ) -> Iterator[SqlWriter]:
        """A write transaction, committed at the end.

        When anything fails the connection is closed, which rolls back whatever state the failure
        left it in: one whose write or sync failed is never used again.
        """
        if self._read_only:
            raise UsageError(
                "this store was opened for reading only", "write through the engine's process"
            )
        with self._between_transactions() as writer:
            begin(writer)
            yield writer
            writer.commit()

    @contextmanager
    def _between_transactions(self) -> Iterator[SqlWriter]:
        """The writer, alone, outside of a transaction."""
        with self._lock:
            if self._writer is None:
                self._writer = self._open_writer()
            try:
                yield self._writer
            except BaseException:
                self._drop_writer()
                raise

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


@dataclass(frozen=True)
class Older:
    """Which rows have expired: those with a time before `before` in a column; with a `place`, a
    partition and an offset, only those of the partition with a smaller one in `offset_column`."""

    column: str
    before: int
    place: tuple[int, int] | None = None
    offset_column: str = ""

    @property
    def bound(self) -> pl.DataFrame:
        """What to bind to the condition."""
        return one_row(self.before, *(self.place or ()))

    def condition(self, placeholder: Callable[[int], str]) -> str:
        """The condition as text."""
        dated = f"{quote(self.column)} < {placeholder(1)}{_UNDATED.get(self.column, '')}"
        if self.place is None:
            return dated
        is_before = f"{quote(self.offset_column)} < {placeholder(3)}"
        return f'{dated} AND "partition" = {placeholder(2)} AND {is_before}'
