# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""The store in a schema of a PostgreSQL database, version 13 or newer."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import KeptTime
from rtcdp.definitions import Metric, RowTable
from rtcdp.definitions.products import PRODUCT_TABLES
from rtcdp.store.contract import Lease, LeaseLost, Progress
from rtcdp.store.divided import ShardsClosed
from rtcdp.store.division import Division, Shards, ShardState
from rtcdp.store.epoch import Epoch
from rtcdp.store.postgres.address import parse_address
from rtcdp.store.postgres.connection import ANSWER_TIMEOUT_S
from rtcdp.store.postgres.division import (
    advance_shard,
    check_shard,
    close,
    end_division,
    end_shard_lease,
    open_shards,
    progress_of_shard,
    prolong_shard,
    put_member,
    read_shards,
    shard_epoch,
    take_shard,
)
from rtcdp.store.postgres.readers import PostgresReaders
from rtcdp.store.postgres.schema import open_writer
from rtcdp.store.sql.epoch import apply_shard_epoch
from rtcdp.store.sql.lease import take_lease
from rtcdp.store.sql.reading import read_definitions
from rtcdp.store.sql.statements import SqlConnection, SqlWriter, quote
from rtcdp.store.sql.store import Older, SqlStore
from rtcdp.store.sql.verdicts import read_rules

_EXPIRED_AT_ONCE = 20_000
_FOLLOWED = frozenset(table.name for table in PRODUCT_TABLES)
"""What the caretaker alone writes to: the second stream has no shards."""


class PostgresStore(SqlStore):
    """A `Store` at `postgresql://…`; see `rtcdp.store.contract` for what each method promises.

    Nothing is opened or made before it is needed. With `read_only` it never writes, and answers
    from an empty store until another process has made the tables. One process writes at a time;
    another one's transaction is waited for. A server that is silent for `answer_timeout_s` is
    given up. Safe to use from several threads. Raises `UsageError` for a URL that can't be read.
    """

    def __init__(
        self, url: str, *, read_only: bool = False, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        address = parse_address(url)
        self._url, self._answer_timeout_s = url, answer_timeout_s
        super().__init__(
            PostgresReaders(address, answer_timeout_s),
            lambda: open_writer(address, answer_timeout_s),
            read_only=read_only,
        )

    def acquire_lease(
        self, holder: str, now_ms: int, ttl_ms: int, *, over: int | None = None
    ) -> Lease:
        """As promised by `Store`, and of a store that is divided as `DividedStore` says."""
        if over is not None:
            # By itself: of several dead ones, each is named in its turn.
            with self._writing() as connection:
                end_shard_lease(connection, over)
        with self._writing() as connection:
            lease = take_lease(connection, holder, now_ms, ttl_ms, over)
            end_division(connection, now_ms)
        self._lease = lease
        return lease

    def shards(self) -> Shards:
        """See `rtcdp.store.divided.DividedStore`."""
        with self._readers.reading() as snapshot:
            return Shards() if snapshot is None else read_shards(snapshot.connection)

    def report_member(self, member: str, now_ms: int, ttl_ms: int) -> None:
        """See `rtcdp.store.divided.DividedStore`."""
        with self._writing() as connection:
            put_member(connection, member, now_ms, now_ms + ttl_ms)

    def caretaker(self) -> "PostgresCaretaker":
        """See `rtcdp.store.divided.DividedStore`."""
        return PostgresCaretaker(self._url, answer_timeout_s=self._answer_timeout_s)

    def shard(self, number: int) -> "PostgresShard":
        """See `rtcdp.store.divided.DividedStore`."""
        return PostgresShard(self._url, number, answer_timeout_s=self._answer_timeout_s)

    def expire(
        self, *, buckets_before: int, uncounted_before: int, offsets_before: Mapping[int, int]
    ) -> int:
        """As promised by `Store`, some rows at a time, so that no commit waits for long."""
        deleted = super().expire(
            buckets_before=buckets_before,
            uncounted_before=uncounted_before,
            offsets_before=offsets_before,
        )
        # Long texts are no rows of their own to whoever counts.
        self._expire_table("_long_texts", Older("newest_bucket", buckets_before))
        return deleted

    def _expire_table(self, table: str, older: Older) -> int:
        deleted = 0
        while True:
            with self._leased() as connection:
                condition = older.condition(connection.dialect.placeholder)
                step = connection.run(
                    f"DELETE FROM {quote(table)} WHERE ctid = ANY (ARRAY("
                    f"SELECT ctid FROM {quote(table)} WHERE {condition} LIMIT {_EXPIRED_AT_ONCE}))",
                    older.bound,
                )
            deleted += step
            if step < _EXPIRED_AT_ONCE:
                return deleted


class PostgresCaretaker(PostgresStore):
    """The writer of what belongs to the whole of a divided store; see
    `rtcdp.store.divided.Caretaker`."""

    def acquire_lease(
        self, holder: str, now_ms: int, ttl_ms: int, *, over: int | None = None
    ) -> Lease:
        """The store's own lease, whoever has the shards."""
        return SqlStore.acquire_lease(self, holder, now_ms, ttl_ms, over=over)

    def close_shards(self, division: Division) -> None:
        """See `rtcdp.store.divided.Caretaker`."""
        with self._leased() as connection:
            close(connection, division)

    def open_shards(self, first_offsets: Mapping[int, int]) -> None:
        """See `rtcdp.store.divided.Caretaker`."""
        with self._leased() as connection:
            open_shards(connection, first_offsets)

    def is_ready(self, wanted: Mapping[str, str], rules: AdmissionRules) -> bool:
        """See `rtcdp.store.divided.Caretaker`."""
        with self._readers.reading() as snapshot:
            return snapshot is not None and _is_ready(snapshot.connection, wanted, rules)


class PostgresShard(PostgresStore):
    """The writer of one shard; see `rtcdp.store.divided.DividedStore.shard`. Its lease is that of
    the shard, and all its writes are refused when that is lost."""

    def __init__(
        self, url: str, number: int, *, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        super().__init__(url, answer_timeout_s=answer_timeout_s)
        self._shard = number

    def acquire_lease(
        self, holder: str, now_ms: int, ttl_ms: int, *, over: int | None = None
    ) -> Lease:
        """That of the shard. Raises `ShardsClosed` too."""
        taker = Lease(0, holder, now_ms + ttl_ms)
        with self._writing() as connection:
            lease = take_shard(connection, self._shard, taker, now_ms, over)
        self._lease = lease
        return lease

    def renew_lease(self, now_ms: int, ttl_ms: int) -> None:
        if self._lease is not None:
            with self._writing() as connection:
                prolong_shard(connection, self._shard, self._lease, now_ms + ttl_ms)

    def release_lease(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            with suppress(LeaseLost), self._writing() as connection:
                prolong_shard(connection, self._shard, lease, 0)

    def prepare(
        self, metrics: Sequence[Metric], row_tables: Sequence[RowTable] = ()
    ) -> Sequence[Metric]:
        """Nothing is prepared by a shard; raises `ShardsClosed` unless all of these are, and no
        other is kept up to date."""
        definitions: list[Metric | RowTable] = [*metrics, *row_tables]
        wanted = {each.name: each.fingerprint for each in definitions}
        with self._leased() as connection:
            kept = _kept(connection)
            if {name: mark for name, mark in kept.items() if name not in _FOLLOWED} != wanted:
                raise ShardsClosed(
                    "the store has other definitions of metrics and folds than this processor",
                    "give all processors of a store the same --catalog and folds",
                )
        self._prepared = kept
        return ()

    def put_rules_in_force(self, rules: AdmissionRules) -> AdmissionRules | None:
        """Nothing changes here; raises `ShardsClosed` unless these are the rules in force."""
        with self._leased() as connection:
            if not _decides_by(connection, rules):
                raise ShardsClosed(
                    "the store decides by other admission rules than this processor",
                    "give all processors of a store the same admission settings",
                )
        return None

    def progress(self) -> Progress:
        with self._readers.reading() as snapshot:
            if snapshot is None:
                return Progress()
            shards = read_shards(snapshot.connection)
            own = next((e for e in shards.states if e.shard == self._shard), None)
            return progress_of_shard(
                snapshot.progress, shards.division, own or ShardState(self._shard)
            )

    def commit(self, epoch: Epoch) -> None:
        """As promised by `Store`, as the shard's next epoch."""
        with self._leased() as connection:
            state = ShardState(self._shard, shard_epoch(connection, self._shard))
            apply_shard_epoch(connection, epoch, self._prepared, state)
            advance_shard(connection, self._shard, epoch.number, epoch.committed_at)

    def keep_time(self, kept: KeptTime) -> None:
        """The caretaker's clock is the one that is kept."""

    def end_erasures(self) -> None:
        """The caretaker ends them, who has the whole log."""

    @contextmanager
    def _leased(self) -> Iterator[SqlWriter]:
        with self._writing() as connection:
            check_shard(connection, self._shard, self._lease)
            yield connection


def _is_ready(connection: SqlConnection, wanted: Mapping[str, str], rules: AdmissionRules) -> bool:
    return _kept(connection) == wanted and _decides_by(connection, rules)


def _kept(connection: SqlConnection) -> dict[str, str]:
    """The fingerprints of what the store keeps up to date, by name. That all of it is filled is
    known by the shards being open."""
    return {each.name: each.fingerprint for each in read_definitions(connection) if each.is_active}


def _decides_by(connection: SqlConnection, rules: AdmissionRules) -> bool:
    history = read_rules(connection)
    return bool(history) and history[-1].rules == rules
