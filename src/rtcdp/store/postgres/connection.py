# ruff: noqa: S608 - only names and expressions of ours are put into SQL
"""One PostgreSQL connection on libpq's pipeline: what needs no answer is sent and not waited for.

libpq is used through psycopg's thin wrapper of it. The client stays in charge of its waiting: a
server that is stopped, or a network that is gone, is given up after `answer_timeout_s` of silence.
"""

import select
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl
import psycopg
from psycopg import pq
from psycopg.pq import DiagnosticField, ExecStatus, PollingStatus, abc

from rtcdp.store.contract import RowsGone, StoreUnavailable
from rtcdp.store.postgres.address import PostgresAddress
from rtcdp.store.postgres.errors import error_of, error_while_connecting
from rtcdp.store.postgres.packed import ASKED_AT_ONCE, columns_of, in_columns
from rtcdp.store.postgres.text import full_text_in_sql, same_text_in_sql
from rtcdp.store.postgres.values import oid_of, to_array, to_series, to_value, wire_type
from rtcdp.store.sql.statements import ASKED, Dialect, Readable, names

ANSWER_TIMEOUT_S = 30.0


def _json_list(rows: str, columns: Mapping[str, str]) -> str:
    named = ((name.replace("'", "''"), column) for name, column in columns.items())
    members = ", ".join(f"'{name}', {column}" for name, column in named)
    listed = f"JSONB_AGG(JSONB_BUILD_OBJECT({members}))"
    return f"(SELECT COALESCE({listed}, '[]') FROM ({rows}) AS listed)"


POSTGRES = Dialect(
    placeholder=lambda n: f"${n}",
    # Texts are compared by their bytes, as in the other stores.
    types={
        "text": 'text COLLATE "C"',
        "integer": "bigint",
        "real": "double precision",
        "bytes": "bytea",
    },
    source=lambda types: f"SELECT * FROM {unnested(types)} AS bound",
    readable=Readable(
        exact="numeric",
        instant=lambda ms: f"TO_TIMESTAMP(CAST({ms} AS double precision) / 1000)",
        json_list=_json_list,
        plain={
            "instant": "CAST(EXTRACT(EPOCH FROM {}) * 1000 AS bigint)",
            "flag": "CAST({} AS integer)",
            "list": "CAST({} AS text)",
        },
        full_text=full_text_in_sql,
        same_text=same_text_in_sql,
        with_schema=True,
    ),
    # With OFFSET it is not made a join of two whole tables.
    looked_up=lambda asked, table, condition: (
        f"{asked} CROSS JOIN LATERAL (SELECT * FROM {table} AS t WHERE {condition} OFFSET 0) AS t"
    ),
    asked=lambda schema: f"{unnested(schema.dtypes())} AS {ASKED} ({names(*schema)})",
    # Room for new versions of rows beside the old ones: indexes then need no new entries.
    updated_options=" WITH (fillfactor = 50)",
    # Rows of stories are many, and most never change again: room for some of them.
    replaced_options=" WITH (fillfactor = 70)",
    appended_options="",
    newest_first=" DESC",
    key_by_index=True,
    name_bytes_max=63,
)

_STATEMENTS_MAX = 256
_BINARY = 1
_Taker = Callable[[abc.PGresult], None]
_ANSWERS = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


def unnested(types: Sequence[pl.DataType]) -> str:
    """Rows made of arrays that are bound, one for each column. As functions in FROM they would all
    be put down first, each column by itself, which takes the server three times as long."""
    arrays = (f"unnest(${n}::{wire_type(dtype).name}[])" for n, dtype in enumerate(types, 1))
    return f"(SELECT {', '.join(arrays)})"


@dataclass(frozen=True)
class _Statement:
    """What is made ready once: a text, the types of what is bound, and those of the answer. Where a
    table was made anew with other columns, the same text has another answer."""

    sql: str
    types: tuple[int, ...]
    answered: tuple[pl.DataType, ...] = ()


class PostgresConnection:
    """Not to be used by two threads at once. Closing it rolls an open transaction back.

    Raises `StoreUnavailable` when the server can't be reached, ends the connection or is silent for
    too long, `StoreForbidden` when it doesn't let the user in, and from every other method what
    `error_of` makes of the server's answer. After an error it is of no use any more.
    """

    def __init__(
        self, address: PostgresAddress, *, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self.address = address
        self._answer_timeout_s = answer_timeout_s
        self._statements: OrderedDict[_Statement, bytes] = OrderedDict()
        self._named = 0
        self._under_way: deque[_Taker] = deque()
        self._pgconn = self._connected()
        try:
            self._pgconn.nonblocking = 1
            self._pgconn.enter_pipeline_mode()
        except BaseException:
            self.close()
            raise

    @property
    def dialect(self) -> Dialect:
        return POSTGRES

    @property
    def readers_schema(self) -> str:
        return self.address.readers_schema

    @property
    def server_version(self) -> int:
        """For example 150004 for 15.4."""
        return self._pgconn.server_version

    @property
    def server_encoding(self) -> str:
        """How the database keeps texts, for example UTF8."""
        return (self._pgconn.parameter_status(b"server_encoding") or b"").decode()

    def run(self, sql: str, rows: pl.DataFrame | None = None) -> int:
        """Run a statement once, or once for each row with its values bound by position.

        Returns the number of rows changed.
        """
        changed: list[int] = []
        self._enqueue(sql, rows, lambda result: changed.append(result.command_tuples or 0))
        self.settle()
        return sum(changed)

    def send(self, sql: str, rows: pl.DataFrame | None = None) -> None:
        """Like `run`, without waiting for the outcome; a later call raises its error."""
        self._enqueue(sql, rows, _ignored)
        self._set_off()

    def send_rows(self, sql: str, rows: pl.DataFrame) -> None:
        """Run a statement over `unnested` columns, without waiting for the outcome."""
        self._enqueue_rows(sql, rows, _ignored)
        self._set_off()

    def send_changes(self, sql: str, rows: pl.DataFrame) -> None:
        """Like `send_rows`, of a statement that changes a row for each of these. Where one is not
        there any more, a later call raises `RowsGone`."""

        def check(result: abc.PGresult) -> None:
            if result.command_tuples != rows.height:
                raise RowsGone(
                    f"{self.address.shown}: of {rows.height:,} rows that were read to be changed"
                    f" {result.command_tuples or 0:,} are there",
                    "they are read again, and it is tried again",
                )

        self._enqueue_rows(sql, rows, check)
        self._set_off()

    def query(
        self, sql: str, schema: pl.Schema, parameters: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """The rows of a query as columns of `schema`; with several rows of parameters, their
        answers one after another."""
        results: list[abc.PGresult] = []
        self._enqueue(sql, parameters, results.append, tuple(schema.dtypes()))
        self.settle()
        return _frame(results, schema)

    def query_about(self, sql: str, schema: pl.Schema, asked: pl.DataFrame) -> pl.DataFrame:
        """The answer of one query about many rows, which are bound as `unnested` columns."""
        results: list[abc.PGresult] = []
        self._enqueue_rows(sql, asked, results.append, tuple(schema.dtypes()))
        self.settle()
        return _frame(results, schema)

    def rows_about(
        self, sql: str, schema: pl.Schema, asked: pl.DataFrame, never_null: tuple[str, ...] = ()
    ) -> pl.DataFrame:
        """Like `query_about`, of a plain SELECT that may have very many rows."""
        packed = in_columns(sql, schema, never_null)
        results: list[abc.PGresult] = []
        for some in asked.iter_slices(ASKED_AT_ONCE):
            self._enqueue_rows(packed, some, results.append, tuple(schema.dtypes()))
            self._set_off()
        self.settle()
        return columns_of(results, schema, never_null)

    def commit(self) -> None:
        """Make the open transaction durable. An error may mean either outcome."""
        ended: list[bytes | None] = []
        self._enqueue("COMMIT", None, lambda result: ended.append(result.command_status))
        self.settle()
        if ended != [b"COMMIT"]:
            raise error_of("40000", "the server rolled the transaction back", self.address.shown)

    def settle(self) -> None:
        """Wait for everything that is under way. Raises the first error among it."""
        with self._translated():
            # Until here, statements outside of a transaction are one for the server.
            self._pgconn.pipeline_sync()
            self._hand_over(wait=True)
            while self._under_way:
                result = self._result()
                if result is None or result.status not in _ANSWERS:
                    raise self._refusal(result)
                self._under_way.popleft()(result)
                self._end_of_answer()
            self._end_of_answer()

    def close(self) -> None:
        self._pgconn.finish()

    def _enqueue(
        self,
        sql: str,
        rows: pl.DataFrame | None,
        take: _Taker,
        answered: tuple[pl.DataType, ...] = (),
    ) -> None:
        """Put a statement into the pipeline, once or for each row; `take` is called with each
        answer."""
        if rows is None:
            self._enqueue_one(_Statement(sql, (), answered), [], take)
            return
        statement = _Statement(sql, tuple(map(oid_of, rows.get_columns())), answered)
        dtypes = rows.schema.dtypes()
        for row in rows.iter_rows():
            values = [to_value(value, dtype) for value, dtype in zip(row, dtypes, strict=True)]
            self._enqueue_one(statement, values, take)

    def _enqueue_rows(
        self,
        sql: str,
        rows: pl.DataFrame,
        take: _Taker,
        answered: tuple[pl.DataType, ...] = (),
    ) -> None:
        """Put a statement into the pipeline with each column bound as one array."""
        columns = rows.get_columns()
        types = tuple(wire_type(column.dtype).array_oid for column in columns)
        arrays = [to_array(column) for column in columns]
        self._enqueue_one(_Statement(sql, types, answered), arrays, take)

    def _enqueue_one(
        self, statement: "_Statement", values: Sequence[bytes | None], take: _Taker
    ) -> None:
        with self._translated():
            name = self._prepared(statement)
            formats = [_BINARY] * len(values)
            self._pgconn.send_query_prepared(name, values, formats, result_format=_BINARY)
            self._under_way.append(take)

    def _prepared(self, statement: "_Statement") -> bytes:
        """The name of a statement that the server knows, or will when it comes to it."""
        name = self._statements.pop(statement, None)
        if name is None:
            self._named += 1
            name = b"s%d" % self._named
            self._pgconn.send_prepare(name, statement.sql.encode(), statement.types)
            self._under_way.append(_ignored)
        self._statements[statement] = name
        if len(self._statements) > _STATEMENTS_MAX:
            _, oldest = self._statements.popitem(last=False)
            self._pgconn.send_query_params(b"DEALLOCATE " + oldest, [])
            self._under_way.append(_ignored)
        return name

    def _set_off(self) -> None:
        """Let the server begin, while the next statement is made ready here."""
        with self._translated():
            self._pgconn.send_flush_request()
            self._hand_over(wait=False)

    def _hand_over(self, *, wait: bool) -> None:
        """Give the network what was sent; as much as it takes at once, or all of it."""
        while self._pgconn.flush() == 1 and wait:
            # The server may wait for its answers to be read before it reads on.
            if self._wait(select.POLLIN | select.POLLOUT) & select.POLLIN:
                self._pgconn.consume_input()

    def _result(self) -> abc.PGresult | None:
        while self._pgconn.is_busy():
            self._wait(select.POLLIN)
            self._pgconn.consume_input()
        return self._pgconn.get_result()

    def _end_of_answer(self) -> None:
        """Every answer is followed by nothing, and all of them by the mark of their end."""
        last = self._result()
        if last is not None and last.status != ExecStatus.PIPELINE_SYNC:
            raise self._refusal(last)

    def _refusal(self, result: abc.PGresult | None) -> Exception:
        if result is None:
            return error_of(None, self._pgconn.get_error_message(), self.address.shown)
        code = result.error_field(DiagnosticField.SQLSTATE)
        words = result.error_field(DiagnosticField.MESSAGE_PRIMARY)
        said = result.get_error_message() if words is None else words.decode(errors="replace")
        return error_of(None if code is None else code.decode(), said, self.address.shown)

    def _connected(self) -> abc.PGconn:
        """Raises `StoreUnavailable` also when the server takes a connection and says no more."""
        place = self.address.shown
        deadline = time.monotonic() + self.address.connect_timeout_s
        pgconn = pq.PGconn.connect_start(self.address.conninfo.encode())
        try:
            while pgconn.status != pq.ConnStatus.BAD:
                match pgconn.connect_poll():
                    case PollingStatus.OK:
                        return pgconn
                    case PollingStatus.FAILED:
                        break
                    case PollingStatus.READING:
                        self._await(pgconn.socket, select.POLLIN, deadline - time.monotonic())
                    case PollingStatus.WRITING:
                        self._await(pgconn.socket, select.POLLOUT, deadline - time.monotonic())
            raise error_while_connecting(pgconn.get_error_message(), place)
        except BaseException:
            pgconn.finish()
            raise

    def _wait(self, events: int) -> int:
        return self._await(self._pgconn.socket, events, self._answer_timeout_s)

    def _await(self, socket: int, events: int, timeout_s: float) -> int:
        poller = select.poll()
        poller.register(socket, events)
        ready = poller.poll(max(0, timeout_s) * 1000)
        if not ready:
            raise StoreUnavailable(
                f"{self.address.shown} is silent",
                "check that the server runs and has time for this store; it is tried again",
            )
        return ready[0][1]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """libpq's own errors are about the connection."""
        try:
            yield
        except psycopg.Error as error:
            raise error_of(None, str(error), self.address.shown) from error


def _ignored(result: abc.PGresult) -> None:
    del result


def _frame(results: Sequence[abc.PGresult], schema: pl.Schema) -> pl.DataFrame:
    """The rows of answers to one statement, one after another."""
    columns = []
    for position, (name, dtype) in enumerate(schema.items()):
        oid = results[0].ftype(position) if results else wire_type(dtype).oid
        values = [r.get_value(row, position) for r in results for row in range(r.ntuples)]
        columns.append(to_series(name, dtype, oid, values))
    return pl.DataFrame(columns)
