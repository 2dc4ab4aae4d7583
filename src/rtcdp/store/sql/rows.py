# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""Row tables in SQL: how they are made, changed and read by key.

Beside its own columns a row has the number that it brings to its day's control sum, so that this
can be taken off again without reading the whole row.
"""

from collections.abc import Iterator
from functools import lru_cache

import polars as pl

from rtcdp.clock import DAY_MS
from rtcdp.definitions import RANGE_FROM, RANGE_TO, RowTable
from rtcdp.store.checksums import HALF, UNDATED_DAY, DailySums, joined
from rtcdp.store.contract import RowScan
from rtcdp.store.row_changes import CHECKSUM, FittedRows, key_schema, row_schema
from rtcdp.store.sql.reading import Where
from rtcdp.store.sql.statements import ASKED, Dialect, SqlConnection, names, one_row, quote, stored

SUM_SCHEMA = pl.Schema(dict.fromkeys(("day", "low", "high"), pl.Int64()))


def create_rows(dialect: Dialect, table: RowTable) -> Iterator[str]:
    """The statements that make a row table, clustered by key where a database can do that and most
    rows are replaced, and an index by which its rows expire."""
    is_appended = table.grows and dialect.appended_options is not None
    key_by_index = dialect.key_by_index or is_appended
    options = dialect.table_options + dialect.replaced_options
    if is_appended:
        options = dialect.appended_options or ""
    columns = [
        f"{quote(name)} {dialect.types[kind]}{' NOT NULL' if name in table.primary_key else ''}"
        for name, kind in table.columns
    ]
    columns.append(f"{quote(CHECKSUM)} {dialect.types['integer']} NOT NULL")
    if not key_by_index:
        columns.append(f"PRIMARY KEY ({names(*table.primary_key)})")
    yield f"CREATE TABLE {stored(dialect, table)} ({', '.join(columns)}){options}"
    if key_by_index:
        yield (
            f"CREATE UNIQUE INDEX {quote(f'_{table.name}__key')} ON {stored(dialect, table)}"
            f" ({names(*table.primary_key)})"
        )
    if table.time is not None:
        yield (
            f"CREATE INDEX {quote(f'_{table.name}__by_time')} ON {stored(dialect, table)}"
            f" ({quote(table.time)})"
        )


def stored_frame(changes: FittedRows) -> pl.DataFrame:
    """The rows to replace, as they rest."""
    numbers = pl.Series(CHECKSUM, changes.numbers.view("int64"))
    return changes.replace.with_columns(numbers)


@lru_cache(maxsize=256)
def sums_of_asked(dialect: Dialect, table: RowTable) -> str:
    """What the rows with the keys that are asked about bring to their days' sums, in halves."""
    asked = dialect.asked(key_schema(table))
    looked_up = dialect.looked_up(asked, stored(dialect, table), same_key(table, "t", ASKED))
    numbers = halves(f"t.{quote(CHECKSUM)}", dialect.types["integer"])
    return f"SELECT {day_of(table, 't')} AS day, {numbers} FROM {looked_up} GROUP BY 1"


def halves(number: str, integer: str) -> str:
    """SQL for the sums of the lower and upper halves of numbers."""
    low, high = f"{number} & {HALF - 1}", f"({number} >> 32) & {HALF - 1}"
    return f"CAST(SUM({low}) AS {integer}) AS low, CAST(SUM({high}) AS {integer}) AS high"


def day_of(table: RowTable, alias: str) -> str:
    """SQL for the day of a row's sum, counted from 1970."""
    if table.time is None:
        return str(UNDATED_DAY)
    time = f"{alias}.{quote(table.time)}"
    # Division is towards zero, and days before 1970 count from below.
    return f"({time} - (({time} % {DAY_MS}) + {DAY_MS}) % {DAY_MS}) / {DAY_MS}"


def same_key(table: RowTable, one: str, other: str) -> str:
    """The condition of two rows having the same key."""
    return " AND ".join(
        f"{one}.{quote(name)} = {other}.{quote(name)}" for name in table.primary_key
    )


@lru_cache(maxsize=256)
def delete_rows(dialect: Dialect, table: RowTable) -> str:
    """Delete one row, bound by its key."""
    key = enumerate(table.primary_key, 1)
    condition = " AND ".join(f"{quote(name)} = {dialect.placeholder(n)}" for n, name in key)
    return f"DELETE FROM {stored(dialect, table)} WHERE {condition}"


@lru_cache(maxsize=256)
def add_rows(dialect: Dialect, table: RowTable) -> str:
    """Write rows, bound in stored order with their numbers last, whose keys no row has."""
    columns = (*table.column_names, CHECKSUM)
    types = [*row_schema(table).dtypes(), pl.Int64()]
    return f"INSERT INTO {stored(dialect, table)} ({names(*columns)}) {dialect.source(types)}"


@lru_cache(maxsize=256)
def replace_rows(dialect: Dialect, table: RowTable) -> str:
    """Write rows, bound in stored order with their numbers last, over those with the same key."""
    written = ", ".join(
        f"{quote(name)} = excluded.{quote(name)}" for name in (*table.value_names, CHECKSUM)
    )
    return (
        f"{add_rows(dialect, table)}"
        f" ON CONFLICT ({names(*table.primary_key)}) DO UPDATE SET {written}"
    )


def sums_from(rows: pl.DataFrame) -> DailySums:
    """Sums by day from rows of `SUM_SCHEMA`."""
    return {day: joined(low, high) for day, low, high in rows.rows()}


def read_rows(connection: SqlConnection, table: RowTable, groups: pl.DataFrame) -> pl.DataFrame:
    """The rows of groups, in no order; see `StoreSnapshot.rows`."""
    sql = rows_of_groups(connection.dialect, table, groups.schema)
    return connection.rows_about(sql, row_schema(table), groups, table.primary_key)


def rows_of_groups(dialect: Dialect, table: RowTable, groups: pl.Schema) -> str:
    """The rows of the groups that are asked about, within their ranges if they have any."""
    key = table.group_key
    conditions = [f"t.{quote(name)} = {ASKED}.{quote(name)}" for name in key]
    if RANGE_FROM in groups and table.time is not None:
        # Whole beginnings of keys are compared where a planner, who knows nothing yet of a new
        # table, could else go by the index of times: through all rows of an hour for each key.
        is_whole = dialect.key_by_index and table.primary_key[: len(key) + 1] == (*key, table.time)
        by = (*key, table.time) if is_whole else (table.time,)
        place = ", ".join(f"t.{quote(name)}" for name in by)
        for sign, end in ((">=", RANGE_FROM), ("<", RANGE_TO)):
            bound = ", ".join(f"{ASKED}.{quote(name)}" for name in (*by[:-1], end))
            conditions.append(f"({place}) {sign} ({bound})")
    columns = ", ".join(f"t.{quote(name)}" for name in table.column_names)
    looked_up = dialect.looked_up(
        dialect.asked(groups), stored(dialect, table), " AND ".join(conditions)
    )
    return f"SELECT {columns} FROM {looked_up}"


def read_row_page(
    connection: SqlConnection, table: RowTable, after: tuple[int | str, ...] | None, limit: int
) -> pl.DataFrame:
    """Rows in the order of their keys; see `StoreSnapshot.row_page`."""
    where = Where(connection.dialect)
    if after is not None:
        where.add_row(table.primary_key, ">", after)
    bound = where.bind(limit)
    return connection.query(
        f"SELECT {names(*table.column_names)} FROM {stored(connection.dialect, table)}{where}"
        f" ORDER BY {names(*table.primary_key)} LIMIT {bound}",
        row_schema(table),
        one_row(*where.values),
    )


def read_row_scan(connection: SqlConnection, scan: RowScan) -> pl.DataFrame:
    """Rows by their time, newest first; see `StoreSnapshot.row_scan`. After a row come first those
    of the same time."""
    time = scan.table.time
    assert time is not None, "what has no time is not scanned"
    others = [name for name in scan.table.primary_key if name != time]
    if scan.after is None:
        return _rows_in(connection, scan, scan.time_to, scan.limit)
    place = dict(zip(scan.table.primary_key, scan.after, strict=True))
    instant = int(place[time])
    found = []
    if (scan.time_from is None or instant >= scan.time_from) and (
        scan.time_to is None or instant < scan.time_to
    ):
        where = Where(connection.dialect)
        where.add(time, "=", instant)
        where.add_row(others, ">", [place[name] for name in others])
        found.append(_in_time_order(connection, scan, where, scan.limit))
    missing = scan.limit - sum(rows.height for rows in found)
    if missing > 0 or not found:
        older = instant if scan.time_to is None else min(instant, scan.time_to)
        found.append(_rows_in(connection, scan, older, missing))
    return pl.concat(found)


def _rows_in(
    connection: SqlConnection, scan: RowScan, time_to: int | None, limit: int
) -> pl.DataFrame:
    where = Where(connection.dialect)
    assert scan.table.time is not None
    where.add(scan.table.time, ">=", scan.time_from)
    where.add(scan.table.time, "<", time_to)
    return _in_time_order(connection, scan, where, limit)


def _in_time_order(
    connection: SqlConnection, scan: RowScan, where: Where, limit: int
) -> pl.DataFrame:
    table, time = scan.table, scan.table.time
    assert time is not None
    order = ", ".join(
        [f"{quote(time)} DESC", *(quote(name) for name in table.primary_key if name != time)]
    )
    bound = where.bind(limit)
    schema = row_schema(table)
    return connection.query(
        f"SELECT {names(*scan.names)} FROM {stored(connection.dialect, table)}{where}"
        f" ORDER BY {order} LIMIT {bound}",
        pl.Schema({name: schema[name] for name in scan.names}),
        one_row(*where.values),
    )
