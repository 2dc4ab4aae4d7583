# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""What an erasure does in a SQL store: rows go as they rest, uncounted records lose all but their
place, and whoever was erased is known again by a salted hash alone."""

from collections.abc import Sequence

import polars as pl

from rtcdp.admission.erased import ErasedUser
from rtcdp.store.checksums import sums_of_changes
from rtcdp.store.epoch import Erasure
from rtcdp.store.sql.acknowledgements import take_acknowledgement_away
from rtcdp.store.sql.statements import (
    Dialect,
    SqlConnection,
    SqlWriter,
    names,
    one_row,
    quote,
    stored,
)

_SCHEMA = pl.Schema({"digest": pl.String(), "salt": pl.String(), "erased_at": pl.Int64()})


def erasure_tables(dialect: Dialect) -> tuple[str, ...]:
    """What a version adds to the store's own tables: the ledger's count of erased records, and who
    was erased. `is_pending` until the log holds nothing of them any more."""
    integer, text = dialect.types["integer"], dialect.types["text"]
    return (
        f"ALTER TABLE _ledger ADD COLUMN erased {integer} NOT NULL DEFAULT 0",
        f"ALTER TABLE _ledger_totals ADD COLUMN erased {integer} NOT NULL DEFAULT 0",
        f"CREATE TABLE _erased_users (digest {text} PRIMARY KEY, salt {text} NOT NULL,"
        f" erased_at {integer} NOT NULL, is_pending {integer} NOT NULL){dialect.table_options}",
    )


def apply_erasure(connection: SqlWriter, erasure: Erasure, uncounted: pl.DataFrame) -> None:
    """Take out what an erasure takes out, before anything is put in its place; `uncounted` are
    the rows that will stand for the erased records."""
    dialect = connection.dialect
    p = dialect.placeholder
    for change in erasure.removed:
        key = change.table.primary_key
        place = " AND ".join(f"{quote(name)} = {p(n)}" for n, name in enumerate(key, 1))
        connection.take_out(
            f"DELETE FROM {stored(dialect, change.table)} WHERE {place}",
            change.table,
            change.rows.select(key),
        )
    places = uncounted.select("partition", "offset")
    if not places.is_empty():
        connection.run(
            f'DELETE FROM _uncounted WHERE "partition" = {p(1)} AND "offset" = {p(2)}', places
        )
    for series, window_start in erasure.acknowledgements:
        take_acknowledgement_away(connection, series, window_start)
    user = erasure.user
    if user is None:
        return
    connection.run(
        f"INSERT INTO _erased_users ({names(*_SCHEMA, 'is_pending')})"
        f" VALUES ({dialect.placeholders(3)}, 1) ON CONFLICT (digest) DO UPDATE SET"
        " erased_at = excluded.erased_at, is_pending = 1",
        one_row(user.digest, user.salt, user.erased_at),
    )


def taken_off(erasure: Erasure) -> list[tuple[str, int, int, int]]:
    """What an erasure takes off the control sums, in halves: (table, day, lower, upper)."""
    sums = sums_of_changes(erasure.removed)
    return [(table, day, -low, -high) for table, day, low, high in sums]


def read_erased_users(connection: SqlConnection, *, only_pending: bool) -> Sequence[ErasedUser]:
    """Who was erased; only those of whom the log may hold something."""
    condition = " WHERE is_pending = 1" if only_pending else ""
    rows = connection.query(f"SELECT {names(*_SCHEMA)} FROM _erased_users{condition}", _SCHEMA)
    return [ErasedUser(*row) for row in rows.iter_rows()]


def begin_erasures_again(connection: SqlConnection) -> None:
    """The log may hold something again of whoever was erased."""
    connection.run("UPDATE _erased_users SET is_pending = 1 WHERE is_pending = 0")


def end_erasures(connection: SqlConnection) -> None:
    """The log holds nothing of anybody who was erased."""
    connection.run("UPDATE _erased_users SET is_pending = 0 WHERE is_pending = 1")
