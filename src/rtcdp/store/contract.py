"""Where answers rest. The store is the state: an engine resumes by reading its progress.

A store MUST apply an epoch entirely or not at all, MUST refuse an epoch that does not follow its
current one, and MUST let readers see the outcome of whole epochs only. It SHOULD know nothing of
metrics beyond the tables that `rtcdp.definitions.table` derives from them.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

import polars as pl

from rtcdp.admission.erased import ErasedUser
from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import KeptTime
from rtcdp.definitions import Metric, RowTable, Table
from rtcdp.errors import RtcdpError
from rtcdp.log.contract import LogMark
from rtcdp.store.division import ShardState
from rtcdp.store.epoch import Epoch, EpochSpan, RowChanges, TableChange


class StoreUnavailable(RtcdpError):
    """The store can't be reached or written now, and may be able to soon."""

    exit_code = 3


class StoreGone(StoreUnavailable):
    """The store that this process used was taken away, or another one put in its place."""


class RowsGone(StoreUnavailable):
    """Rows that an epoch writes over, as `RowChanges.before` says, have gone since they were read:
    they have expired, say. Nothing was applied, nor will it be, however often it is tried.

    An engine reads what is there, and makes the epoch anew.
    """


class StoreForbidden(RtcdpError):
    """The server doesn't let this user in, or not do what a store needs."""

    exit_code = 2


class EpochRefused(RtcdpError):
    """The epoch does not follow the store's current one: another engine has committed.

    Whoever gets this must stop, read the progress and start again from there.
    """


class LeaseHeld(RtcdpError):
    """Another process has the right to write to the store; `lease` says which, and until when."""

    exit_code = 3

    def __init__(self, message: str, hint: str, lease: "Lease") -> None:
        super().__init__(message, hint)
        self.lease = lease


class LeaseLost(EpochRefused):
    """Another process has taken over the right to write to the store. Nothing was applied."""


class RowsRefused(RtcdpError):
    """The store doesn't take a value, however often it is tried: a sum beyond 64 bits, or a null
    where none may be. Nothing was applied.

    An engine finds the record that it came from, and counts the others.
    """


class StateMismatch(RtcdpError):
    """The store was written by another version or under another definition."""

    exit_code = 2


@dataclass(frozen=True)
class Lease:
    """The right to write to a store. `token` is larger for each new holder; `holder` says who it is
    in one line of text; it may be taken over after `expires_at` (UTC ms)."""

    token: int
    holder: str
    expires_at: int


@dataclass(frozen=True)
class Progress:
    """How far the state is. `epoch` 0 means that nothing was committed yet.

    `next_offsets` says per partition where to resume, `max_received_at` the largest intake time
    that is counted in, `committed_at` when the epoch was committed (UTC ms). `log_id` names the log
    that it was counted from; empty when that log had no name. `marks` are, per partition, the last
    records that were counted and are known: a log that has others in their places is not the one.

    The records `[decided_from, next_offset)` of a partition have their verdicts in the store: what
    has a row among the uncounted records has that row's, and all others are admitted. Of these, an
    engine has to read again `[remembered_from, next_offset)` to know every id that it must; a
    partition is not in `remembered_from` when no engine has said so yet.

    `quiet_until` says of partitions that were found read to their end, with nothing new in them,
    before which intake time (UTC ms) nothing comes in them any more.

    `shards` are those of a store that several processors write to; `epoch` counts the commits of
    all of them then, and `committed_at` is the newest.
    """

    epoch: int = 0
    next_offsets: Mapping[int, int] = field(default_factory=dict)
    max_received_at: Mapping[int, int] = field(default_factory=dict)
    committed_at: int = 0
    engine: str = ""
    log_id: str = ""
    remembered_from: Mapping[int, int] = field(default_factory=dict)
    decided_from: Mapping[int, int] = field(default_factory=dict)
    marks: Mapping[int, LogMark] = field(default_factory=dict)
    quiet_until: Mapping[int, int] = field(default_factory=dict)
    shards: tuple[ShardState, ...] = ()

    @property
    def reached(self) -> Mapping[int, int]:
        """Up to which intake time (UTC ms) each partition is counted, whether records say so or
        their absence; 0 for those that nobody has seen."""
        quiet = self.quiet_until
        return {p: max(at, quiet.get(p, at)) for p, at in self.max_received_at.items()}

    @property
    def all_committed_at(self) -> int:
        """When the last commit was of the shard whose last one is the oldest (UTC ms); for one with
        nothing to commit, up to when that is known. 0 where one has not committed yet."""
        return min((self._known_of(each) for each in self.shards), default=self.committed_at)

    def watermark(self, allowed_lateness_ms: int) -> int | None:
        """Event times before this are final: min over partitions of the intake time that is
        reached, less the allowed lateness. None before the first record of a log, or of a shard
        that may hold some."""
        newest = min(self.reached.values(), default=0)
        return newest - allowed_lateness_ms if newest > 0 else None

    def _known_of(self, state: ShardState) -> int:
        own = (p for p in self.max_received_at if p % len(self.shards) == state.shard)
        quiet = min((self.quiet_until.get(partition, 0) for partition in own), default=0)
        return max(state.committed_at, quiet)


@dataclass(frozen=True)
class RulesInForce:
    """The rules that decided every record from an epoch on, until the next entry: what lies at or
    after `from_offsets`, in a partition that is not named there from its first record on."""

    from_epoch: int
    from_offsets: Mapping[int, int]
    rules: AdmissionRules


@dataclass(frozen=True)
class Floors:
    """What retention has deleted: buckets that start before `buckets_from`, and ledger minutes,
    uncounted records and spans from before `uncounted_from` (UTC ms; None: nothing yet)."""

    buckets_from: int | None = None
    uncounted_from: int | None = None


@dataclass(frozen=True)
class Acknowledgement:
    """That somebody has seen an alarm: the one of `series`, a text that names what it is of, whose
    window begins at `window_start` (UTC ms). `by` says who, `at` (UTC ms) when, and `note` what
    there was to say."""

    series: str
    window_start: int
    by: str
    at: int
    note: str = ""


@dataclass(frozen=True)
class Scan:
    """What to read of a table, newest bucket first, then by key ascending.

    `equals` fixes key columns. `bucket_from` is included, `bucket_to` is not (UTC ms). `after` is
    the primary key of the last row of the page before, (`window_start`, *key); `limit` counts rows.
    """

    table: Table
    equals: Mapping[str, str] = field(default_factory=dict)
    bucket_from: int | None = None
    bucket_to: int | None = None
    after: tuple[int | str, ...] | None = None
    limit: int | None = None


@dataclass(frozen=True)
class RowScan:
    """What to read of a row table whose rows have a time: newest first, then by the rest of the
    primary key ascending.

    `time_from` is included, `time_to` is not (UTC ms). `after` is the primary key of the last row
    of the page before. `columns` are read beside those of the primary key; None means all.
    """

    table: RowTable
    time_from: int | None = None
    time_to: int | None = None
    after: tuple[int | str, ...] | None = None
    limit: int = 1000
    columns: tuple[str, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are read, in stored order."""
        table = self.table
        if self.columns is None:
            return table.column_names
        wanted = {*table.primary_key, *self.columns}
        return tuple(name for name in table.column_names if name in wanted)


@dataclass(frozen=True)
class UncountedScan:
    """Which uncounted records to read, newest first by (`received_at`, `partition`, `offset`).

    `after` is that triple of the last row of the page before. A range of event times or offsets
    narrows it; None leaves it open.
    """

    verdict: Literal["duplicate", "late", "dead_letter", "erased"] | None = None
    reason: str | None = None
    source: str | None = None
    user_id: str | None = None
    partition: int | None = None
    offset_from: int | None = None
    offset_to: int | None = None
    only_not_replayed: bool = False
    after: tuple[int, int, int] | None = None
    limit: int = 100


class StoreSnapshot(Protocol):
    """One consistent state of the store: all reads see the outcome of the same epoch."""

    @property
    def progress(self) -> Progress: ...

    @property
    def floors(self) -> Floors: ...

    def complete_from(self, metric: str) -> int | None:
        """Windows of the metric that start before (UTC ms) miss events that the log no longer held
        when they were to be counted; None when it misses none."""
        ...

    def daily_sums(self, table: Table | RowTable) -> Mapping[int, int] | None:
        """What the counts of a table have to add up to, by day; see `rtcdp.store.checksums`. None
        when that was not kept for the table from its beginning."""
        ...

    def scan(self, scan: Scan) -> pl.DataFrame:
        """Rows with the columns `table.column_names`, at most `limit`."""
        ...

    def members(self, table: Table, groups: pl.DataFrame) -> pl.DataFrame:
        """All rows of a member or item table whose (`window_start`, *key) is among `groups`.

        For "heaviest_items" tables, rows come with the largest `item_count` first in each group.
        """
        ...

    def rows(self, table: RowTable, groups: pl.DataFrame) -> pl.DataFrame:
        """The rows of a row table whose `group_key` is among `groups`, sorted by primary key; many
        groups are read at once. With the columns `from` and `to` beside the group key, of each
        group those with a time in its half-open range; a group stands once then."""
        ...

    def row_page(
        self, table: RowTable, *, after: tuple[int | str, ...] | None = None, limit: int = 1000
    ) -> pl.DataFrame:
        """Rows of a row table in the order of their primary key, from after the key `after` on.

        Where keys are longer than an index takes, their order beyond that is the store's own.
        """
        ...

    def row_scan(self, scan: RowScan) -> pl.DataFrame:
        """Rows with the columns `scan.names`, at most `scan.limit`, newest first; see `row_page` on
        the order of long keys. Raises `UsageError` for a table whose rows have no time, and for an
        `after` that is no key of it."""
        ...

    def ledger(
        self,
        *,
        minute_from: int | None = None,
        after: tuple[int, str] | None = None,
        limit: int = 1000,
    ) -> pl.DataFrame:
        """Rows of `LEDGER_SCHEMA`, newest minute first, then by source.

        `after` is the (`minute`, `source`) of the last row of the page before.
        """
        ...

    def ledger_totals(self) -> dict[str, int]:
        """received, admitted, duplicate, late, dead_letter, conflict and erased over all time."""
        ...

    def uncounted(self, scan: UncountedScan) -> pl.DataFrame:
        """Rows of `UNCOUNTED_READ_SCHEMA`."""
        ...

    def verdicts(self, partition: int, offset_from: int, offset_to: int) -> pl.DataFrame:
        """Rows of `RECORDED_SCHEMA` for the records `[offset_from, offset_to)` of a partition, by
        offset. Within `[decided_from, next_offset)` every record without a row is admitted."""
        ...

    def admission_rules(self) -> Sequence[RulesInForce]:
        """The rules by which records were decided, oldest first. What was decided before the first
        entry was decided by a version that kept no rules."""
        ...

    def kept_time(self) -> KeptTime: ...

    def acknowledgements(self, window_from: int, window_to: int) -> Sequence[Acknowledgement]:
        """Those of alarms whose windows begin in the half-open range (UTC ms), in any order. They
        are no part of an epoch: what was said last is there, however old the snapshot."""
        ...

    def spans(self, event_time_from: int, event_time_to: int) -> Sequence[EpochSpan]:
        """What to read of the log to find every record with an event time in the half-open range
        (and others); in log order."""
        ...


@dataclass(frozen=True)
class StoreCopy:
    """What is told of a copy of a store, of the moment that it was taken at: how far it had
    counted, and who was erased.

    A store that can be copied has three functions in its package: `copy_store(url, target)` writes
    one state of it to a file, which is empty until that state is fixed, and returns this;
    `holds_a_store(url)` tells whether a place is taken; `bring_back_store(url, source)` makes a
    store of such a file. `COPY_NAME` is what the file is called. That of a server has a fourth
    one: `take_away_store(url)` takes away what `bring_back_store` has made."""

    progress: Progress
    erased: tuple[ErasedUser, ...]


class Store(Protocol):
    """A place for answers. One writer at a time; any number of readers."""

    def prepare(
        self, metrics: Sequence[Metric], row_tables: Sequence[RowTable] = ()
    ) -> Sequence[Metric]:
        """Create or upgrade the tables of `metrics`, and the `row_tables`. Only a writer calls
        this.

        Returns the metrics whose tables are new or were emptied because their fingerprint changed:
        they have to be backfilled. Metrics that are in the store but not among `metrics` are left
        as they are. The same holds for row tables, for which `backfill_offsets` says what they
        miss. Raises `StateMismatch` when a newer version wrote the store.
        """
        ...

    def metrics(self) -> Mapping[str, str]:
        """The fingerprints of the metrics that have tables here, by name."""
        ...

    def row_tables(self) -> Mapping[str, str]:
        """The fingerprints of the row tables that are here, by name."""
        ...

    def acquire_lease(
        self, holder: str, now_ms: int, ttl_ms: int, *, over: int | None = None
    ) -> Lease:
        """Take the right to write, until `now_ms + ttl_ms`, and keep its token in this object.

        From then on `prepare`, `commit`, `commit_backfill` and `expire` of this object are refused
        with `LeaseLost` once another holder has taken over, checked together with the write. Raises
        `LeaseHeld` while another holder's lease lasts, unless `over` is the token of that lease:
        whoever gives it knows that its holder is dead. The same holder may take its lease anew.
        """
        ...

    def renew_lease(self, now_ms: int, ttl_ms: int) -> None:
        """Prolong this object's lease. Raises `LeaseLost`. Does nothing without a lease."""
        ...

    def release_lease(self) -> None:
        """Give the right to write back, if this object still has it."""
        ...

    def progress(self) -> Progress: ...

    def commit(self, epoch: Epoch) -> None:
        """Apply an epoch, durably and entirely.

        Raises `EpochRefused` when `epoch.number` is not the current one plus one, a span does not
        start where its partition was counted up to, or `log_id` is not the one that was counted
        from (both are known, and differ); and `StoreUnavailable` when nothing was applied (or when
        it is not known: read `progress`), which may be `RowsGone`.
        """
        ...

    def backfill_offsets(self, metric: str) -> Mapping[int, int] | None:
        """Where to resume the backfill of a metric or row table; None when it is complete."""
        ...

    def backfills(self) -> Mapping[str, Mapping[int, int] | None]:
        """The `backfill_offsets` of all metrics and row tables that are here, at one time."""
        ...

    def commit_backfill(
        self,
        metric: str,
        changes: Sequence[TableChange | RowChanges],
        next_offsets: Mapping[int, int],
        *,
        complete: bool,
    ) -> None:
        """Apply a step of a metric's or row table's backfill and remember where to resume, in one
        transaction."""
        ...

    def limit_completeness(self, metric: str, complete_from: int) -> None:
        """Remember that windows of the metric that start before `complete_from` (UTC ms) are not
        whole, unless a later time is remembered. A changed definition begins without."""
        ...

    def snapshot(self) -> AbstractContextManager[StoreSnapshot]:
        """A consistent view for reading. Raises `StoreUnavailable`."""
        ...

    def mark_replayed(self, records: Sequence[tuple[int, int]], replayed_at: int) -> None:
        """Remember that the dead letters at these (partition, offset) were replayed."""
        ...

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """Remember that an alarm was seen, in place of what was remembered of it before. Any
        process may call this, beside the one that writes."""
        ...

    def withdraw_acknowledgement(self, series: str, window_start: int) -> bool:
        """Forget that an alarm was seen. Returns whether it had been."""
        ...

    def erased_users(self, *, only_pending: bool = False) -> Sequence[ErasedUser]:
        """Who was erased. With `only_pending`, those of whom the log may still hold something."""
        ...

    def end_erasures(self, on_slice: Callable[[], None] = lambda: None) -> None:
        """Remember that the log holds nothing any more of whoever was erased, and overwrite what
        the store itself has deleted, where its files are its own. Where that is done in slices,
        `on_slice` is called after each of them. Only a writer calls this."""
        ...

    def put_rules_in_force(self, rules: AdmissionRules) -> AdmissionRules | None:
        """Let `rules` be those of every epoch to come. Returns the rules of before when they were
        others and have decided anything; None when nothing changes. Only a writer calls this,
        before it decides anything."""
        ...

    def keep_time(self, kept: KeptTime) -> None:
        """Remember how far the time is trusted, and how the clock behaved."""
        ...

    def keep_quiet(self, quiet_until: Mapping[int, int]) -> None:
        """Remember of partitions all of whose records are counted before which intake time (UTC ms)
        none comes any more; a time that is known already is never put back. No epoch is told."""
        ...

    def expire(
        self, *, buckets_before: int, uncounted_before: int, offsets_before: Mapping[int, int]
    ) -> int:
        """Delete buckets that start, and rows of row tables whose time is, before
        `buckets_before`, with the acknowledgements of these windows, and ledger minutes, uncounted
        records and epoch spans from before `uncounted_before` (UTC ms), and let snapshots say so.
        Returns the number of rows, acknowledgements apart.

        Of the uncounted records and the spans, those stay that lie at or after `offsets_before`, or
        in a partition that is not named there: the log holds these records still, and their
        verdicts with them. `decided_from` moves up to `offsets_before`.
        """
        ...

    def dump(self, table: Table | RowTable) -> pl.DataFrame:
        """The whole table, sorted by primary key. For `verify` and tests."""
        ...

    def close(self) -> None: ...
