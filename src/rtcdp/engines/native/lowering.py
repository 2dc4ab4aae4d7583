"""From a metric's description to columns: which events, which pane, which partial results."""

from collections.abc import Mapping, Sequence

import polars as pl
import polars_hash as plh

from rtcdp.definitions import (
    BUCKET_START,
    ITEM,
    ITEM_COUNT,
    MEMBER,
    MERGES,
    ColumnType,
    Everything,
    Metric,
    Part,
    Predicate,
    Side,
    Window,
    tables_of,
    to_expression,
)
from rtcdp.engines.merging import to_buckets
from rtcdp.store import TableChange

_TYPES: Mapping[ColumnType, type[pl.DataType]] = {
    "text": pl.String,
    "integer": pl.Int64,
    "real": pl.Float64,
}

UNSUPPORTED: Mapping[type, str] = {}
"""The nodes of the vocabulary that this engine can't compute, each with the reason: none."""


def changes_of(metrics: Sequence[Metric], events: pl.DataFrame) -> tuple[TableChange, ...]:
    """Fold admitted events into the rows to merge into every metric's tables.

    `events` has the columns of `fields_of(metrics)`, `source` and `timestamp` (UTC ms).
    """
    if events.is_empty():
        return ()
    windows = (metric.window for metric in metrics)
    pane_sizes = {window.pane_ms for window in windows if isinstance(window, Window)}
    timestamps = events["timestamp"].to_numpy()
    with_panes = events.with_columns(
        pl.Series(_pane_column(size), timestamps // size * size) for size in pane_sizes
    ).lazy()
    planned = [
        (table, to_buckets(metric, table, plan))
        for metric in metrics
        for table, plan in zip(tables_of(metric), _plans(metric, with_panes), strict=True)
    ]
    folded = pl.collect_all([plan for _, plan in planned], engine="in-memory")
    changes = (
        TableChange(table, rows)
        for (table, _), rows in zip(planned, folded, strict=True)
        if not rows.is_empty()
    )
    return tuple(changes)


def _plans(metric: Metric, events: pl.LazyFrame) -> list[pl.LazyFrame]:
    """One plan a table of the metric, giving panes, in the order of `tables_of`."""
    condition = to_expression(metric.predicate)
    for column in metric.key_columns:
        condition = condition & pl.col(column).is_not_null()
    pane = pl.col(_pane_of(metric)).alias(BUCKET_START)
    chosen = events if _holds_always(metric) else events.filter(condition)
    key = zip(metric.key_columns, metric.key_names, strict=True)
    group = [pane, *(pl.col(column).alias(name) for column, name in key)]
    folded = [_folded(part, m.where) for m in metric.measures for part in m.parts()]
    sides = ((measure, measure.side()) for measure in metric.measures)
    return [
        chosen.group_by(group).agg(folded),
        *(_side_plan(side, m.where, chosen, group) for m, side in sides if side is not None),
    ]


def _holds_always(metric: Metric) -> bool:
    always_there = {"userId", "eventType", "source"}
    return isinstance(metric.predicate, Everything) and always_there.issuperset(metric.key_columns)


def _folded(part: Part, where: Predicate | None) -> pl.Expr:
    """What a group of events brings to a part: what each of them brings, merged."""
    if part.each == "1" and where is None:
        return pl.len().cast(pl.Int64).alias(part.name)
    each = pl.sql_expr(part.each).cast(_TYPES[part.type])
    if where is not None:
        condition = to_expression(where)
        if not condition.meta.root_names():
            # A constant would stand for a whole group, and not for each event of it.
            condition = condition & pl.col("timestamp").is_not_null()
        each = pl.when(condition).then(each)
    return MERGES[part.merge].of_column(each).alias(part.name)


def _side_plan(
    side: Side, where: Predicate | None, events: pl.LazyFrame, group: list[pl.Expr]
) -> pl.LazyFrame:
    condition = pl.col(side.column).is_not_null()
    if where is not None:
        condition = condition & to_expression(where)
    chosen = events.filter(condition)
    if side.bound == "heaviest_items":
        counted = pl.len().cast(pl.Int64).alias(ITEM_COUNT)
        return chosen.group_by(*group, pl.col(side.column).alias(ITEM)).agg(counted)
    member = plh.col(MEMBER).nchash.xxhash64().reinterpret(signed=True)
    distinct = chosen.select(*group, pl.col(side.column).alias(MEMBER)).unique()
    return distinct.select(pl.exclude(MEMBER), member)


def _pane_of(metric: Metric) -> str:
    window = metric.window
    return _pane_column(window.pane_ms) if isinstance(window, Window) else window.column


def _pane_column(pane_ms: int) -> str:
    return f"pane_{pane_ms}"
