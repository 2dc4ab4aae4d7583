"""From a metric's description to columns: which events, which pane, which partial results."""

from collections.abc import Mapping, Sequence
from functools import reduce

import polars as pl
import polars_hash as plh

from rtcdp.engines.buckets import to_buckets
from rtcdp.engines.engine import TableChange
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
from rtcdp.vocabulary.predicate import (
    AllOf,
    AnyOf,
    Compare,
    Equals,
    Everything,
    Negation,
    OneOf,
    Predicate,
    Present,
)
from rtcdp.vocabulary.table import (
    BUCKET_START,
    ITEM,
    ITEM_COUNT,
    MEMBER,
    count_column,
    has_side_table,
    micros_column,
    tables_of,
    units_column,
)

UNSUPPORTED: Mapping[type, str] = {}
"""The nodes of the vocabulary that this engine can't compute, each with the reason: none."""


def changes_of(metrics: Sequence[Metric], events: pl.DataFrame) -> tuple[TableChange, ...]:
    """Fold admitted events into the rows to merge into every metric's tables.

    `events` has the columns of `fields_of(metrics)`, `source` and `timestamp` (UTC ms).
    """
    if events.is_empty():
        return ()
    pane_sizes = {metric.window.pane_ms for metric in metrics}
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


def to_expression(predicate: Predicate) -> pl.Expr:
    """A predicate as a Boolean expression that is never null."""
    match predicate:
        case Everything():
            return pl.lit(True)
        case Equals(field, text):
            return (pl.col(field) == text).fill_null(False)
        case OneOf(field, texts):
            return pl.col(field).is_in(list(texts)).fill_null(False)
        case Present(field):
            return pl.col(field).is_not_null()
        case Compare(field, comparison, limit):
            return _compare(pl.col(field), comparison, limit).fill_null(False)
        case AllOf(predicates):
            return reduce(lambda a, b: a & b, map(to_expression, predicates), pl.lit(True))
        case AnyOf(predicates):
            return reduce(lambda a, b: a | b, map(to_expression, predicates), pl.lit(False))
        case Negation(negated):
            return ~to_expression(negated)


def _plans(metric: Metric, events: pl.LazyFrame) -> list[pl.LazyFrame]:
    """One plan a table of the metric, giving panes, in the order of `tables_of`."""
    condition = to_expression(metric.predicate)
    for field in metric.key:
        condition = condition & pl.col(field).is_not_null()
    pane = pl.col(_pane_column(metric.window.pane_ms)).alias(BUCKET_START)
    chosen = events if _holds_always(metric) else events.filter(condition)
    group = [pane, *map(pl.col, metric.key)]
    partials = [partial for measure in metric.measures for partial in _partials(measure)]
    buckets = chosen.group_by(group).agg(partials)
    sides = (
        _side_plan(measure, chosen, group, metric)
        for measure in metric.measures
        if has_side_table(measure)
    )
    return [buckets, *sides]


def _holds_always(metric: Metric) -> bool:
    always_there = {"userId", "eventType", "source"}
    return isinstance(metric.predicate, Everything) and always_there.issuperset(metric.key)


def _partials(measure: Measure) -> list[pl.Expr]:
    match measure:
        case Count(name):
            return [pl.len().cast(pl.Int64).alias(name)]
        case Minimum(name, field):
            return [pl.col(field).min().alias(name)]
        case Maximum(name, field):
            return [pl.col(field).max().alias(name)]
        case Sum():
            return _exact_sum(measure)
        case Average(_, field):
            counted = pl.col(field).count().cast(pl.Int64).alias(count_column(measure))
            return [*_exact_sum(measure), counted]
        case Distinct() | TopK():
            return []


def _exact_sum(measure: Sum | Average) -> list[pl.Expr]:
    """Whole units and millionths, both integers, so that adding in any order gives the same."""
    value = pl.col(measure.field)
    micros = ((value - value.floor()) * MICROS_PER_UNIT + 0.5).floor().cast(pl.Int64)
    return [
        value.floor().cast(pl.Int64).sum().alias(units_column(measure)),
        micros.sum().alias(micros_column(measure)),
    ]


def _side_plan(
    measure: Measure, events: pl.LazyFrame, group: list[pl.Expr], metric: Metric
) -> pl.LazyFrame:
    names = [BUCKET_START, *metric.key]
    match measure:
        case Distinct(_, field):
            member = plh.col("value").nchash.xxhash64().reinterpret(signed=True).alias(MEMBER)
            return (
                events.filter(pl.col(field).is_not_null())
                .select(*group, pl.col(field).alias("value"))
                .unique()
                .select(*names, member)
            )
        case TopK(_, field):
            return (
                events.filter(pl.col(field).is_not_null())
                .group_by(*group, pl.col(field).alias(ITEM))
                .agg(pl.len().cast(pl.Int64).alias(ITEM_COUNT))
            )
        case _:
            raise AssertionError(f"{measure} has no table of its own")


def _compare(left: pl.Expr, comparison: str, limit: float) -> pl.Expr:
    match comparison:
        case "<":
            return left < limit
        case "<=":
            return left <= limit
        case ">":
            return left > limit
        case _:
            return left >= limit


def _pane_column(pane_ms: int) -> str:
    return f"pane_{pane_ms}"
