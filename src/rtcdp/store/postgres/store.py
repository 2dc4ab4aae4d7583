# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""The store in a schema of a PostgreSQL database, version 13 or newer."""

from collections.abc import Mapping

from rtcdp.admission.rules import AdmissionRules
from rtcdp.store.contract import Lease
from rtcdp.store.division import Division, Shards
from rtcdp.store.postgres.address import parse_address
from rtcdp.store.postgres.connection import ANSWER_TIMEOUT_S
from rtcdp.store.postgres.division import (
    close,
    end_division,
    end_shard_lease,
    open_shards,
    put_member,
    read_shards,
)
from rtcdp.store.postgres.readers import PostgresReaders
from rtcdp.store.postgres.schema import open_writer
from rtcdp.store.postgres.shard import (
    PostgresShard,
    begin_beside,
    check_definitions,
    check_rules,
    decides_by,
    kept_definitions,
)
from rtcdp.store.sql.lease import check_lease, take_lease
from rtcdp.store.sql.statements import quote
from rtcdp.store.sql.store import Older, SqlStore
from rtcdp.store.sql.verdicts import write_quiet

_EXPIRED_AT_ONCE = 20_000


class PostgresStore(SqlStore):
    """A `Store` at `postgresql://…`; see `rtcdp.store.contract` for what each method promises.

    Nothing is opened or made before it is needed. With `read_only` it never writes, and answers
    from an empty store until another process has made the tables. One process writes at a time;
    another one's transaction is waited for. A server that is silent for `answer_timeout_s` is
    given up. Safe to use from several threads. With `is_caretaker`, its lease is the
    store's own, whoever has the shards. Raises `UsageError` for a URL that can't be read.
    """

    def __init__(
        self,
        url: str,
        *,
        read_only: bool = False,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        is_caretaker: bool = False,
    ) -> None:
        address = parse_address(url)
        self._url, self._answer_timeout_s = url, answer_timeout_s
        self._is_caretaker = is_caretaker
        super().__init__(
            PostgresReaders(address, answer_timeout_s),
            lambda: open_writer(address, answer_timeout_s),
            read_only=read_only,
        )

    def acquire_lease(
        self, holder: str, now_ms: int, ttl_ms: int, *, over: int | None = None
    ) -> Lease:
        """As promised by `Store`, and of a store that is divided as `DividedStore` says."""
        if self._is_caretaker:
            return super().acquire_lease(holder, now_ms, ttl_ms, over=over)
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

    def check_fits(self, wanted: Mapping[str, str], rules: AdmissionRules) -> None:
        """See `rtcdp.store.divided.DividedStore`."""
        with self._readers.reading() as snapshot:
            if snapshot is not None:
                check_definitions(snapshot.connection, wanted)
                check_rules(snapshot.connection, rules)

    def report_member(self, member: str, now_ms: int, ttl_ms: int) -> None:
        """See `rtcdp.store.divided.DividedStore`. It stands in front of no shard's commit."""
        with self._writing(begin_beside) as connection:
            put_member(connection, member, now_ms, now_ms + ttl_ms)

    def caretaker(self) -> "PostgresStore":
        """See `rtcdp.store.divided.DividedStore`."""
        return PostgresStore(self._url, answer_timeout_s=self._answer_timeout_s, is_caretaker=True)

    def shard(self, number: int) -> "PostgresShard":
        """See `rtcdp.store.divided.DividedStore`."""
        return PostgresShard(self._url, number, self._answer_timeout_s)

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
            return snapshot is not None and (
                kept_definitions(snapshot.connection) == wanted
                and decides_by(snapshot.connection, rules)
            )

    def keep_quiet(self, quiet_until: Mapping[int, int]) -> None:
        """As promised by `Store`, in front of no shard's commit."""
        with self._writing(begin_beside) as connection:
            check_lease(connection, self._lease)
            write_quiet(connection, quiet_until)

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
