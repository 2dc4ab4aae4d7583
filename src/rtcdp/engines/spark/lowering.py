"""From a metric's description to Spark SQL: which events, which pane, which partial results.

One statement computes the tables of all metrics: each is a `SELECT … GROUP BY` over the view of
admitted events, brought into one shape of row, so that a batch is one job of Spark's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from rtcdp.definitions import (
    BUCKET_START,
    ITEM,
    ITEM_COUNT,
    MEMBER,
    MERGES,
    WINDOW_END,
    AllOf,
    AnyOf,
    ColumnType,
    Compare,
    Equals,
    Everything,
    Metric,
    Negation,
    OneOf,
    Part,
    Predicate,
    Present,
    Side,
    Table,
    Window,
    tables_of,
)
from rtcdp.engines.merging import to_buckets
from rtcdp.events.derived import number_column, text_column
from rtcdp.store import TableChange

UNSUPPORTED: Mapping[type, str] = {}
"""The nodes of the vocabulary that this engine can't compute, each with the reason: none."""

TABLE_NUMBER = "table_number"

_SQL_TYPES: dict[ColumnType, str] = {"text": "string", "integer": "bigint", "real": "double"}

_Shape = Mapping[ColumnType, int]
"""How many columns of each type the common shape of row has."""


@dataclass(frozen=True)
class _Select:
    """What gives the panes of one table: an expression for each column but the pane's start, and
    those columns among them that are grouped by."""

    condition: str
    columns: Mapping[str, str]
    grouped: tuple[str, ...]


def distinct_fields(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """The fields of which distinct values are counted; the view has a `member_column` for each."""
    sides = (measure.side() for metric in metrics for measure in metric.measures)
    return tuple(sorted({s.column for s in sides if s and s.bound == "smallest_members"}))


def member_column(field: str) -> str:
    """The column of the view with the hashes of a field's values."""
    return f"{field}__member"


def statement_of(metrics: Sequence[Metric], view: str) -> str:
    """The SQL that folds a view of admitted events into the panes of every table of `metrics`.

    The view has the columns of `fields_of(metrics)`, `source`, `timestamp` (bigint, UTC ms), and
    a `member_column` (bigint) for each of `distinct_fields`. The rows have the number of their
    table, counted over all metrics, the start of their pane, and the table's other columns by type;
    `changes_of` puts them into tables again.
    """
    tables = [
        (metric, table, select)
        for metric in metrics
        for table, select in zip(tables_of(metric), _selects(metric), strict=True)
    ]
    shape = _shape_of([table for _, table, _ in tables])
    return "\nUNION ALL\n".join(
        _statement(number, tables[number], shape, view) for number in range(len(tables))
    )


def changes_of(metrics: Sequence[Metric], panes: pl.DataFrame) -> tuple[TableChange, ...]:
    """What the statement of the same metrics gave, as rows to merge into every table."""
    numbered = enumerate((metric, table) for metric in metrics for table in tables_of(metric))
    parts = panes.partition_by(TABLE_NUMBER, as_dict=True)
    planned = [
        (table, to_buckets(metric, table, _columns_of(table, parts[number,]).lazy()))
        for number, (metric, table) in numbered
        if (number,) in parts
    ]
    folded = pl.collect_all([plan for _, plan in planned], engine="in-memory")
    return tuple(TableChange(table, rows) for (table, _), rows in zip(planned, folded, strict=True))


def to_condition(predicate: Predicate) -> str:
    """A predicate as a Boolean expression of SQL that is never null."""
    match predicate:
        case Everything():
            return "true"
        case Equals(field, text):
            return f"({_name(text_column(field))} <=> {_text(text)})"
        case OneOf(field, texts):
            return _any([f"({_name(text_column(field))} <=> {_text(text)})" for text in texts])
        case Present(field):
            return f"({_name(text_column(field))} IS NOT NULL)"
        case Compare(field, comparison, limit):
            return f"coalesce({_name(number_column(field))} {comparison} {_number(limit)}, false)"
        case AllOf(predicates):
            return f"({' AND '.join(['true', *map(to_condition, predicates)])})"
        case AnyOf(predicates):
            return _any([to_condition(inner) for inner in predicates])
        case Negation(negated):
            return f"(NOT {to_condition(negated)})"


def _statement(
    number: int, planned: tuple[Metric, Table, _Select], shape: _Shape, view: str
) -> str:
    metric, table, select = planned
    pane = _pane(metric)
    grouped = [pane, *(select.columns[name] for name in select.grouped)]
    columns = [*_columns(number, table, select, shape), f"{pane} AS {BUCKET_START}"]
    # Without the `true`, a condition in brackets would be read as the names of the view's columns.
    return (
        f"SELECT {', '.join(columns)} FROM {view} "  # noqa: S608 - every name and text is quoted
        f"WHERE true AND {select.condition} GROUP BY {', '.join(grouped)}"
    )


def _columns(number: int, table: Table, select: _Select, shape: _Shape) -> Iterator[str]:
    """The columns of the common shape; null where the table has none."""
    yield f"{number} AS {TABLE_NUMBER}"
    given = {slot: select.columns[name] for name, slot in _slots(table).items()}
    for kind, count in shape.items():
        for index in range(count):
            expression = given.get((kind, index), "null")
            yield f"CAST({expression} AS {_SQL_TYPES[kind]}) AS {kind}_{index}"


def _shape_of(tables: Sequence[Table]) -> _Shape:
    slots = [slot for table in tables for slot in _slots(table).values()]
    return {
        kind: max((index + 1 for each, index in slots if each == kind), default=0)
        for kind in _SQL_TYPES
    }


def _slots(table: Table) -> dict[str, tuple[ColumnType, int]]:
    """Where each of the table's columns, but for the pane's start, is in the common shape: the
    n-th of its type."""
    kinds: dict[str, ColumnType] = dict.fromkeys(table.key, "text")
    if table.member is not None:
        kinds[table.member[0]] = table.member[1]
    kinds |= {column.name: column.type for column in table.columns}
    slots: dict[str, tuple[ColumnType, int]] = {}
    for name, kind in kinds.items():
        slots[name] = (kind, sum(kind == taken for taken, _ in slots.values()))
    return slots


def _columns_of(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    names = {name: f"{kind}_{index}" for name, (kind, index) in _slots(table).items()}
    return rows.select(BUCKET_START, **{name: pl.col(column) for name, column in names.items()})


def _pane(metric: Metric) -> str:
    """The start of the pane; `pmod` is never negative, so it holds before 1970 as well."""
    if not isinstance(metric.window, Window):
        return _name(metric.window.column)
    return f"timestamp - pmod(timestamp, {metric.window.pane_ms}L)"


def _selects(metric: Metric) -> Iterator[_Select]:
    """One for each of the metric's tables, in the order of `tables_of`."""
    conditions = [to_condition(metric.predicate)]
    conditions += [f"{_name(column)} IS NOT NULL" for column in metric.key_columns]
    keys = dict(zip(metric.key_names, map(_name, metric.key_columns), strict=True))
    folded = {
        part.name: _folded(part, measure.where)
        for measure in metric.measures
        for part in measure.parts()
    }
    ends = {} if isinstance(metric.window, Window) else {WINDOW_END: "null"}
    yield _Select(" AND ".join(conditions), {**keys, **ends, **folded}, metric.key_names)
    for measure in metric.measures:
        side = measure.side()
        if side is not None:
            chosen = [*conditions, f"{_name(side.column)} IS NOT NULL"]
            chosen += [] if measure.where is None else [to_condition(measure.where)]
            added = _side_columns(side)
            yield _Select(" AND ".join(chosen), {**keys, **added}, (*keys, next(iter(added))))


def _side_columns(side: Side) -> dict[str, str]:
    """What a table of members or items has besides the key; the first is grouped by as well."""
    if side.bound == "smallest_members":
        return {MEMBER: _name(member_column(side.column))}
    return {ITEM: _name(side.column), ITEM_COUNT: "count(*)"}


def _folded(part: Part, where: Predicate | None) -> str:
    """What a group of events brings to a part: what each of them brings, merged."""
    brought = part.each.replace('"', "`")
    each = f"CAST({brought} AS {_SQL_TYPES[part.type]})"
    if where is not None:
        each = f"CASE WHEN {to_condition(where)} THEN {each} END"
    rule = MERGES[part.merge]
    folded = f"{rule.aggregate.lower()}({each})"
    return f"coalesce({folded}, 0)" if rule.is_never_null else folded


def _any(conditions: Sequence[str]) -> str:
    return f"({' OR '.join(['false', *conditions])})"


def _name(field: str) -> str:
    return f"`{field}`"


def _text(text: str) -> str:
    """A text as a literal in which no character can mean anything else."""
    return f"CAST(X'{text.encode().hex()}' AS string)"


def _number(number: float) -> str:
    return f"CAST('{number!r}' AS double)"
