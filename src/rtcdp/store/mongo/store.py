"""The store as a MongoDB database: exactly once, on a standalone server without transactions.

Every change is written ahead as a plan, decided by one conditional update of the head document, and
carried out by whoever comes; readers see the outcome of whole epochs, for each document keeps the
versions that can still be read. See `mongo_commit`, `mongo_layout` and `mongo_snapshot`.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

import polars as pl
from pymongo import UpdateOne

from rtcdp.admission.erased import ErasedUser
from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import KeptTime
from rtcdp.definitions import Metric, RowTable, Table, tables_of
from rtcdp.errors import UsageError
from rtcdp.store.contract import (
    Acknowledgement,
    Lease,
    LeaseLost,
    Progress,
    StoreGone,
    StoreSnapshot,
)
from rtcdp.store.epoch import Epoch, RowChanges, TableChange
from rtcdp.store.mongo.acknowledgements import put_acknowledgement, take_acknowledgement_away
from rtcdp.store.mongo.apply import UNCOUNTED, uncounted_id
from rtcdp.store.mongo.commit import change, redefine_tables, settled_head
from rtcdp.store.mongo.connection import MongoDatabase
from rtcdp.store.mongo.definitions import (
    backfill_offsets,
    check_names,
    plan_backfill,
    plan_completeness,
    redefine,
)
from rtcdp.store.mongo.epoch import plan_epoch
from rtcdp.store.mongo.erasures import read_erased_users
from rtcdp.store.mongo.expiry import expire
from rtcdp.store.mongo.head import (
    HEAD,
    PROGRESS,
    Head,
    make_head,
    quiet_document,
    read_head,
    rules_document,
    set_fields,
    time_document,
    upgrade_head,
)
from rtcdp.store.mongo.indexes import drop_old_indexes, ensure_indexes, ensure_system_indexes
from rtcdp.store.mongo.layout import date, integer
from rtcdp.store.mongo.overwriting import end_erasures
from rtcdp.store.mongo.snapshot import MongoSnapshot
from rtcdp.store.rules import check_holds, refuse_held, rules_after, rules_replaced


class MongoStore:
    """A `Store` in the database that a `mongodb://` URL names; see `rtcdp.store.contract` for what
    each method promises.

    Nothing is connected or made before it is needed. With `read_only` it never writes, and answers
    from an empty store until another process has made one. Safe to use from several threads. A
    snapshot can be read for some seconds while others commit; see `SnapshotTooOld`.

    Raises `UsageError` for a URL that names no database of MongoDB, and from all methods
    `StoreUnavailable` and `StoreForbidden`.
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self._database = MongoDatabase(url)
        self._read_only = read_only
        self._lock = threading.Lock()
        self._prepared: dict[str, str] | None = None
        self._lease: Lease | None = None
        self._has_seen_store = False

    def acquire_lease(
        self, holder: str, now_ms: int, ttl_ms: int, *, over: int | None = None
    ) -> Lease:
        with self._writing() as database:
            make_head(database)
            self._lease = take_lease(database, holder, now_ms, ttl_ms, over)
            return self._lease

    def renew_lease(self, now_ms: int, ttl_ms: int) -> None:
        lease = self._lease
        if lease is not None:
            with self._database.translated():
                prolong_lease(self._database, lease, now_ms + ttl_ms)

    def release_lease(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            with suppress(LeaseLost), self._database.translated():
                prolong_lease(self._database, lease, 0)

    def prepare(
        self, metrics: Sequence[Metric], row_tables: Sequence[RowTable] = ()
    ) -> Sequence[Metric]:
        """As promised by `Store`; those whose backfill was begun or interrupted are returned too.

        A metric that was left out for some time and comes back is backfilled from where it stopped.
        Raises `UsageError` when the metrics' names don't go together.
        """
        check_names(metrics, row_tables)
        wanted: list[Metric | RowTable] = [*metrics, *row_tables]
        tables: list[Table | RowTable] = [t for metric in metrics for t in tables_of(metric)]
        tables += row_tables
        with self._writing() as database:
            upgrade_head(database, self._lease)
            ensure_system_indexes(database)
            ensure_indexes(database, tables)
            redefinition = redefine_tables(
                database, self._lease, lambda head: redefine(head, metrics, row_tables)
            )
            for collection in redefinition.emptied:
                drop_old_indexes(database, collection, tables)
        self._prepared = {each.name: each.fingerprint for each in wanted}
        return redefinition.to_backfill

    def metrics(self) -> Mapping[str, str]:
        found = self._head().state.definitions
        return {each.name: each.fingerprint for each in found if not each.is_rows}

    def row_tables(self) -> Mapping[str, str]:
        found = self._head().state.definitions
        return {each.name: each.fingerprint for each in found if each.is_rows}

    def progress(self) -> Progress:
        """As promised by `Store`. What this writer has decided and not carried out, because the
        server was away, is carried out first."""
        if self._prepared is None or self._read_only:
            return self._head().state.progress
        with self._writing() as database:
            return settled_head(database).state.progress

    def commit(self, epoch: Epoch) -> None:
        """As promised by `Store`. Raises `EpochUnbalanced` when the epoch's ledger does not account
        for what it read."""
        with self._writing() as database:
            change(database, self._lease, lambda head: plan_epoch(head, epoch, self._prepared))

    def backfill_offsets(self, metric: str) -> Mapping[int, int] | None:
        with self._database.translated():
            head = read_head(self._database)
        return None if head is None else backfill_offsets(head.state.definitions, metric)

    def backfills(self) -> Mapping[str, Mapping[int, int] | None]:
        found = self._head().state.definitions
        return {each.name: None if each.is_complete else each.next_offsets for each in found}

    def commit_backfill(
        self,
        metric: str,
        changes: Sequence[TableChange | RowChanges],
        next_offsets: Mapping[int, int],
        *,
        complete: bool,
    ) -> None:
        reached = None if complete else next_offsets
        with self._writing() as database:
            change(
                database,
                self._lease,
                lambda head: plan_backfill(head, metric, changes, reached, self._prepared),
            )

    def limit_completeness(self, metric: str, complete_from: int) -> None:
        with self._writing() as database:
            change(
                database,
                self._lease,
                lambda head: plan_completeness(head, metric, complete_from),
            )

    @contextmanager
    def snapshot(self, *, lasting: bool = False) -> Iterator[StoreSnapshot]:
        """As promised by `Store`. A `lasting` one can be read for half a minute at least while
        others commit, and may be a minute old when it begins."""
        head = self._head()
        if lasting and head.kept:
            kept = head.kept[-1]
            head = replace(head, revision=kept.revision, state=kept.state)
        yield MongoSnapshot(self._database, head)

    def mark_replayed(self, records: Sequence[tuple[int, int]], replayed_at: int) -> None:
        # The smallest of the times is the first.
        marks = [
            UpdateOne({"_id": uncounted_id(*record)}, {"$min": {"replayed_at": date(replayed_at)}})
            for record in records
        ]
        if marks:
            with self._writing() as database:
                database.collection(UNCOUNTED).bulk_write(marks, ordered=False)

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        with self._writing() as database:
            put_acknowledgement(database, acknowledgement)

    def withdraw_acknowledgement(self, series: str, window_start: int) -> bool:
        with self._writing() as database:
            return take_acknowledgement_away(database, series, window_start)

    def erased_users(self, *, only_pending: bool = False) -> Sequence[ErasedUser]:
        with self._database.translated():
            return read_erased_users(self._database, only_pending=only_pending)

    def end_erasures(self, on_slice: Callable[[], None] = lambda: None) -> None:
        """As promised by `Store`. Snapshots that were taken before can't be read any more."""
        with self._writing() as database:
            end_erasures(database, self._lease, on_slice)

    def put_rules_in_force(self, rules: AdmissionRules) -> AdmissionRules | None:
        with self._writing() as database:
            head = settled_head(database)
            check_holds(head.lease, self._lease)
            history = rules_after(head.rules, head.state.progress, rules)
            set_fields(database, self._lease, {"rules": rules_document(history)})
            return rules_replaced(history, head.state.progress)

    def keep_time(self, kept: KeptTime) -> None:
        with self._writing() as database:
            settled_head(database)
            set_fields(database, self._lease, {"time": time_document(kept)})

    def keep_quiet(self, quiet_until: Mapping[int, int]) -> None:
        with self._writing() as database:
            head = settled_head(database)
            set_fields(database, self._lease, {"quiet": quiet_document(head, quiet_until)})

    def expire(
        self, *, buckets_before: int, uncounted_before: int, offsets_before: Mapping[int, int]
    ) -> int:
        """As promised by `Store`; the documents themselves are deleted by the next call."""
        with self._writing() as database:
            return expire(database, self._lease, buckets_before, uncounted_before, offsets_before)

    def dump(self, table: Table | RowTable) -> pl.DataFrame:
        return MongoSnapshot(self._database, self._head()).dump(table)

    def close(self) -> None:
        self._database.close()

    def _head(self) -> Head:
        with self._database.translated():
            head = read_head(self._database)
        if head is None and self._has_seen_store:
            raise StoreGone(
                "the store was deleted from its database while it was in use",
                "bring it back; to have everything computed again from the log, restart rtcdp",
            )
        self._has_seen_store = self._has_seen_store or head is not None
        return head or Head()

    @contextmanager
    def _writing(self) -> Iterator[MongoDatabase]:
        """One write at a time."""
        if self._read_only:
            raise UsageError(
                "this store was opened for reading only", "write through the engine's process"
            )
        with self._lock, self._database.translated():
            yield self._database


def take_lease(
    database: MongoDatabase, holder: str, now_ms: int, ttl_ms: int, over: int | None
) -> Lease:
    """Give the lease to `holder`, in a store that is there.

    Raises `LeaseHeld` while another one's lasts and `over` is not its token.
    """
    while True:
        held = (read_head(database) or Head()).lease
        if held is not None and held.holder != holder and held.token != over:
            refuse_held(held, now_ms)
        lease = Lease(1 if held is None else held.token + 1, holder, now_ms + ttl_ms)
        as_it_was = {"lease": None} if held is None else {"lease.token": integer(held.token)}
        fields = {name: integer(v) if isinstance(v, int) else v for name, v in vars(lease).items()}
        taken = database.collection(PROGRESS).update_one(
            {"_id": HEAD, **as_it_was}, {"$set": {"lease": fields}}
        )
        if taken.matched_count:
            return lease


def prolong_lease(database: MongoDatabase, lease: Lease, expires_at: int) -> None:
    """Let a lease last until `expires_at` (UTC ms). Raises `LeaseLost`."""
    prolonged = database.collection(PROGRESS).update_one(
        {"_id": HEAD, "lease.token": integer(lease.token)},
        {"$set": {"lease.expires_at": integer(expires_at)}},
    )
    if not prolonged.matched_count:
        check_holds((read_head(database) or Head()).lease, lease)
