# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""Queries of a SQL store: what to ask for, as text with the values to bind.

Every query that gives a page walks an index from where the page before ended, so that a page costs
what it holds and not what the table holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_READ_SCHEMA
from rtcdp.definitions import BUCKET_START
from rtcdp.errors import UsageError
from rtcdp.log.contract import LogMark
from rtcdp.store.checksums import NO_DAY, joined
from rtcdp.store.contract import Floors, Progress, Scan, UncountedScan
from rtcdp.store.epoch import EpochSpan
from rtcdp.store.sql.statements import (
    Dialect,
    Parameter,
    SqlConnection,
    frame_schema,
    names,
    one_row,
    quote,
    stored,
)

NO_LIMIT = 2**62

_PROGRESS_SCHEMA = pl.Schema(
    {
        "epoch": pl.Int64(),
        "committed_at": pl.Int64(),
        "engine": pl.String(),
        "log_id": pl.String(),
        "partition": pl.Int64(),
        "next_offset": pl.Int64(),
        "max_received_at": pl.Int64(),
        "remembered_from": pl.Int64(),
        "decided_from": pl.Int64(),
        "mark_offset": pl.Int64(),
        "mark_checksum": pl.Int64(),
        "until": pl.Int64(),
    }
)
_DEFINITION_SCHEMA = pl.Schema(
    {
        "name": pl.String(),
        "fingerprint": pl.String(),
        "is_active": pl.Int64(),
        "is_complete": pl.Int64(),
    }
)


@dataclass(frozen=True)
class Definition:
    """A metric or a row table as the store has it. `is_active`: the engine keeps it up to date now.
    `is_complete`: no backfill is needed."""

    name: str
    fingerprint: str
    is_active: bool
    is_complete: bool


@dataclass
class Where:
    """Conditions joined by AND, with their values in the order of their placeholders."""

    dialect: Dialect

    def __post_init__(self) -> None:
        self.conditions: list[str] = []
        self.values: list[Parameter] = []

    def bind(self, value: Parameter) -> str:
        """The placeholder of a value."""
        self.values.append(value)
        return self.dialect.placeholder(len(self.values))

    def add(self, column: str, relation: str, value: Parameter) -> None:
        """Compare a column with a value; None leaves it open."""
        if value is not None:
            self.conditions.append(f"{quote(column)} {relation} {self.bind(value)}")

    def add_row(self, columns: Sequence[str], relation: str, values: Sequence[Parameter]) -> None:
        """Compare several columns with several values in dictionary order."""
        bound = ", ".join(self.bind(value) for value in values)
        self.conditions.append(f"({names(*columns)}) {relation} ({bound})")

    def __str__(self) -> str:
        return f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


@dataclass(frozen=True)
class Query:
    """A query and its values. Its last placeholder is the limit, which is bound when it runs."""

    sql: str
    values: tuple[Parameter, ...]
    schema: pl.Schema

    def rows(self, connection: SqlConnection, limit: int | None) -> pl.DataFrame:
        bound = one_row(*self.values, NO_LIMIT if limit is None else limit)
        return connection.query(self.sql, self.schema, bound)


def read_pages(
    connection: SqlConnection, queries: Sequence[Query], limit: int | None
) -> pl.DataFrame:
    """The rows of several queries one after another, `limit` of them together."""
    found: list[pl.DataFrame] = []
    missing = limit
    for query in queries:
        if missing is not None and missing <= 0 and found:
            break
        rows = query.rows(connection, missing)
        found.append(rows)
        missing = None if missing is None else missing - rows.height
    return pl.concat(found)


def scan_queries(dialect: Dialect, scan: Scan) -> list[Query]:
    """One query for a first page; for a later one the rest of the last row's bucket, then the
    older buckets.

    Raises `UsageError` when the scan names a column that is not of the key, or `after` is not a
    primary key of the table.
    """
    table = scan.table
    unknown = set(scan.equals) - set(table.key)
    if unknown:
        raise UsageError(
            f"{table.name} has no key field {', '.join(sorted(unknown))}",
            f"choose from {', '.join(table.key) or 'none: it has one row a window'}",
        )
    if scan.after is None:
        return [_scan_query(dialect, scan, scan.bucket_to)]
    if [type(part) for part in scan.after] != _key_types(scan):
        raise UsageError(
            f"{scan.after!r} is not a row of {table.name}",
            "continue with the position that came with the page before, for the same query",
        )
    bucket = int(scan.after[0])
    to_end_of_bucket, older = _rest_of_bucket(dialect, scan), bucket
    if scan.bucket_to is not None:
        older = min(bucket, scan.bucket_to)
    pages = [_scan_query(dialect, scan, older)]
    return pages if to_end_of_bucket is None else [to_end_of_bucket, *pages]


def _key_types(scan: Scan) -> list[type]:
    types = frame_schema(scan.table)
    return [int if types[name] == pl.Int64 else str for name in scan.table.primary_key]


def _rest_of_bucket(dialect: Dialect, scan: Scan) -> Query | None:
    """What follows the row `after` in its own bucket; None when nothing can."""
    assert scan.after is not None
    bucket, *position = scan.after
    free = [
        (name, part)
        for name, part in zip(scan.table.primary_key[1:], position, strict=True)
        if name not in scan.equals
    ]
    bucket_is_out = (scan.bucket_from is not None and int(bucket) < scan.bucket_from) or (
        scan.bucket_to is not None and int(bucket) >= scan.bucket_to
    )
    if not free or bucket_is_out:
        return None
    where = Where(dialect)
    for name, text in scan.equals.items():
        where.add(name, "=", text)
    where.add(BUCKET_START, "=", bucket)
    where.add_row([name for name, _ in free], ">", [part for _, part in free])
    return _in_reading_order(scan, where)


def _scan_query(dialect: Dialect, scan: Scan, bucket_to: int | None) -> Query:
    where = Where(dialect)
    for name, text in scan.equals.items():
        where.add(name, "=", text)
    where.add(BUCKET_START, ">=", scan.bucket_from)
    where.add(BUCKET_START, "<", bucket_to)
    return _in_reading_order(scan, where)


def _in_reading_order(scan: Scan, where: Where) -> Query:
    table = scan.table
    order = ", ".join([f"{quote(BUCKET_START)} DESC", *map(quote, table.primary_key[1:])])
    limit = where.dialect.placeholder(len(where.values) + 1)
    return Query(
        f"SELECT {names(*table.column_names)} FROM {stored(where.dialect, table)}{where}"
        f" ORDER BY {order} LIMIT {limit}",
        tuple(where.values),
        frame_schema(table),
    )


def uncounted_query(dialect: Dialect, scan: UncountedScan) -> Query:
    """Uncounted records, newest first."""
    where = Where(dialect)
    where.add("verdict", "=", scan.verdict)
    where.add("reason", "=", scan.reason)
    where.add("source", "=", scan.source)
    where.add("user_id", "=", scan.user_id)
    where.add("partition", "=", scan.partition)
    where.add("offset", ">=", scan.offset_from)
    where.add("offset", "<", scan.offset_to)
    if scan.only_not_replayed:
        where.conditions.append("replayed_at IS NULL")
    if scan.after is not None:
        where.add_row(("received_at", "partition", "offset"), "<", scan.after)
    limit = dialect.placeholder(len(where.values) + 1)
    return Query(
        f"SELECT {names(*UNCOUNTED_READ_SCHEMA.names())} FROM _uncounted{where}"
        f' ORDER BY received_at DESC, "partition" DESC, "offset" DESC LIMIT {limit}',
        tuple(where.values),
        UNCOUNTED_READ_SCHEMA,
    )


def ledger_queries(
    dialect: Dialect, minute_from: int | None, after: tuple[int, str] | None
) -> list[Query]:
    """The ledger's rows, newest minute first, then by source."""
    older = Where(dialect)
    older.add("minute", ">=", minute_from)
    if after is None:
        return [_ledger_query(older)]
    same_minute = Where(dialect)
    same_minute.add("minute", ">=", minute_from)
    same_minute.add("minute", "=", after[0])
    same_minute.add("source", ">", after[1])
    older.add("minute", "<", after[0])
    return [_ledger_query(same_minute), _ledger_query(older)]


def _ledger_query(where: Where) -> Query:
    limit = where.dialect.placeholder(len(where.values) + 1)
    return Query(
        f"SELECT {names(*LEDGER_SCHEMA.names())} FROM _ledger{where}"
        f" ORDER BY minute DESC, source LIMIT {limit}",
        tuple(where.values),
        LEDGER_SCHEMA,
    )


def read_progress(connection: SqlConnection) -> Progress:
    """How far the store is; epoch 0 when nothing was committed."""
    rows = connection.query(
        'SELECT epoch, committed_at, engine, log_id, "partition", next_offset, max_received_at,'
        " remembered_from, decided_from, mark_offset, mark_checksum, until"
        ' FROM _progress LEFT JOIN _partitions ON 1 = 1 LEFT JOIN _quiet USING ("partition")',
        _PROGRESS_SCHEMA,
    ).rows()
    if not rows:
        return Progress()
    epoch, committed_at, engine, log_id, *_ = rows[0]
    return Progress(
        epoch=epoch,
        next_offsets={row[4]: row[5] for row in rows if row[4] is not None},
        max_received_at={row[4]: row[6] for row in rows if row[6] is not None},
        committed_at=committed_at,
        engine=engine,
        log_id=log_id,
        remembered_from={row[4]: row[7] for row in rows if row[7] is not None},
        decided_from={row[4]: row[8] for row in rows if row[4] is not None},
        marks={row[4]: LogMark(row[9], row[10]) for row in rows if row[9] is not None},
        quiet_until={row[4]: row[11] for row in rows if row[11] is not None},
    )


def read_definitions(connection: SqlConnection) -> list[Definition]:
    """Every metric that has tables, and every row table, by name."""
    rows = connection.query(
        "SELECT name, fingerprint, is_active, is_complete FROM _metrics ORDER BY name",
        _DEFINITION_SCHEMA,
    )
    return [Definition(name, mark, bool(a), bool(c)) for name, mark, a, c in rows.rows()]


def read_tables(connection: SqlConnection) -> dict[str, str | None]:
    """The tables of all metrics and the row tables, each with the column by which its rows expire,
    if they do."""
    found = connection.query(
        "SELECT name, time_column FROM _relations WHERE kind IN ('table', 'rows')",
        pl.Schema({"name": pl.String, "time_column": pl.String}),
    )
    return dict(found.rows())


def read_fingerprints(connection: SqlConnection, kind: str) -> dict[str, str]:
    """The fingerprints of the metrics ("table") or of the row tables ("rows") that are here, by
    name."""
    p = connection.dialect.placeholder
    found = connection.query(
        "SELECT name, fingerprint FROM _metrics WHERE name IN"
        f" (SELECT metric FROM _relations WHERE kind = {p(1)}) ORDER BY name",
        pl.Schema({"name": pl.String, "fingerprint": pl.String}),
        one_row(kind),
    )
    return dict(found.rows())


def read_backfill_offsets(connection: SqlConnection, metric: str) -> Mapping[int, int]:
    """Where the backfill of a metric goes on, by partition; empty before its first step."""
    p = connection.dialect.placeholder
    rows = connection.query(
        f'SELECT "partition", next_offset FROM _backfill WHERE metric = {p(1)}',
        pl.Schema({"partition": pl.Int64, "next_offset": pl.Int64}),
        one_row(metric),
    )
    return dict(rows.rows())


def read_spans(
    connection: SqlConnection, event_time_from: int, event_time_to: int
) -> list[EpochSpan]:
    """The spans that may hold event times of the half-open range, in log order."""
    p = connection.dialect.placeholder
    columns = ("partition", "first_offset", "next_offset", "min_event_time", "max_event_time")
    rows = connection.query(
        f"SELECT {names(*columns)} FROM _spans"
        f" WHERE max_event_time >= {p(1)} AND min_event_time < {p(2)}"
        ' ORDER BY "partition", first_offset',
        pl.Schema(dict.fromkeys(columns, pl.Int64)),
        one_row(event_time_from, event_time_to),
    )
    return [EpochSpan(*row) for row in rows.rows()]


def read_floors(connection: SqlConnection) -> Floors:
    """What retention has deleted."""
    rows = connection.query(
        "SELECT name, instant FROM _floors", pl.Schema({"name": pl.String, "instant": pl.Int64})
    )
    return Floors(**{f"{name}_from": instant for name, instant in rows.rows()})


def read_complete_from(connection: SqlConnection, metric: str) -> int | None:
    """From where on a metric's windows are whole; None when all are."""
    p = connection.dialect.placeholder
    rows = connection.query(
        f"SELECT complete_from FROM _metrics WHERE name = {p(1)}",
        pl.Schema({"complete_from": pl.Int64}),
        one_row(metric),
    )
    return None if rows.is_empty() else rows.item()


def read_daily_sums(connection: SqlConnection, table: str) -> dict[int, int] | None:
    """A table's sums by day; None when they were not kept from its beginning."""
    p = connection.dialect.placeholder
    rows = connection.query(
        f"SELECT day, low, high FROM _checksums WHERE table_name = {p(1)}",
        pl.Schema(dict.fromkeys(("day", "low", "high"), pl.Int64)),
        one_row(table),
    ).rows()
    sums = {day: joined(low, high) for day, low, high in rows}
    return None if sums.pop(NO_DAY, None) is None else sums
