"""From a metric's description to Spark: which events, which pane, which partial results.

The same rows as `rtcdp.engines.native.lowering` gives, by Spark's own expressions and aggregations.
"""

from collections.abc import Mapping, Sequence
from functools import reduce

import polars as pl
import polars_hash as plh
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - as everybody does

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
    Table,
    count_column,
    has_side_table,
    micros_column,
    tables_of,
    units_column,
)
from rtcdp.vocabulary.window import Window

UNSUPPORTED: Mapping[type, str] = {}
"""The nodes of the vocabulary that this engine can't compute, each with the reason: none."""

HASH_PREFIX = "hash_of_"
_TYPES = {"value": "DOUBLE"}


def hashed_fields(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """The fields whose hashes are members of distinct counts."""
    measures = (measure for metric in metrics for measure in metric.measures)
    return tuple(sorted({m.field for m in measures if isinstance(m, Distinct)}))


def event_columns(fields: Sequence[str], hashed: Sequence[str]) -> str:
    """The schema of the events that Spark aggregates, as DDL."""
    named = [f"`{field}` {_TYPES.get(field, 'STRING')}" for field in fields]
    named += ["`source` STRING", "`timestamp` LONG"]
    return ", ".join([*named, *(f"`{HASH_PREFIX}{field}` LONG" for field in hashed)])


def with_hashes(events: pl.DataFrame, hashed: Sequence[str]) -> pl.DataFrame:
    """The events with the hash of each of these fields, the very one that the native engine and
    the oracle keep as a member; null where the field is."""
    return events.with_columns(
        plh.col(field).nchash.xxhash64().reinterpret(signed=True).alias(f"{HASH_PREFIX}{field}")
        for field in hashed
    )


def plans_of(metric: Metric, events: DataFrame) -> list[tuple[Table, DataFrame]]:
    """The rows to merge into each table of a metric, one per primary key.

    `events` has the columns of `event_columns`.
    """
    condition = reduce(
        lambda all_of, field: all_of & F.col(field).isNotNull(),
        metric.key,
        to_column(metric.predicate),
    )
    pane = _start_of(F.col("timestamp"), metric.window.pane_ms).alias(BUCKET_START)
    chosen = events.where(condition)
    group = [pane, *map(F.col, metric.key)]
    buckets, *sides = tables_of(metric)
    partials = [partial for measure in metric.measures for partial in _partials(measure)]
    folded = chosen.groupBy(*group)
    plans = [folded.agg(*partials) if partials else chosen.select(*group).distinct()]
    plans += [
        _side_plan(measure, chosen, group, metric)
        for measure in metric.measures
        if has_side_table(measure)
    ]
    return [
        (table, _to_buckets(metric.window, table, plan))
        for table, plan in zip([buckets, *sides], plans, strict=True)
    ]


def to_column(predicate: Predicate) -> Column:
    """A predicate as a Boolean column that is never null."""
    match predicate:
        case Everything():
            return F.lit(True)
        case Equals(field, text):
            return F.coalesce(F.col(field) == text, F.lit(False))
        case OneOf(field, texts):
            return F.coalesce(F.col(field).isin(list(texts)), F.lit(False))
        case Present(field):
            return F.col(field).isNotNull()
        case Compare(field, comparison, limit):
            return F.coalesce(_compare(F.col(field), comparison, limit), F.lit(False))
        case AllOf(predicates):
            return reduce(lambda a, b: a & b, map(to_column, predicates), F.lit(True))
        case AnyOf(predicates):
            return reduce(lambda a, b: a | b, map(to_column, predicates), F.lit(False))
        case Negation(negated):
            return ~to_column(negated)


def _start_of(instant: Column, size_ms: int) -> Column:
    """The start of the slice of time that an instant lies in, in whole milliseconds: Spark's own
    `window` takes timestamps, whose range and arithmetic are others before 1970."""
    return instant - F.pmod(instant, F.lit(size_ms))


def _partials(measure: Measure) -> list[Column]:
    match measure:
        case Count(name):
            return [F.count(F.lit(1)).alias(name)]
        case Minimum(name, field):
            return [F.min(field).alias(name)]
        case Maximum(name, field):
            return [F.max(field).alias(name)]
        case Sum():
            return _exact_sum(measure)
        case Average(_, field):
            return [*_exact_sum(measure), F.count(field).alias(count_column(measure))]
        case Distinct() | TopK():
            return []


def _exact_sum(measure: Sum | Average) -> list[Column]:
    """Whole units and millionths, both integers, so that adding in any order gives the same."""
    value = F.col(measure.field)
    units = F.floor(value)
    micros = F.floor((value - units.cast("double")) * float(MICROS_PER_UNIT) + F.lit(0.5))
    nothing = F.lit(0).cast("long")
    return [
        F.coalesce(F.sum(units), nothing).alias(units_column(measure)),
        F.coalesce(F.sum(micros), nothing).alias(micros_column(measure)),
    ]


def _side_plan(
    measure: Measure, events: DataFrame, group: list[Column], metric: Metric
) -> DataFrame:
    match measure:
        case Distinct(_, field):
            member = F.col(f"{HASH_PREFIX}{field}").alias(MEMBER)
            present = events.where(F.col(field).isNotNull())
            return present.select(*group, member).distinct()
        case TopK(_, field):
            present = events.where(F.col(field).isNotNull())
            return present.groupBy(*group, F.col(field).alias(ITEM)).agg(
                F.count(F.lit(1)).alias(ITEM_COUNT)
            )
        case _:
            raise AssertionError(f"{measure} of {metric.name} has no table of its own")


def _to_buckets(window: Window, table: Table, panes: DataFrame) -> DataFrame:
    """Panes as the rows of the table."""
    if not window.is_written_out or window.overlap == 1:
        return panes.select(*table.column_names)
    pane = F.col(BUCKET_START)
    newest = _start_of(pane, window.slide_ms)
    oldest = _start_of(pane - window.size_ms, window.slide_ms) + window.slide_ms
    starts = F.explode(F.sequence(oldest, newest, F.lit(window.slide_ms).cast("long")))
    windows = panes.withColumn(BUCKET_START, starts)
    merged = [
        {"add": F.sum, "min": F.min, "max": F.max}[column.merge](column.name).alias(column.name)
        for column in table.columns
    ]
    keys = windows.groupBy(*table.primary_key)
    rows = keys.agg(*merged) if merged else windows.select(*table.primary_key).distinct()
    return rows.select(*table.column_names)


def _compare(left: Column, comparison: str, limit: float) -> Column:
    match comparison:
        case "<":
            return left < limit
        case "<=":
            return left <= limit
        case ">":
            return left > limit
        case _:
            return left >= limit
