# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""One SQLite connection through ADBC, with its statements prepared once.

ADBC's low-level interface is used, for its DB-API puts a signal handler of its own around every
call in the main thread. ADBC decides a column's type from the first batch of rows, so every answer
is read as one batch (of up to 16 million rows).
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import adbc_driver_manager
import adbc_driver_sqlite
import polars as pl
from adbc_driver_manager import AdbcConnection, AdbcStatement

from rtcdp.definitions import Table
from rtcdp.errors import RtcdpError
from rtcdp.store.checksums import DailySums
from rtcdp.store.contract import RowsRefused, StateMismatch, StoreUnavailable
from rtcdp.store.row_changes import FittedRows
from rtcdp.store.sql.merge import merge_one_by_one
from rtcdp.store.sql.rows import (
    SUM_SCHEMA,
    delete_rows,
    replace_rows,
    stored_frame,
    sums_from,
    sums_of_asked,
)
from rtcdp.store.sql.statements import ASKED, Dialect, Readable, quote

_MILLISECONDS = "CAST(STRFTIME('%s', {0}) AS INTEGER) * 1000 + CAST(SUBSTR({0}, -4, 3) AS INTEGER)"


def _iso(ms: str) -> str:
    """As the API writes times. The remainder of a negative number is negative; adding a second
    makes it count from below."""
    rest = f"(({ms} % 1000 + 1000) % 1000)"
    seconds = f"({ms} - {rest}) / 1000"
    return f"STRFTIME('%Y-%m-%dT%H:%M:%S', {seconds}, 'unixepoch') || PRINTF('.%03dZ', {rest})"


def _json_list(rows: str, columns: Mapping[str, str]) -> str:
    named = ((name.replace("'", "''"), column) for name, column in columns.items())
    members = ", ".join(f"'{name}', {column}" for name, column in named)
    return f"(SELECT JSON_GROUP_ARRAY(JSON_OBJECT({members})) FROM ({rows}) AS listed)"


def _asked(schema: pl.Schema) -> str:
    columns = ", ".join(f"c{n} AS {quote(name)}" for n, name in enumerate(schema))
    return f"(SELECT {columns} FROM temp.{_asked_table(len(schema))}) AS {ASKED}"


def _asked_table(width: int) -> str:
    return f"_asked_{width}"


SQLITE = Dialect(
    placeholder=lambda n: f"?{n}",
    types={"text": "TEXT", "integer": "INTEGER", "real": "REAL", "bytes": "BLOB"},
    asked=_asked,
    looked_up=lambda asked, table, condition: f"{asked} CROSS JOIN {table} AS t WHERE {condition}",
    source=lambda types: f"VALUES ({', '.join(f'?{n}' for n in range(1, len(types) + 1))})",
    readable=Readable(
        exact="INTEGER",
        instant=_iso,
        json_list=_json_list,
        plain={"instant": _MILLISECONDS, "flag": "{}", "list": "{}"},
    ),
    # The key is the table: no row is stored beside an index of its keys.
    table_options=" STRICT, WITHOUT ROWID",
    appended_options=" STRICT",
    newest_first=" DESC",
)

_STATEMENTS_MAX = 256
_BATCH_ROWS = 2**24


class StoreDamaged(RtcdpError):
    """The store's file is not readable as one."""

    exit_code = 3


class SqliteConnection:
    """Not to be used by two threads at once. Closing it rolls an open transaction back.

    Raises `StoreUnavailable`, also from `run` and `query`, when the file can't be opened, read or
    written, or stays locked for `busy_timeout_ms`; `StoreDamaged` when it is no database.
    """

    def __init__(self, path: Path, *, read_only: bool, busy_timeout_ms: int) -> None:
        self._statements: OrderedDict[str, AdbcStatement] = OrderedDict()
        self._temporary: set[str] = set()
        mode = "ro" if read_only else "rwc"
        with _translated():
            self._database = adbc_driver_sqlite.connect(f"{path.absolute().as_uri()}?mode={mode}")
            try:
                self._connection = AdbcConnection(self._database)
            except BaseException:
                self._database.close()
                raise
        try:
            self.pragma(f"busy_timeout = {busy_timeout_ms}")
            self.pragma("temp_store = MEMORY")
        except BaseException:
            self.close()
            raise

    @property
    def dialect(self) -> Dialect:
        return SQLITE

    @property
    def readers_schema(self) -> str | None:
        return None

    def run(self, sql: str, rows: pl.DataFrame | None = None) -> int:
        """Run a statement once, or once for each row with its values bound by position.

        Returns the number of rows changed.
        """
        with _translated(), self._prepared(sql) as statement:
            if rows is not None:
                statement.bind_stream(rows)
            return int(statement.execute_update())

    def send(self, sql: str, rows: pl.DataFrame) -> None:
        self.run(sql, rows)

    def send_rows(self, sql: str, rows: pl.DataFrame) -> None:
        self.run(sql, rows)

    def merge(self, table: Table, rows: pl.DataFrame) -> None:
        merge_one_by_one(self, table, rows)

    def take_out(self, sql: str, table: Table, keys: pl.DataFrame) -> None:
        del table
        self.run(sql, keys)

    def change_rows(self, changes: FittedRows) -> DailySums:
        """Delete and replace rows; what those that were there bring to the sums of their days."""
        table = changes.table
        old = changes.old
        if old is None:
            asked = sums_of_asked(SQLITE, table)
            old = sums_from(self.query_about(asked, SUM_SCHEMA, changes.touched))
        if not changes.delete.is_empty():
            self.run(delete_rows(SQLITE, table), changes.delete)
        if not changes.replace.is_empty():
            self.run(replace_rows(SQLITE, table), stored_frame(changes))
        return old

    def begin(self) -> None:
        # A transaction that turns into a writer's only when it writes may be refused in its middle.
        self.run("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self.run("COMMIT")

    def query(
        self, sql: str, schema: pl.Schema, parameters: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """The rows of a query as columns of `schema`; with several rows of parameters, their
        answers one after another."""
        with _translated(), self._prepared(sql) as statement:
            if parameters is not None:
                statement.bind_stream(parameters)
            stream, _ = statement.execute_query()
            found = pl.DataFrame(stream)
        if found.dtypes == schema.dtypes():
            found.columns = schema.names()
            return found
        return pl.DataFrame(
            [
                _typed(found.to_series(position), name, dtype)
                for position, (name, dtype) in enumerate(schema.items())
            ]
        )

    def query_about(self, sql: str, schema: pl.Schema, asked: pl.DataFrame) -> pl.DataFrame:
        """The answer of one query about many rows, which lie in a temporary table meanwhile."""
        table = _asked_table(asked.width)
        if table not in self._temporary:
            columns = ", ".join(f"c{n}" for n in range(asked.width))
            self.run(f"CREATE TEMPORARY TABLE {table} ({columns})")
            self._temporary.add(table)
        self.run(f"DELETE FROM temp.{table}")
        values = ", ".join(f"?{n}" for n in range(1, asked.width + 1))
        self.run(f"INSERT INTO temp.{table} VALUES ({values})", asked)
        return self.query(sql, schema)

    def rows_about(
        self, sql: str, schema: pl.Schema, asked: pl.DataFrame, never_null: tuple[str, ...] = ()
    ) -> pl.DataFrame:
        del never_null
        return self.query_about(sql, schema, asked)

    def pragma(self, text: str) -> int | str | None:
        """Read or set a pragma; the first value of its answer."""
        with _translated(), self._prepared(f"PRAGMA {text}") as statement:
            stream, _ = statement.execute_query()
            answer = pl.DataFrame(stream)
        return None if answer.is_empty() else answer.item(0, 0)

    def close(self) -> None:
        for statement in self._statements.values():
            statement.close()
        self._statements.clear()
        self._connection.close()
        self._database.close()

    @contextmanager
    def _prepared(self, sql: str) -> Iterator[AdbcStatement]:
        """A statement from the cache, or a new one. One that failed is not used again."""
        statement = self._statements.pop(sql, None)
        is_new = statement is None
        if statement is None:
            statement = AdbcStatement(self._connection)
        try:
            if is_new:
                statement.set_options(**{"adbc.sqlite.query.batch_rows": _BATCH_ROWS})
                statement.set_sql_query(sql)
                statement.prepare()
            yield statement
        except BaseException:
            statement.close()
            raise
        self._statements[sql] = statement
        if len(self._statements) > _STATEMENTS_MAX:
            self._statements.popitem(last=False)[1].close()


def _typed(column: pl.Series, name: str, dtype: pl.DataType) -> pl.Series:
    """A column of the wanted type; one without values comes as integers."""
    if column.null_count() == len(column):
        return pl.Series(name, [None], dtype).new_from_index(0, len(column))
    return column.cast(dtype).alias(name)


@contextmanager
def _translated() -> Iterator[None]:
    """Give errors of the driver their names in the store's contract.

    The driver passes no SQLite result codes on, so its words have to do. What it says of a wrong
    statement goes through as it is, for that is a mistake in the program.
    """
    try:
        yield
    except (adbc_driver_manager.Error, pl.exceptions.ComputeError) as error:
        named = _named(str(error))
        if named is None and not isinstance(error, adbc_driver_manager.OperationalError):
            raise
        hint = "report this message if it stays"
        raise named or StoreUnavailable(f"the store's file: {error}", hint) from error


_WORDS: tuple[tuple[tuple[str, ...], type[RtcdpError], str], ...] = (
    (
        ("is locked",),
        StoreUnavailable,
        "wait for the other program, or end it; it is tried again",
    ),
    (
        ("disk is full",),
        StoreUnavailable,
        "make room on the disk; it is tried again",
    ),
    (
        (
            "disk i/o error",
            "unable to open",
            "failed to open",
            "readonly database",
            "out of memory",
        ),
        StoreUnavailable,
        "check that the disk has room and the file may be written",
    ),
    (
        ("not a database", "malformed"),
        StoreDamaged,
        "restore the file, or remove it and let it be computed again from the log",
    ),
    (
        ("no such table", "no such column", "has no column named"),
        StateMismatch,
        "run all parts with the same version and the same catalog",
    ),
    (
        ("constraint failed", "cannot store"),
        RowsRefused,
        "this is a defect of the engine; report it with this message",
    ),
)


def _named(words: str) -> RtcdpError | None:
    for signs, kind, hint in _WORDS:
        if any(sign in words.lower() for sign in signs):
            # What follows is the whole statement.
            return kind(f"the store's file: {words.partition(chr(10))[0]}", hint)
    return None
