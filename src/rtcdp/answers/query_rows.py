"""The rows of a query: which groups come first, what becomes of the others, and the value that each
column has in each row. From states that are put together (`rtcdp.answers.rollup`), without the
store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from rtcdp.answers.query_columns import QueryColumn
from rtcdp.answers.rollup import Rollup, needed_for
from rtcdp.definitions import (
    BUCKET_START,
    DISTINCT_EXACT_UP_TO,
    MERGES,
    Distinct,
    Measure,
    Metric,
    Ratio,
    States,
)
from rtcdp.errors import BadRequest

ROWS_MAX = 100_000
"""How many rows one answer has at most."""

OTHER = "is_other__"
"""The column that tells the row of all other groups from those that are shown."""

_RANK, _VALUE, _SIZE = "rank__", "value__", "size__"


@dataclass(frozen=True)
class Order:
    """What groups are ranked by: a column over the whole time, or a key field (None and None: by
    all key fields), and from which end. Where `newest_first`, rows begin with the latest time."""

    column: QueryColumn | None = None
    key_field: str | None = None
    descending: bool = True
    newest_first: bool = False


@dataclass(frozen=True)
class Parts:
    """What rows are made of: a rollup of each metric by its name, all of them by the key fields
    `by`."""

    metrics: Mapping[str, Metric]
    rollups: Mapping[str, Rollup]
    by: tuple[str, ...]


@dataclass(frozen=True)
class Rows:
    """The rows in order. `index` has `window_start`, the key fields and `OTHER`; of `values` each
    column has one for each row, and of `estimated` whether it is an estimate. There are
    `group_count` groups, of which `other_count` are put together in one."""

    index: pl.DataFrame
    values: Mapping[str, Sequence[object]]
    estimated: Mapping[str, Sequence[bool]]
    group_count: int
    other_count: int


def rows_of(
    parts: Parts,
    columns: Sequence[QueryColumn],
    order: Order,
    limit: int,
    fill: Sequence[int] | None,
) -> Rows:
    """The rows of the `limit` first groups, and one more for all others together, which come last.

    There is a row where a group has an event in the time that begins there; with `fill`, one for
    each of these times (`window_start`, UTC ms) and of the groups that are shown. Raises
    `BadRequest` when there are more than `ROWS_MAX`.
    """
    ranks = _ranked(parts, order)
    shown = ranks.head(limit)
    others = ranks.height - shown.height
    top = shown.select(*parts.by, _RANK) if parts.by else None
    _refuse_many(0 if fill is None else len(fill) * (shown.height + bool(others)))
    group = (BUCKET_START, *parts.by, OTHER)
    placed = {
        name: _placed(rollup, parts.by, top, others).merged(group)
        for name, rollup in parts.rollups.items()
    }
    index = _index(placed, group, top, fill, others)
    _refuse_many(index.height)
    by_time = [BUCKET_START, OTHER, *([_RANK] if top is not None else [])]
    if top is not None:
        index = index.join(top, on=list(parts.by), how="left")
    index = index.sort(by_time, descending=[order.newest_first, *[False] * (len(by_time) - 1)])
    index = index.select(group)
    values = {
        name: values_of(rollup, parts.metrics[name], _wanted(columns, name), index)
        for name, rollup in placed.items()
    }
    estimates = {
        name: _estimates(rollup, parts.metrics[name], index) for name, rollup in placed.items()
    }
    return Rows(
        index=index,
        values={column.name: _of_column(column, values) for column in columns},
        estimated={
            column.name: _is_estimated(column, estimates, index.height) for column in columns
        },
        group_count=ranks.height,
        other_count=others,
    )


def _refuse_many(rows: int) -> None:
    if rows > ROWS_MAX:
        raise BadRequest(
            f"the answer has {rows:,} rows, and {ROWS_MAX:,} are sent at most",
            "ask for less time, a longer interval, or a lower limit",
        )


def _wanted(columns: Sequence[QueryColumn], metric: str) -> list[str]:
    return [
        value.measure.name
        for column in columns
        for value in column.values
        if value.metric.name == metric
    ]


def _ranked(parts: Parts, order: Order) -> pl.DataFrame:
    """All groups with their ranks, the first one first; one without key fields where none are."""
    by = list(parts.by)
    if not by:
        return pl.DataFrame({_RANK: [0]})
    groups = pl.concat([rollup.columns.select(by) for rollup in parts.rollups.values()]).unique()
    keys = groups.sort(by)
    if order.column is None:
        first = [order.key_field] if order.key_field else by
        rest = [name for name in by if name not in first]
        down = [*[order.descending] * len(first), *[False] * len(rest)]
        return keys.sort([*first, *rest], descending=down).with_row_index(_RANK)
    totals = {
        value.metric.name: values_of(
            parts.rollups[value.metric.name].merged(parts.by),
            value.metric,
            _wanted([order.column], value.metric.name),
            keys,
        )
        for value in order.column.values
    }
    values = pl.Series(_VALUE, _of_column(order.column, totals), pl.Float64, strict=False)
    ranked = keys.with_columns(values).sort(
        [_VALUE, *by], descending=[order.descending, *[False] * len(by)], nulls_last=True
    )
    return ranked.drop(_VALUE).with_row_index(_RANK)


def _placed(rollup: Rollup, by: tuple[str, ...], top: pl.DataFrame | None, others: int) -> Rollup:
    """With the key fields of all groups that are not among the `top` ones emptied, and `OTHER`."""
    if top is None or not others:
        return rollup.changed(lambda rows: rows.with_columns(pl.lit(False).alias(OTHER)))

    def moved(rows: pl.DataFrame) -> pl.DataFrame:
        marked = rows.join(top, on=list(by), how="left")
        is_other = pl.col(_RANK).is_null()
        emptied = [pl.when(is_other).then(pl.lit("")).otherwise(pl.col(n)).alias(n) for n in by]
        return marked.with_columns(*emptied, is_other.alias(OTHER)).drop(_RANK)

    return rollup.changed(moved)


def _index(
    placed: Mapping[str, Rollup],
    group: tuple[str, ...],
    top: pl.DataFrame | None,
    fill: Sequence[int] | None,
    others: int,
) -> pl.DataFrame:
    """The rows that there are, in any order."""
    found = pl.concat([rollup.columns.select(group) for rollup in placed.values()]).unique()
    if fill is None:
        return found
    times = pl.DataFrame({BUCKET_START: fill}, {BUCKET_START: pl.Int64})
    if top is None:
        grid = times.with_columns(pl.lit(False).alias(OTHER))
    else:
        groups = top.drop(_RANK).with_columns(pl.lit(False).alias(OTHER))
        if others:
            emptied = [pl.lit("").alias(name) for name in top.columns if name != _RANK]
            groups = pl.concat([groups, pl.select(*emptied, pl.lit(True).alias(OTHER))])
        grid = times.join(groups, how="cross")
    return pl.concat([found, grid.select(group)]).unique()


def values_of(
    rollup: Rollup, metric: Metric, names: Sequence[str], index: pl.DataFrame
) -> dict[str, Sequence[object]]:
    """The values of measures for each row of `index`, whose columns name the group; of a group that
    has no event what a measure says of nothing."""
    group = rollup.group
    columns = index.join(rollup.columns, on=list(group), how="left", maintain_order="left")
    columns = columns.with_columns(
        pl.col(column.name).fill_null(0)
        for column in rollup.table.columns
        if MERGES[column.merge].is_never_null
    )
    values: dict[str, Sequence[object]] = {}
    for measure in needed_for(metric, names):
        side = rollup.sides.get(measure.name)
        values[measure.name] = measure.final(States(columns, group, side, values))
    return values


def _of_column(
    column: QueryColumn, values: Mapping[str, Mapping[str, Sequence[object]]]
) -> Sequence[object]:
    of, *to = (values[value.metric.name][value.measure.name] for value in column.values)
    if not to:
        return of
    return [_divided(one, other) for one, other in zip(of, to[0], strict=True)]


def _divided(one: object, other: object) -> float | None:
    if not isinstance(one, int | float) or not isinstance(other, int | float) or not other:
        return None
    return one / other


def _estimates(rollup: Rollup, metric: Metric, index: pl.DataFrame) -> dict[str, Sequence[bool]]:
    """Of each measure that may be one, in which rows it is an estimate."""
    found: dict[str, Sequence[bool]] = {}
    for name, members in rollup.sides.items():
        measure = next(each for each in metric.measures if each.name == name)
        if isinstance(measure, Distinct):
            sizes = members.group_by(list(rollup.group)).len(name=_SIZE)
            beside = index.join(sizes, on=list(rollup.group), how="left", maintain_order="left")
            is_full = (pl.col(_SIZE) >= DISTINCT_EXACT_UP_TO).fill_null(False)
            found[name] = beside.select(is_full).to_series().to_list()
        elif name in rollup.overfull:
            found[name] = [True] * index.height
    return found


def _is_estimated(
    column: QueryColumn, estimates: Mapping[str, Mapping[str, Sequence[bool]]], height: int
) -> Sequence[bool]:
    parts = [
        estimates[value.metric.name].get(name)
        for value in column.values
        for name in _made_of(value.metric, value.measure)
    ]
    there = [part for part in parts if part is not None]
    return [any(part[row] for part in there) for row in range(height)]


def _made_of(metric: Metric, measure: Measure) -> list[str]:
    """The measure, and what it is a ratio of."""
    if not isinstance(measure, Ratio):
        return [measure.name]
    return [each.name for each in needed_for(metric, [measure.name])]
