"""From what a store keeps of a measure to the value that readers see."""

import polars as pl

from rtcdp.vocabulary.measure import (
    DISTINCT_EXACT_UP_TO,
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
    ITEM,
    ITEM_COUNT,
    MEMBER,
    count_column,
    micros_column,
    units_column,
)

_AT_THE_BOUND = 40


def final_values(
    metric: Metric, measure: Measure, buckets: pl.DataFrame, side: pl.DataFrame | None
) -> list[object]:
    """The measure's value for each row of `buckets`, in their order.

    `buckets` has the columns of the metric's bucket table. `side` has those of the measure's
    member or item table, one row per window, key and member; it is needed for distinct and top-k.
    """
    match measure:
        case Count() | Minimum() | Maximum():
            return buckets[measure.name].to_list()
        case Sum():
            return [micros / MICROS_PER_UNIT for micros in _total_micros(buckets, measure)]
        case Average():
            counts = buckets[count_column(measure)].to_list()
            totals = _total_micros(buckets, measure)
            return [
                total / (count * MICROS_PER_UNIT) if count else None
                for total, count in zip(totals, counts, strict=True)
            ]
        case Distinct():
            return _distinct_counts(metric, buckets, _needed(side))
        case TopK():
            return _top_items(metric, measure, buckets, _needed(side))


def distinct_estimate(kth_smallest: int) -> int:
    """How many different values there are when the `DISTINCT_EXACT_UP_TO`-th smallest of their
    signed 64-bit hashes is `kth_smallest`: (K-1) / the fraction of the hash space below it."""
    fraction = (kth_smallest + 2**63) / 2**64
    return round((DISTINCT_EXACT_UP_TO - 1) / fraction)


def _total_micros(buckets: pl.DataFrame, measure: Sum | Average) -> list[int]:
    """Exact, in Python's integers: one rounding happens, in the division that follows."""
    units = buckets[units_column(measure)].to_list()
    micros = buckets[micros_column(measure)].to_list()
    return [u * MICROS_PER_UNIT + m for u, m in zip(units, micros, strict=True)]


def _distinct_counts(metric: Metric, buckets: pl.DataFrame, members: pl.DataFrame) -> list[object]:
    kept = DISTINCT_EXACT_UP_TO
    groups = members.group_by(BUCKET_START, *metric.key).agg(
        pl.len().alias("size"),
        pl.col(MEMBER).sort().get(kept - 1, null_on_oob=True).alias("kth_smallest"),
    )
    found = _beside(metric, buckets, groups)
    return [
        _distinct_beyond(kth) if kth is not None else size or 0
        for size, kth in zip(found["size"], found["kth_smallest"], strict=True)
    ]


def _distinct_beyond(kth_smallest: int) -> int:
    """How many different values there are when as many hashes are kept as may be.

    Of exactly that many values, the largest hash lies next to the end of its range: an estimate
    of `_AT_THE_BOUND` more has a chance of e⁻⁴⁰. So whatever is nearer is the bound itself.
    """
    estimate = distinct_estimate(kth_smallest)
    is_at_the_bound = estimate <= DISTINCT_EXACT_UP_TO + _AT_THE_BOUND
    return DISTINCT_EXACT_UP_TO if is_at_the_bound else estimate


def _top_items(
    metric: Metric, measure: TopK, buckets: pl.DataFrame, items: pl.DataFrame
) -> list[object]:
    groups = (
        items.sort([ITEM_COUNT, ITEM], descending=[True, False])
        .group_by(BUCKET_START, *metric.key, maintain_order=True)
        .agg(pl.col(ITEM, ITEM_COUNT).head(measure.k))
    )
    found = _beside(metric, buckets, groups)
    pairs = zip(found[ITEM].to_list(), found[ITEM_COUNT].to_list(), strict=True)
    return [
        [
            {measure.field: item, "count": count}
            for item, count in zip(names or (), counts or (), strict=True)
        ]
        for names, counts in pairs
    ]


def _beside(metric: Metric, buckets: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """`groups` in the order of `buckets`, with nulls where a bucket has no group."""
    key = [BUCKET_START, *metric.key]
    return buckets.select(key).join(groups, on=key, how="left", maintain_order="left")


def _needed(side: pl.DataFrame | None) -> pl.DataFrame:
    if side is None:
        raise AssertionError("a distinct or top-k measure is read from its own table")
    return side
