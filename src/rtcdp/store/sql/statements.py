# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""What every SQL store shares: its dialect, its connection, and the statements that merge rows.

Only text is made here; values are always bound. Names of metrics and measures were validated when
the metric was made, and are quoted all the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Literal, Protocol

import polars as pl

from rtcdp.definitions import BUCKET_START, ITEM_COUNT, MEMBER, MERGES, Column, RowTable, Table
from rtcdp.store.checksums import DailySums
from rtcdp.store.row_changes import FittedRows

STORED_PREFIX = "__"
"""What the names of tables that rows rest in begin with: neither the store's own tables, nor any
index, nor anything that readers see begins so."""

SqlType = Literal["text", "integer", "real", "bytes"]
Parameter = int | str | None

ASKED = "asked"
"""What the rows are called that a query is about."""

FRAME_TYPES: Mapping[SqlType, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "real": pl.Float64(),
    "bytes": pl.Binary(),
}


@dataclass(frozen=True)
class Readable:
    """How one database shows what rests to readers of SQL.

    `exact` is the type of whole numbers that don't overflow. `instant` makes a point in time of UTC
    milliseconds, `json_list` a list of objects of a query and its columns, by the names they get,
    and `full_text` the text that came of one that rests; `same_text` compares what rests in two
    tables. `plain` has, for each kind of value that
    queries don't read as it is, what makes it one that they do: of an instant milliseconds, of a
    flag a number, of a list a text. Views lie in a schema of their own `with_schema`, and once more
    beside the tables; with comments then, too.
    """

    exact: str
    instant: Callable[[str], str]
    json_list: Callable[[str, Mapping[str, str]], str]
    plain: Mapping[str, str]
    full_text: Callable[[str], str] = str
    same_text: Callable[[str, str], str] = "{} = {}".format
    with_schema: bool = False


@dataclass(frozen=True, eq=False)
class Dialect:
    """How one database says it.

    `placeholder` gives the n-th parameter (from 1), `types` the names of column types, and `source`
    what an INSERT of rows with columns of the given types takes them from (see
    `SqlWriter.send_rows`). `asked` names, in a FROM clause, the rows that a query is about (see
    `SqlConnection.query_about`); `looked_up` joins them with a table `t` under a condition, so that
    each is looked up by an index, however large the table. `readable` is what views for readers are
    made of. `table_options` follow a table's closing bracket, and `updated_options` that of a table
    whose rows are updated often, `replaced_options` that of a row table; where `appended_options`
    are not None, a row table that grows has these alone, and its key is a unique index. Then a row
    is written behind the last one, not into the middle of all. `newest_first` follows the
    first column of a primary key where keys may run backwards, so that the newest rows are found
    first without sorting; with `key_by_index` such a key is a unique index. A name may be
    `name_bytes_max` long.
    """

    placeholder: Callable[[int], str]
    types: Mapping[SqlType, str]
    source: Callable[[Sequence[pl.DataType]], str]
    asked: Callable[[pl.Schema], str]
    looked_up: Callable[[str, str, str], str]
    readable: "Readable"
    table_options: str = ""
    updated_options: str = ""
    replaced_options: str = ""
    appended_options: str | None = None
    newest_first: str = ""
    key_by_index: bool = False
    name_bytes_max: int = 1000

    def placeholders(self, count: int) -> str:
        return ", ".join(self.placeholder(n) for n in range(1, count + 1))


class SqlConnection(Protocol):
    """One connection. Statements run in the order of the calls, inside the open transaction."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def readers_schema(self) -> str | None:
        """The schema for readers' views; None where there are no schemas."""
        ...

    def run(self, sql: str, rows: pl.DataFrame | None = None) -> int:
        """Run a statement once, or once for each row with the row's values bound by position.

        Returns the number of rows changed.
        """
        ...

    def query(
        self, sql: str, schema: pl.Schema, parameters: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """The rows of a query as columns of `schema`; with several rows of parameters, their
        answers one after another."""
        ...

    def query_about(self, sql: str, schema: pl.Schema, asked: pl.DataFrame) -> pl.DataFrame:
        """The answer of one query about many rows at once, which it joins: `dialect.asked` of their
        schema stands in its text."""
        ...

    def rows_about(
        self, sql: str, schema: pl.Schema, asked: pl.DataFrame, never_null: tuple[str, ...] = ()
    ) -> pl.DataFrame:
        """Like `query_about`, of a plain SELECT that may have very many rows; some of its columns
        may be known to be `never_null`."""
        ...


class SqlWriter(SqlConnection, Protocol):
    """A connection that writes. When anything failed, it is closed, which undoes the open
    transaction, and never used again."""

    def send(self, sql: str, rows: pl.DataFrame) -> None:
        """Like `run`, and it may still be under way on return: when it fails, a later call raises
        the error, the commit at the latest."""
        ...

    def send_rows(self, sql: str, rows: pl.DataFrame) -> None:
        """Run a statement that takes its rows from `dialect.source`, for all rows. It may still be
        under way on return, as with `send`."""
        ...

    def merge(self, table: Table, rows: pl.DataFrame) -> None:
        """Merge rows, of `frame_schema(table)` and one for each primary key, into a table by its
        columns' rules, and keep a bounded table within its bounds. It may still be under way on
        return, as with `send`."""
        ...

    def take_out(self, sql: str, table: Table, keys: pl.DataFrame) -> None:
        """Run a statement for each of the primary `keys` of a metric's table, as they rest."""
        ...

    def change_rows(self, changes: FittedRows) -> DailySums:
        """Delete and replace rows of a row table. Returns what the rows that were there bring to
        its sums, by day."""
        ...

    def begin(self) -> None:
        """Open a transaction that excludes every other one of a writer, until it ends."""
        ...

    def commit(self) -> None:
        """Make the transaction durable."""
        ...

    def close(self) -> None: ...


def quote(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def stored_name(dialect: Dialect, name: str) -> str:
    """What a table is called that rows rest in. Where that would be too long, a mark ends it."""
    whole = f"{STORED_PREFIX}{name}"
    if len(whole) <= dialect.name_bytes_max:
        return whole
    mark = sha256(name.encode()).hexdigest()[:12]
    return f"{whole[: dialect.name_bytes_max - len(mark) - 2]}__{mark}"


def stored(dialect: Dialect, table: Table | RowTable) -> str:
    """A table that rows rest in, as an identifier."""
    return quote(stored_name(dialect, table.name))


def is_indexed_by_key(table: Table) -> bool:
    """Whether a metric's table has an index by the fields of its key; what a bounded one holds is
    asked for by its window."""
    return bool(table.key) and table.bound == "none"


def names(*columns: str) -> str:
    return ", ".join(map(quote, columns))


def one_row(*values: Parameter) -> pl.DataFrame:
    """Values to bind once, by position."""
    return pl.DataFrame(
        [
            pl.Series(str(position), [value], pl.Int64 if isinstance(value, int) else pl.String)
            for position, value in enumerate(values)
        ]
    )


@lru_cache(maxsize=1024)
def frame_schema(table: Table) -> pl.Schema:
    """The columns of a table's rows, in stored order."""
    types: dict[str, SqlType] = {BUCKET_START: "integer", **dict.fromkeys(table.key, "text")}
    if table.member is not None:
        types[table.member[0]] = table.member[1]
    types.update((column.name, column.type) for column in table.columns)
    return pl.Schema({name: FRAME_TYPES[types[name]] for name in table.column_names})


@lru_cache(maxsize=1024)
def upsert(dialect: Dialect, table: Table) -> str:
    """Merge rows, bound in the order of `table.column_names`, into a table."""
    insert = (
        f"INSERT INTO {stored(dialect, table)} ({names(*table.column_names)})"
        f" {dialect.source(frame_schema(table).dtypes())}"
        f" ON CONFLICT ({names(*table.primary_key)})"
    )
    if not table.columns:
        return f"{insert} DO NOTHING"
    merges = (
        f"{quote(column.name)} = {_merged(dialect, table, column)}" for column in table.columns
    )
    return f"{insert} DO UPDATE SET {', '.join(merges)}"


def keep_smallest_members(dialect: Dialect, table: Table) -> str:
    """Delete all but the `capacity` smallest members of one group, bound as (bucket, *key)."""
    group = in_group(dialect, table)
    first_too_many = (
        f"SELECT {quote(MEMBER)} FROM {stored(dialect, table)} WHERE {group}"
        f" ORDER BY {quote(MEMBER)} LIMIT 1 OFFSET {table.capacity}"
    )
    return (
        f"DELETE FROM {stored(dialect, table)}"
        f" WHERE {group} AND {quote(MEMBER)} >= ({first_too_many})"
    )


def is_too_long(dialect: Dialect, table: Table) -> str:
    """A row where more members than the third value bound lie in a stretch of buckets, first and
    last, which are bound before it."""
    stretch = _in_stretch(dialect)
    return (
        f"SELECT 1 AS walked FROM {stored(dialect, table)} WHERE {stretch}"
        f" LIMIT 1 OFFSET {dialect.placeholder(3)}"
    )


def groups_with_too_many(dialect: Dialect, table: Table) -> str:
    """The groups of more than `capacity` members in a stretch of buckets, first and last bound."""
    group = names(BUCKET_START, *table.key)
    return (
        f"SELECT {group} FROM {stored(dialect, table)} WHERE {_in_stretch(dialect)}"
        f" GROUP BY {group} HAVING COUNT(*) > {table.capacity}"
    )


def overfull_groups(dialect: Dialect, table: Table) -> str:
    """One group, bound as (bucket, *key), with the count to take off all of its items; no row
    while the group has at most twice `capacity` items."""
    group = in_group(dialect, table)
    target = stored(dialect, table)
    group_columns = (BUCKET_START, *table.key)
    bound = (f"{dialect.placeholder(n)} AS {quote(c)}" for n, c in enumerate(group_columns, 1))
    count = quote(ITEM_COUNT)
    return (
        f"SELECT {', '.join(bound)}, (SELECT {count} FROM {target} WHERE {group}"
        f" ORDER BY {count} DESC LIMIT 1 OFFSET {table.capacity}) AS {count}"
        f" WHERE EXISTS (SELECT 1 FROM {target} WHERE {group} LIMIT 1 OFFSET {2 * table.capacity})"
    )


def take_off_items(dialect: Dialect, table: Table) -> str:
    """Lower the counts of one group, bound as (bucket, *key, amount)."""
    amount = dialect.placeholder(len(table.key) + 2)
    return (
        f"UPDATE {stored(dialect, table)} SET {quote(ITEM_COUNT)} = {quote(ITEM_COUNT)} - {amount}"
        f" WHERE {in_group(dialect, table)}"
    )


def drop_spent_items(dialect: Dialect, table: Table) -> str:
    """Delete the items of one group, bound as (bucket, *key), that have nothing left."""
    group = in_group(dialect, table)
    return f"DELETE FROM {stored(dialect, table)} WHERE {group} AND {quote(ITEM_COUNT)} <= 0"


def _in_stretch(dialect: Dialect) -> str:
    first, last = dialect.placeholder(1), dialect.placeholder(2)
    return f"{quote(BUCKET_START)} BETWEEN {first} AND {last}"


def in_group(dialect: Dialect, table: Table) -> str:
    """The condition of being in one group, bound as (bucket, *key)."""
    columns = (BUCKET_START, *table.key)
    return " AND ".join(f"{quote(c)} = {dialect.placeholder(n)}" for n, c in enumerate(columns, 1))


def _merged(dialect: Dialect, table: Table, column: Column) -> str:
    present = f"{stored(dialect, table)}.{quote(column.name)}"
    new = f"excluded.{quote(column.name)}"
    return MERGES[column.merge].update(present, new)
