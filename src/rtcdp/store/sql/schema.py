# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""The tables of a SQL store: its own, whose names begin with `_`, and those that the metrics rest
in, whose names begin with `__`.

No metric's name begins with an underscore, and none has two in a row: so these never meet, and
names without one are left to the views for readers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import polars as pl

from rtcdp.definitions import BUCKET_START, MERGES, Metric, RowTable, Table, tables_of
from rtcdp.errors import UsageError
from rtcdp.store.sql.rows import create_rows
from rtcdp.store.sql.statements import (
    Dialect,
    SqlConnection,
    is_indexed_by_key,
    names,
    quote,
    stored,
    stored_name,
)
from rtcdp.store.sql.views import check_columns

Step = str | Callable[[SqlConnection], None]
"""A part of an upgrade: a statement, or what has to look at the store first."""

RelationKind = Literal["rows", "table"]
RULE_COLUMNS = ("max_clock_skew_ms", "allowed_lateness_ms", "dedup_window_ms")


@dataclass(frozen=True)
class Relation:
    """A table of a metric, or a row table, with the statements that make it. Rows expire by the
    `time`, a column, if there is one."""

    name: str
    kind: RelationKind
    statements: tuple[str, ...]
    time: str | None = None


def relations_of(dialect: Dialect, metric: Metric | RowTable) -> tuple[Relation, ...]:
    """The tables that a metric rests in; a row table is one itself."""
    if isinstance(metric, RowTable):
        statements = tuple(create_rows(dialect, metric))
        return (Relation(metric.name, "rows", statements, metric.expires_by),)
    buckets, *sides = tables_of(metric)
    made = (*_create_table(dialect, buckets), *_create_indexes(dialect, buckets))
    return (
        Relation(buckets.name, "table", made, BUCKET_START),
        *(
            Relation(side.name, "table", tuple(_create_table(dialect, side)), BUCKET_START)
            for side in sides
        ),
    )


def check_names(dialect: Dialect, metrics: Sequence[Metric | RowTable]) -> None:
    """Raises `UsageError` when two tables or two columns would have the same name, or a name that
    the database keeps to itself. Names that differ in case only count as the same."""
    seen: set[str] = set()
    for metric in metrics:
        if metric.name.startswith(("sqlite_", "pg_")):
            raise UsageError(
                f"metric {metric.name} has a name that databases keep to themselves",
                "let it begin with another word than sqlite_ or pg_",
            )
        for relation in relations_of(dialect, metric):
            if relation.name in seen:
                raise UsageError(
                    f"two tables would be called {relation.name}",
                    "rename one of the metrics, or the measure that is named after the table",
                )
            if len(relation.name) > dialect.name_bytes_max:
                raise UsageError(
                    f"{relation.name} is too long for the name of a table here",
                    f"give the metric or its measure a shorter name: {dialect.name_bytes_max}"
                    " letters together, at most",
                )
            seen.add(relation.name)
        if isinstance(metric, Metric):
            check_columns(metric)


def system_tables(dialect: Dialect) -> tuple[str, ...]:
    """The store's own tables, as version 1 has them."""
    integer, text, raw = (dialect.types[kind] for kind in ("integer", "text", "bytes"))
    options = dialect.table_options
    backwards = "" if dialect.key_by_index else dialect.newest_first
    counts = ", ".join(
        f"{quote(name)} {integer} NOT NULL"
        for name in ("received", "admitted", "duplicate", "late", "dead_letter", "conflict")
    )
    return (
        f"CREATE TABLE _progress (id {integer} PRIMARY KEY CHECK (id = 1),"
        f" epoch {integer} NOT NULL, committed_at {integer} NOT NULL, engine {text} NOT NULL)"
        f"{options}",
        f'CREATE TABLE _partitions ("partition" {integer} PRIMARY KEY,'
        f" next_offset {integer} NOT NULL, max_received_at {integer}){options}",
        f"CREATE TABLE _metrics (name {text} PRIMARY KEY, fingerprint {text} NOT NULL,"
        f" is_active {integer} NOT NULL, is_complete {integer} NOT NULL){options}",
        f"CREATE TABLE _relations (name {text} PRIMARY KEY, metric {text} NOT NULL,"
        f" kind {text} NOT NULL){options}",
        f'CREATE TABLE _backfill (metric {text} NOT NULL, "partition" {integer} NOT NULL,'
        f' next_offset {integer} NOT NULL, PRIMARY KEY (metric, "partition")){options}',
        f"CREATE TABLE _ledger (minute {integer} NOT NULL, source {text} NOT NULL, {counts},"
        f" PRIMARY KEY (minute{backwards}, source)){options}",
        f"CREATE TABLE _ledger_totals (id {integer} PRIMARY KEY CHECK (id = 1), {counts}){options}",
        # Without the other tables' options: rows that carry raw bytes are too wide to lie in the
        # tree of a key.
        f'CREATE TABLE _uncounted ("partition" {integer} NOT NULL, "offset" {integer} NOT NULL,'
        f" source {text} NOT NULL, received_at {integer} NOT NULL, verdict {text} NOT NULL,"
        f" reason {text}, step {text}, message {text}, event_id {text}, user_id {text},"
        f" event_time {integer}, raw {raw}, replayed_at {integer},"
        f' PRIMARY KEY ("partition", "offset"))',
        'CREATE INDEX _uncounted_time ON _uncounted (received_at, "partition", "offset")',
        "CREATE INDEX _uncounted_verdict ON _uncounted"
        ' (verdict, received_at, "partition", "offset")',
        'CREATE INDEX _uncounted_user ON _uncounted (user_id, received_at, "partition", "offset")',
        f'CREATE TABLE _spans ("partition" {integer} NOT NULL, first_offset {integer} NOT NULL,'
        f" next_offset {integer} NOT NULL, min_event_time {integer}, max_event_time {integer},"
        f' committed_at {integer} NOT NULL, PRIMARY KEY ("partition", first_offset)){options}',
        "CREATE INDEX _spans_time ON _spans (max_event_time, min_event_time)",
        "CREATE INDEX _spans_age ON _spans (committed_at)",
    )


def lease_tables(dialect: Dialect) -> tuple[str, ...]:
    """What version 2 adds: who may write, and which log was counted."""
    integer, text = dialect.types["integer"], dialect.types["text"]
    return (
        f"ALTER TABLE _progress ADD COLUMN log_id {text} NOT NULL DEFAULT ''",
        f"CREATE TABLE _lease (id {integer} PRIMARY KEY CHECK (id = 1),"
        f" token {integer} NOT NULL, holder {text} NOT NULL,"
        f" expires_at {integer} NOT NULL){dialect.table_options}",
    )


def verdict_tables(dialect: Dialect) -> tuple[str, ...]:
    """What version 3 adds: which offsets are decided and which are remembered, by which rules, and
    how far the time is trusted. Rows of uncounted records go with the spans of their epochs, so
    what has a span has its verdicts."""
    integer = dialect.types["integer"]
    limits = ", ".join(f"{name} {integer} NOT NULL" for name in RULE_COLUMNS)
    options = dialect.table_options
    return (
        f"ALTER TABLE _partitions ADD COLUMN remembered_from {integer}",
        f"ALTER TABLE _partitions ADD COLUMN decided_from {integer} NOT NULL DEFAULT 0",
        "UPDATE _partitions SET decided_from = COALESCE((SELECT MIN(first_offset) FROM _spans"
        ' WHERE _spans."partition" = _partitions."partition"), next_offset)',
        f"CREATE TABLE _rules (from_epoch {integer} PRIMARY KEY, {limits}){options}",
        f'CREATE TABLE _rules_from (from_epoch {integer} NOT NULL, "partition" {integer} NOT NULL,'
        f' next_offset {integer} NOT NULL, PRIMARY KEY (from_epoch, "partition")){options}',
        f"CREATE TABLE _clock (id {integer} PRIMARY KEY CHECK (id = 1),"
        f" trusted_ms {integer} NOT NULL, step_ms {integer} NOT NULL,"
        f" stepped_at {integer} NOT NULL, is_suspended {integer} NOT NULL){options}",
    )


def continuity_tables(dialect: Dialect) -> tuple[str, ...]:
    """What knows the log again: the last record that was counted of each partition. And what can't
    be whole any more: the windows of a metric that start before `complete_from`, and whatever lies
    before a floor, which retention has deleted."""
    integer, text = dialect.types["integer"], dialect.types["text"]
    return (
        f"ALTER TABLE _partitions ADD COLUMN mark_offset {integer}",
        f"ALTER TABLE _partitions ADD COLUMN mark_checksum {integer}",
        f"ALTER TABLE _metrics ADD COLUMN complete_from {integer}",
        f"CREATE TABLE _floors (name {text} PRIMARY KEY, instant {integer} NOT NULL)"
        f"{dialect.table_options}",
        # What an older version has deleted of the ledger shows in the totals, which keep it.
        "INSERT INTO _floors (name, instant) SELECT 'uncounted', COALESCE("
        "(SELECT MIN(minute) FROM _ledger WHERE minute > 0), (SELECT committed_at FROM _progress))"
        " FROM _ledger_totals"
        " WHERE received > (SELECT COALESCE(SUM(received), 0) FROM _ledger)",
        f"CREATE TABLE _checksums (table_name {text} NOT NULL, day {integer} NOT NULL,"
        f" low {integer} NOT NULL, high {integer} NOT NULL, PRIMARY KEY (table_name, day))"
        f"{dialect.table_options}{dialect.updated_options}",
    )


def row_tables(dialect: Dialect) -> tuple[str, ...]:
    """What version 5 adds: by which column the rows of a relation expire."""
    return (
        f"ALTER TABLE _relations ADD COLUMN time_column {dialect.types['text']}",
        f"UPDATE _relations SET time_column = '{BUCKET_START}' WHERE kind = 'table'",
    )


def tables_out_of_sight(dialect: Dialect) -> tuple[Step, ...]:
    """What leaves the names of metrics to views for readers: the tables that they rest in get names
    of their own, and what views stand is written down. Older views are made anew."""
    text = dialect.types["text"]
    return (
        f"CREATE TABLE _views (name {text} PRIMARY KEY, metric {text} NOT NULL,"
        f" shape {text} NOT NULL, mark {text} NOT NULL){dialect.table_options}",
        _put_out_of_sight,
    )


def quiet_tables(dialect: Dialect) -> tuple[str, ...]:
    """What lets windows become final beside partitions without events: before which intake time
    nothing comes in a partition any more. A table of its own, so that no commit waits for it."""
    integer = dialect.types["integer"]
    return (
        f'CREATE TABLE _quiet ("partition" {integer} PRIMARY KEY, until {integer} NOT NULL)'
        f"{dialect.table_options}",
    )


def run_step(connection: SqlConnection, step: Step) -> None:
    """Do a part of an upgrade, inside its transaction."""
    if isinstance(step, str):
        connection.run(step)
    else:
        step(connection)


def _put_out_of_sight(connection: SqlConnection) -> None:
    # Views sort after tables here, and go first because they lean on them.
    relations = connection.query(
        "SELECT kind, name FROM _relations ORDER BY kind DESC, name",
        pl.Schema({"kind": pl.String, "name": pl.String}),
    )
    for kind, name in relations.rows():
        if kind == "view":
            connection.run(f"DROP VIEW {quote(name)}")
        else:
            new = quote(stored_name(connection.dialect, name))
            connection.run(f"ALTER TABLE {quote(name)} RENAME TO {new}")
    connection.run("DELETE FROM _relations WHERE kind = 'view'")


def _create_table(dialect: Dialect, table: Table) -> Iterator[str]:
    text, integer = dialect.types["text"], dialect.types["integer"]
    columns = [f"{quote(BUCKET_START)} {integer} NOT NULL"]
    columns += [f"{quote(name)} {text} NOT NULL" for name in table.key]
    if table.member is not None:
        name, kind = table.member
        columns.append(f"{quote(name)} {dialect.types[kind]} NOT NULL")
    for column in table.columns:
        null = " NOT NULL" if MERGES[column.merge].is_never_null else ""
        columns.append(f"{quote(column.name)} {dialect.types[column.type]}{null}")
    first, *others = table.primary_key
    primary_key = ", ".join([quote(first) + dialect.newest_first, *map(quote, others)])
    if not dialect.key_by_index:
        columns.append(f"PRIMARY KEY ({primary_key})")
    options = dialect.table_options + (dialect.updated_options if table.columns else "")
    yield f"CREATE TABLE {stored(dialect, table)} ({', '.join(columns)}){options}"
    if dialect.key_by_index:
        name = _index_name(dialect, table, "key")
        yield f"CREATE UNIQUE INDEX {name} ON {stored(dialect, table)} ({primary_key})"


def _create_indexes(dialect: Dialect, table: Table) -> Iterator[str]:
    """One for the whole key; and where it has several fields, one for each of them, in the order
    in which pages are read."""
    start = quote(BUCKET_START)
    orders = [f"{names(*table.key)}, {start}"] if is_indexed_by_key(table) else []
    if len(table.key) > 1:
        for field in table.key:
            others = (other for other in table.key if other != field)
            orders.append(", ".join([quote(field), f"{start} DESC", *map(quote, others)]))
    for number, order in enumerate(orders):
        name = _index_name(dialect, table, f"by_key_{number}")
        yield f"CREATE INDEX {name} ON {stored(dialect, table)} ({order})"


def _index_name(dialect: Dialect, table: Table, what: str) -> str:
    """The name of an index. Where it would be too long, a mark of the table's name ends it."""
    name = f"_{table.name}__{what}"
    if len(name) > dialect.name_bytes_max:
        mark = sha256(table.name.encode()).hexdigest()[:12]
        name = f"{name[: dialect.name_bytes_max - len(what) - 16]}__{mark}__{what}"
    return quote(name)
