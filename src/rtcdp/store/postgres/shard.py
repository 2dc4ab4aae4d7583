"""The writer of one shard of a PostgreSQL store."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import KeptTime
from rtcdp.definitions import Metric, RowTable
from rtcdp.definitions.products import PRODUCT_TABLES
from rtcdp.store.contract import Lease, LeaseLost, Progress
from rtcdp.store.divided import OtherDefinitions
from rtcdp.store.division import ShardState
from rtcdp.store.epoch import Epoch
from rtcdp.store.postgres.address import parse_address
from rtcdp.store.postgres.division import (
    advance_shard,
    check_shard,
    progress_of_shard,
    prolong_shard,
    read_shards,
    shard_epoch,
    take_shard,
)
from rtcdp.store.postgres.readers import PostgresReaders
from rtcdp.store.postgres.schema import PostgresWriter, open_writer
from rtcdp.store.sql.epoch import apply_shard_epoch
from rtcdp.store.sql.reading import read_definitions
from rtcdp.store.sql.statements import SqlConnection, SqlWriter
from rtcdp.store.sql.store import SqlStore
from rtcdp.store.sql.verdicts import read_rules

_FOLLOWED = frozenset(table.name for table in PRODUCT_TABLES)
"""What the caretaker alone writes to: the second stream has no shards."""


class PostgresShard(SqlStore):
    """The writer of one shard; see `rtcdp.store.divided.DividedStore.shard`. Its lease is that of
    the shard, and all its writes are refused when that is lost."""

    def __init__(self, url: str, number: int, answer_timeout_s: float) -> None:
        address = parse_address(url)
        super().__init__(
            PostgresReaders(address, answer_timeout_s),
            lambda: open_writer(address, answer_timeout_s),
            read_only=False,
        )
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
            with self._leased() as connection:
                prolong_shard(connection, self._shard, self._lease, now_ms + ttl_ms)

    def release_lease(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            with suppress(LeaseLost), self._writing() as connection:
                prolong_shard(connection, self._shard, lease, 0)

    def prepare(
        self, metrics: Sequence[Metric], row_tables: Sequence[RowTable] = ()
    ) -> Sequence[Metric]:
        """Nothing is prepared by a shard; raises `OtherDefinitions` unless all of these are, and no
        other is kept up to date."""
        definitions: list[Metric | RowTable] = [*metrics, *row_tables]
        wanted = {each.name: each.fingerprint for each in definitions}
        with self._leased() as connection:
            check_definitions(connection, wanted)
            self._prepared = kept_definitions(connection)
        return ()

    def put_rules_in_force(self, rules: AdmissionRules) -> AdmissionRules | None:
        """Nothing changes here; raises `OtherDefinitions` unless these are the rules in force."""
        with self._leased() as connection:
            check_rules(connection, rules)
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

    def keep_quiet(self, quiet_until: Mapping[int, int]) -> None:
        """The caretaker sees all partitions, and keeps it."""

    def end_erasures(self, on_slice: Callable[[], None] = lambda: None) -> None:
        """The caretaker ends them, who has the whole log."""

    @contextmanager
    def _leased(self) -> Iterator[SqlWriter]:
        """Beside the transactions of other shards."""
        with self._writing(begin_beside) as connection:
            check_shard(connection, self._shard, self._lease)
            yield connection


def begin_beside(connection: SqlWriter) -> None:
    """Begin a transaction beside those of other shards, which locks what it changes row by row."""
    assert isinstance(connection, PostgresWriter), "PostgreSQL has no other writer"
    connection.begin_beside()


def check_definitions(connection: SqlConnection, wanted: Mapping[str, str]) -> None:
    """Raises `OtherDefinitions` unless shards count by those with these fingerprints."""
    kept = kept_definitions(connection)
    if {name: mark for name, mark in kept.items() if name not in _FOLLOWED} != wanted:
        raise OtherDefinitions(
            "the store has other definitions of metrics and folds than this processor",
            "give all processors of a store the same --catalog and folds",
        )


def check_rules(connection: SqlConnection, rules: AdmissionRules) -> None:
    """Raises `OtherDefinitions` unless these are the rules in force."""
    if not decides_by(connection, rules):
        raise OtherDefinitions(
            "the store decides by other admission rules than this processor",
            "give all processors of a store the same admission settings",
        )


def kept_definitions(connection: SqlConnection) -> dict[str, str]:
    """The fingerprints of what the store keeps up to date, by name. That all of it is filled is
    known by the shards being open."""
    return {each.name: each.fingerprint for each in read_definitions(connection) if each.is_active}


def decides_by(connection: SqlConnection, rules: AdmissionRules) -> bool:
    """Whether these are the rules in force."""
    history = read_rules(connection)
    return bool(history) and history[-1].rules == rules
