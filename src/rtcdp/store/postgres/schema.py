"""The tables of a PostgreSQL store: how they are made, which version they have, and the connection
that writes to them."""

import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress

import polars as pl

from rtcdp.definitions import RowTable, Table
from rtcdp.errors import UsageError
from rtcdp.store.checksums import DailySums
from rtcdp.store.contract import StateMismatch, StoreUnavailable
from rtcdp.store.postgres.address import PostgresAddress
from rtcdp.store.postgres.connection import ANSWER_TIMEOUT_S, POSTGRES, PostgresConnection
from rtcdp.store.postgres.division import DIVISION_TABLES
from rtcdp.store.postgres.errors import StoreLocked
from rtcdp.store.postgres.frozen import end_frozen
from rtcdp.store.postgres.merge import groups_of, trim
from rtcdp.store.postgres.rows import delete_all, replace_all, write_over
from rtcdp.store.postgres.text import LONG_TEXT_SCHEMA, stored_rows
from rtcdp.store.row_changes import FittedRows
from rtcdp.store.sql.acknowledgements import acknowledgement_tables
from rtcdp.store.sql.erasures import erasure_tables
from rtcdp.store.sql.merge import in_key_order
from rtcdp.store.sql.rows import SUM_SCHEMA, add_rows, replace_rows, stored_frame, sums_from
from rtcdp.store.sql.schema import (
    Step,
    continuity_tables,
    lease_tables,
    quiet_tables,
    row_tables,
    run_step,
    system_tables,
    tables_out_of_sight,
    verdict_tables,
)
from rtcdp.store.sql.statements import one_row, quote, upsert

APPLICATION = "rtcdp"
SERVER_VERSION_MIN = 130_000

Migrations = Sequence[Sequence[Step]]

MIGRATIONS: Migrations = (
    (
        *system_tables(POSTGRES),
        *lease_tables(POSTGRES),
        'CREATE TABLE _long_texts (short text COLLATE "C" PRIMARY KEY, full_text text NOT NULL,'
        " newest_bucket bigint NOT NULL)",
    ),
    verdict_tables(POSTGRES),
    continuity_tables(POSTGRES),
    row_tables(POSTGRES),
    tables_out_of_sight(POSTGRES),
    acknowledgement_tables(POSTGRES),
    erasure_tables(POSTGRES),
    DIVISION_TABLES,
    quiet_tables(POSTGRES),
)
"""The n-th entry leads from version n-1 to version n. Entries are never changed, only added."""

_ABOUT = (
    "CREATE TABLE _about (id bigint PRIMARY KEY CHECK (id = 1), application text NOT NULL,"
    " version bigint NOT NULL)"
)
_LOCK = 0x72746364
"""The lock that is held while tables are made or written to; the letters r, t, c, d."""

_LOCK_TIMEOUT_MS = 10_000
_WRITER_IDLE_MS_MAX = 20_000
_READER_IDLE_MS_MAX = 3_600_000
_STATEMENT_TIMEOUT_MS = 600_000
_LOOKING_FOR_THE_CLIENT_MS = 10_000

SENT_AT_ONCE = 16_384
"""So many rows are written by a statement whose outcome nobody waits for: the server works on some,
and holds them in memory, while the next are made ready."""

_RESTS = "_rests"
"""No column of a table has this name."""

_FLAG = pl.Schema({"flag": pl.Int64()})
_VERSION = pl.Schema({"application": pl.String(), "version": pl.Int64()})

_KEEP_LONG_TEXTS = (
    "INSERT INTO _long_texts (short, full_text, newest_bucket)"
    f" {POSTGRES.source(LONG_TEXT_SCHEMA.dtypes())} ON CONFLICT (short) DO UPDATE SET"
    " newest_bucket = GREATEST(_long_texts.newest_bucket, excluded.newest_bucket)"
)


class PostgresWriter(PostgresConnection):
    """A connection that writes."""

    def __init__(
        self, address: PostgresAddress, *, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        super().__init__(address, answer_timeout_s=answer_timeout_s)
        own = {
            "idle_in_transaction_session_timeout": str(_WRITER_IDLE_MS_MAX),
            # Statements of a writer go by keys; a plan for a table that seemed empty would not, nor
            # would one for the very arrays that are bound.
            "enable_seqscan": "off",
            "enable_hashjoin": "off",
            "enable_mergejoin": "off",
            "plan_cache_mode": "force_generic_plan",
            "work_mem": "32MB",
            # Statements are short and run once an epoch; compiling them takes as long as they do.
            "jit": "off",
        }
        _closed_on_error(self, lambda: _set_up(self, own))

    def begin(self) -> None:
        """Open a transaction that excludes every other one of a writer, until it ends.

        One who is frozen in such a transaction is ended when it is waited for in vain.
        Raises `StateMismatch` when a newer version has upgraded the store meanwhile.
        """
        self._begin("SELECT pg_advisory_xact_lock($1::integer, $2::integer)")

    def begin_beside(self) -> None:
        """The same, but beside other transactions that were begun so: of writers who lock what they
        share row by row. Whoever waits to exclude all of them comes before those that come later.
        """
        self._begin("SELECT pg_advisory_xact_lock_shared($1::integer, $2::integer)")

    def _begin(self, lock: str) -> None:
        named = _lock_of(self.address.schema)
        self.send("BEGIN")
        self.send(lock, named)
        try:
            rows = self.query("SELECT application, version FROM _about", _VERSION)
        except StoreLocked:
            with suppress(StoreUnavailable), closing(self._another()) as connection:
                end_frozen(connection, named)
            raise
        _checked(rows, len(MIGRATIONS))

    def _another(self) -> PostgresConnection:
        return PostgresConnection(self.address, answer_timeout_s=self._answer_timeout_s)

    def merge(self, table: Table, rows: pl.DataFrame) -> None:
        """Merge rows into a table by its columns' rules, and keep it within its bounds; the outcome
        is not waited for."""
        stored = stored_rows(table, in_key_order(rows, table))
        if not stored.long_texts.is_empty():
            self.send_rows(_KEEP_LONG_TEXTS, stored.long_texts)
        self.send_rows(upsert(POSTGRES, table), stored.rows)
        if table.bound != "none":
            self.send_rows(trim(table), groups_of(table, stored.rows))

    def take_out(self, sql: str, table: Table, keys: pl.DataFrame) -> None:
        """Run a statement for each of these primary keys, as they rest."""
        self.run(sql, stored_rows(table, keys).rows)

    def change_rows(self, changes: FittedRows) -> DailySums:
        """Delete and replace rows; what those that were there bring to the sums of their days.
        Where that is known already, the outcome is not waited for."""
        table, sums = changes.table, Counter[int]()
        if not changes.delete.is_empty():
            deleted = stored_rows(table, changes.delete).rows
            if changes.old is not None:
                self.send_rows(delete_all(table), deleted)
            else:
                sums.update(sums_from(self.query_about(delete_all(table), SUM_SCHEMA, deleted)))
        if not changes.replace.is_empty():
            stored = stored_rows(table, stored_frame(changes))
            if not stored.long_texts.is_empty():
                self.send_rows(_KEEP_LONG_TEXTS, stored.long_texts)
            if changes.resting is not None:
                self._send_known(table, stored.rows, stored_rows(table, changes.resting).rows)
            else:
                found = self.query_about(replace_all(table), SUM_SCHEMA, stored.rows)
                sums.update(sums_from(found))
        return sums if changes.old is None else changes.old

    def _send_known(self, table: RowTable, rows: pl.DataFrame, resting: pl.DataFrame) -> None:
        """Write rows, of which those with the keys in `resting` replace others: these are written
        over, which takes the server a fifth less than to ask whether they are there, and so is each
        added where nearly all are new. One that is not there, or is, against all knowledge ends the
        epoch."""
        new, known = rows, rows.clear()
        if not resting.is_empty():
            marked = resting.with_columns(pl.lit(True).alias(_RESTS))
            beside = rows.join(marked, on=table.primary_key, how="left", maintain_order="left")
            rests = beside[_RESTS].fill_null(False)
            new, known = rows.filter(~rests), rows.filter(rests)
        add = add_rows if table.grows else replace_rows
        for some in new.iter_slices(SENT_AT_ONCE):
            self.send_rows(add(POSTGRES, table), some)
        for some in known.iter_slices(SENT_AT_ONCE):
            self.send_changes(write_over(table), some)


class PostgresReader(PostgresConnection):
    """A connection that can't write."""

    def __init__(
        self, address: PostgresAddress, *, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        super().__init__(address, answer_timeout_s=answer_timeout_s)
        own = {
            "idle_in_transaction_session_timeout": str(_READER_IDLE_MS_MAX),
            "default_transaction_read_only": "on",
        }
        _closed_on_error(self, lambda: _set_up(self, own))
        self._has_seen_store = False

    def begin(self) -> int:
        """Open a transaction that sees one state of the store. Returns the version of its tables,
        0 when there are none.

        Raises `StateMismatch` when a newer version, or another program, made them, and when a store
        that was there is gone.
        """
        self.send("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if self._has_seen_store:
            return _version(self, len(MIGRATIONS))
        version = version_of(self)
        self._has_seen_store = version > 0
        return version


def open_writer(
    address: PostgresAddress,
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
    migrations: Migrations = MIGRATIONS,
) -> PostgresWriter:
    """A connection that writes, to tables that are made or upgraded as needed.

    Raises `StateMismatch` when a newer version, or another program, made them, and `UsageError`
    for a server that is too old or a database that can't hold every text.
    """
    connection = PostgresWriter(address, answer_timeout_s=answer_timeout_s)

    def upgrade() -> None:
        _check_database(connection)
        if version_of(connection, migrations) < len(migrations):
            _migrate(connection, migrations)

    _closed_on_error(connection, upgrade)
    return connection


def _closed_on_error(connection: PostgresConnection, step: Callable[[], None]) -> None:
    try:
        step()
    except BaseException:
        connection.close()
        raise


def _check_database(connection: PostgresConnection) -> None:
    if connection.server_version < SERVER_VERSION_MIN:
        raise UsageError(
            f"{connection.address.shown} has version {connection.server_version // 10_000}",
            f"use PostgreSQL {SERVER_VERSION_MIN // 10_000} or newer",
        )
    if connection.server_encoding != "UTF8":
        raise UsageError(
            f"{connection.address.shown} can't hold every text: its encoding is"
            f" {connection.server_encoding}",
            "make a database with ENCODING 'UTF8' TEMPLATE template0 for the store",
        )


def version_of(connection: PostgresConnection, migrations: Migrations = MIGRATIONS) -> int:
    """The version of the tables; 0 when there are none.

    Raises `StateMismatch` when a newer version, or another program, made them.
    """
    about = f"{quote(connection.address.schema)}._about"
    is_made = connection.query(
        "SELECT (to_regclass($1) IS NOT NULL)::integer", _FLAG, one_row(about)
    )
    return _version(connection, len(migrations)) if is_made.item() else 0


def _version(connection: PostgresConnection, newest: int) -> int:
    rows = connection.query("SELECT application, version FROM _about", _VERSION)
    return _checked(rows, newest)


def _checked(rows: pl.DataFrame, newest: int) -> int:
    if rows.is_empty() or rows["application"].item() != APPLICATION:
        raise StateMismatch(
            "the schema holds the tables of another program",
            "give the store a schema of its own: add ?schema=NAME to its URL",
        )
    version = int(rows["version"].item())
    if version > newest:
        raise StateMismatch(
            f"the store has schema version {version}, and this program knows up to {newest}",
            "run the version that wrote it or a newer one, or give this one a store of its own",
        )
    return version


def _set_up(connection: PostgresConnection, own: Mapping[str, str]) -> None:
    """Set the session up. Whoever vanishes in the middle of a transaction loses its locks."""
    settings = {
        "search_path": quote(connection.address.schema),
        "lock_timeout": str(_LOCK_TIMEOUT_MS),
        "statement_timeout": str(_STATEMENT_TIMEOUT_MS),
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
        # Made for long queries; it costs more here than it saves.
        "jit": "off",
        **own,
    }
    if connection.server_version >= 140_000:
        settings["client_connection_check_interval"] = str(_LOOKING_FOR_THE_CLIENT_MS)
    for name, value in settings.items():
        connection.send("SELECT set_config($1, $2, false)", one_row(name, value))
    connection.send(
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    )
    connection.settle()


def _lock_of(schema: str) -> pl.DataFrame:
    """What names the lock of a store's writers, to be bound."""
    return one_row(_LOCK, zlib.crc32(schema.encode()) - 2**31)


def _migrate(connection: PostgresWriter, migrations: Migrations) -> None:
    schema = connection.address.schema
    connection.send("BEGIN")
    connection.send("SELECT pg_advisory_xact_lock($1::integer, $2::integer)", _lock_of(schema))
    for name in (schema, connection.readers_schema):
        is_there = connection.query(
            "SELECT 1 FROM pg_namespace WHERE nspname = $1", _FLAG, one_row(name)
        )
        if is_there.is_empty():
            connection.run(f"CREATE SCHEMA {quote(name)}")
    # Another process may have done it while this one waited for the lock.
    version = version_of(connection, migrations)
    if version == 0:
        connection.send(_ABOUT)
        connection.send("INSERT INTO _about VALUES (1, $1, 0)", one_row(APPLICATION))
    for steps in migrations[version:]:
        for step in steps:
            run_step(connection, step)
    connection.send("UPDATE _about SET version = $1", one_row(len(migrations)))
    connection.commit()
