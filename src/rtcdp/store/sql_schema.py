# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""The tables of a SQL store: those of the metrics, and its own, whose names begin with `_`.

No metric's name begins with an underscore, so the two kinds never meet.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rtcdp.errors import UsageError
from rtcdp.store.sql import Dialect, names, quote
from rtcdp.vocabulary.measure import (
    MICROS_PER_UNIT,
    Average,
    Count,
    Distinct,
    Maximum,
    Measure,
    Minimum,
    Sum,
    TopK,
)
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.table import (
    BUCKET_START,
    Table,
    count_column,
    micros_column,
    tables_of,
    units_column,
)

WINDOW_END = "window_end"


@dataclass(frozen=True)
class Relation:
    """A table or view of a metric, with the statements that make it."""

    name: str
    kind: str
    statements: tuple[str, ...]


def relations_of(dialect: Dialect, metric: Metric) -> tuple[Relation, ...]:
    """The tables of a metric; and where its windows are not written out, a view that has them."""
    buckets, *sides = tables_of(metric)
    visible = list(_visible_columns(dialect, metric)) if metric.window.is_written_out else []
    relations = [
        Relation(
            buckets.name,
            "table",
            (_create_table(dialect, buckets, visible), *_create_indexes(buckets)),
        ),
        *(Relation(side.name, "table", (_create_table(dialect, side),)) for side in sides),
    ]
    if not metric.window.is_written_out:
        relations.append(Relation(metric.name, "view", (_create_view(metric, buckets),)))
    return tuple(relations)


def check_names(dialect: Dialect, metrics: Sequence[Metric]) -> None:
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
            seen.add(relation.name)
        columns = [*metric.key, *(measure.name for measure in metric.measures)]
        if len({column.lower() for column in columns}) < len(columns):
            raise UsageError(
                f"metric {metric.name} has a measure with the name of a key field",
                "rename the measure",
            )


def system_tables(dialect: Dialect) -> tuple[str, ...]:
    """The store's own tables, as version 1 has them."""
    integer, text, raw = (dialect.types[kind] for kind in ("integer", "text", "bytes"))
    options, backwards = dialect.table_options, dialect.newest_first
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


def _create_table(dialect: Dialect, table: Table, visible: Sequence[str] = ()) -> str:
    text, integer = dialect.types["text"], dialect.types["integer"]
    columns = [f"{quote(BUCKET_START)} {integer} NOT NULL"]
    columns += [f"{quote(name)} {text} NOT NULL" for name in table.key]
    if table.member is not None:
        name, kind = table.member
        columns.append(f"{quote(name)} {dialect.types[kind]} NOT NULL")
    for column in table.columns:
        null = " NOT NULL" if column.merge == "add" else ""
        columns.append(f"{quote(column.name)} {dialect.types[column.type]}{null}")
    columns += visible
    first, *others = table.primary_key
    primary_key = ", ".join([quote(first) + dialect.newest_first, *map(quote, others)])
    return (
        f"CREATE TABLE {quote(table.name)} ({', '.join(columns)},"
        f" PRIMARY KEY ({primary_key})){dialect.table_options}"
    )


def _create_indexes(table: Table) -> Iterator[str]:
    """One for the whole key; and where it has several fields, one for each of them, in the order
    in which pages are read."""
    start = quote(BUCKET_START)
    orders = [f"{names(*table.key)}, {start}"] if table.key else []
    if len(table.key) > 1:
        for field in table.key:
            others = (other for other in table.key if other != field)
            orders.append(", ".join([quote(field), f"{start} DESC", *map(quote, others)]))
    for number, order in enumerate(orders):
        yield (
            f"CREATE INDEX {quote(f'_{table.name}__by_key_{number}')}"
            f" ON {quote(table.name)} ({order})"
        )


def _visible_columns(dialect: Dialect, metric: Metric) -> Iterator[str]:
    """Columns for people: the window's end, and the values of measures kept in several parts."""
    end = dialect.computed.format(f"{quote(BUCKET_START)} + {metric.window.size_ms}")
    yield f"{quote(WINDOW_END)} {dialect.types['integer']} {end}"
    for measure in metric.measures:
        if isinstance(measure, Sum | Average):
            value = dialect.computed.format(_value(measure, quote))
            yield f"{quote(measure.name)} {dialect.types['real']} {value}"


def _create_view(metric: Metric, panes: Table) -> str:
    """The windows of a metric, added up from its panes, with its plain measures."""
    window = metric.window
    pane, slide = f"p.{quote(BUCKET_START)}", window.slide_ms
    # The remainder of a negative number is negative; adding the slide makes it count from below.
    newest = f"{pane} - ({pane} % {slide} + {slide}) % {slide}"
    start = f"({newest} - s.n * {slide})"
    keys = "".join(f", p.{quote(field)}" for field in metric.key)
    values = [
        f"{value} AS {quote(measure.name)}"
        for measure in metric.measures
        if (value := _summed(measure)) is not None
    ]
    group = ", ".join(str(n + 1) for n in range(2 + len(metric.key)))
    return (
        f"CREATE VIEW {quote(metric.name)} AS WITH RECURSIVE steps (n) AS"
        f" (SELECT 0 UNION ALL SELECT n + 1 FROM steps WHERE n < {window.overlap - 1})"
        f" SELECT {start} AS {quote(BUCKET_START)},"
        f" {start} + {window.size_ms} AS {quote(WINDOW_END)}"
        f"{keys}{''.join(', ' + value for value in values)}"
        f" FROM {quote(panes.name)} AS p CROSS JOIN steps AS s"
        f" WHERE {start} > {pane} - {window.size_ms} GROUP BY {group}"
    )


def _summed(measure: Measure) -> str | None:
    """A plain measure over several panes; None for those with a table of their own."""
    match measure:
        case Count(name):
            return f"SUM(p.{quote(name)})"
        case Minimum(name):
            return f"MIN(p.{quote(name)})"
        case Maximum(name):
            return f"MAX(p.{quote(name)})"
        case Sum() | Average():
            return _value(measure, lambda column: f"SUM(p.{quote(column)})")
        case Distinct() | TopK():
            return None


def _value(measure: Sum | Average, stored: Callable[[str], str]) -> str:
    """The number that people want, from the columns it is kept in; `stored` makes a column's
    expression."""
    units, micros = stored(units_column(measure)), stored(micros_column(measure))
    total = f"({units} + {micros} / {MICROS_PER_UNIT}.0)"
    if isinstance(measure, Sum):
        return total
    count = stored(count_column(measure))
    return f"CASE WHEN {count} > 0 THEN {total} / {count} END"
