"""What readers see of each measure."""

import random
from fractions import Fraction
from math import sqrt

import polars as pl
import pytest

from rtcdp.definitions import (
    DISTINCT_EXACT_UP_TO,
    Average,
    Count,
    Distinct,
    First,
    Last,
    Maximum,
    Measure,
    Minimum,
    Quantile,
    Ratio,
    StandardDeviation,
    States,
    Sum,
    TopK,
    Variance,
    distinct_estimate,
)
from rtcdp.events.measured import Sketched


def of(measure: Measure, side: pl.DataFrame | None = None, **columns: list[object]) -> list[object]:
    height = len(next(iter(columns.values()), ["a"]))
    keys = {"window_start": [0] * height, "userId": ["a", "b", "c"][:height]}
    group = ("window_start", "userId")
    return measure.final(States(pl.DataFrame({**keys, **columns}), group, side))


def test_counts_and_extremes_are_as_stored() -> None:
    assert of(Count("n"), n=[3, 4]) == [3, 4]
    assert of(Minimum("low"), low=[1.5, None]) == [1.5, None]
    assert of(Maximum("high"), high=[None, -2.5]) == [None, -2.5]


@pytest.mark.parametrize(
    ("units", "micros", "total"),
    [(0, 0, 0.0), (12, 340_000, 12.34), (-1, 999_999, -0.000001), (1, 3_500_000, 4.5)],
)
def test_a_sum_is_units_and_millionths(units: int, micros: int, total: float) -> None:
    assert of(Sum("total"), total__units=[units], total__micros=[micros]) == [total]


def test_a_large_sum_is_rounded_once() -> None:
    units, micros = 4_503_599_627_370_495, 500_001
    assert of(Sum("total"), total__units=[units], total__micros=[micros]) == [
        float(f"{units}.{micros}")
    ]


def test_an_average_is_the_sum_over_the_count_or_null() -> None:
    columns = {"mean__units": [10, 0], "mean__micros": [500_000, 0], "mean__count": [4, 0]}
    assert of(Average("mean"), **columns) == [2.625, None]


def test_distinct_is_exact_while_all_members_are_kept() -> None:
    members = pl.DataFrame(
        {"window_start": [0, 0, 0], "userId": ["a", "a", "c"], "member": [5, -7, 1]}
    )
    assert of(Distinct("kinds", "productId"), members, x=[0, 0, 0]) == [2, 0, 1]


def test_distinct_is_estimated_from_the_smallest_hashes_beyond() -> None:
    k = DISTINCT_EXACT_UP_TO
    step = 2**64 // 1_000_000
    hashes = [-(2**63) + step * (i + 1) for i in range(k + 100)]
    members = pl.DataFrame(
        {"window_start": [0] * len(hashes), "userId": ["a"] * len(hashes), "member": hashes}
    )
    (estimate,) = of(Distinct("kinds", "productId"), members, x=[0])
    assert estimate == distinct_estimate(hashes[k - 1]) == pytest.approx(1_000_000, rel=0.001)


def test_half_of_the_hash_space_means_twice_the_members() -> None:
    assert distinct_estimate(0) == 2 * (DISTINCT_EXACT_UP_TO - 1)


def test_top_items_come_by_count_then_by_name() -> None:
    items = pl.DataFrame(
        {
            "window_start": [0] * 4,
            "userId": ["a"] * 4,
            "item": ["z", "y", "x", "w"],
            "item_count": [2, 5, 2, 1],
        }
    )
    assert of(TopK("best", "productId", k=3), items, x=[0, 0]) == [
        [
            {"productId": "y", "count": 5},
            {"productId": "x", "count": 2},
            {"productId": "z", "count": 2},
        ],
        [],
    ]


def hashes_of(seed: int, count: int) -> list[int]:
    draw = random.Random(seed)
    return [draw.randrange(-(2**63), 2**63) for _ in range(count)]


@pytest.mark.parametrize("seed", range(12))
def test_distinct_is_exact_at_its_bound(seed: int) -> None:
    """Of exactly as many values as are kept, none was dropped."""
    hashes = hashes_of(seed, DISTINCT_EXACT_UP_TO)
    members = pl.DataFrame(
        {"window_start": [0] * len(hashes), "userId": ["a"] * len(hashes), "member": hashes}
    )
    assert of(Distinct("kinds", "productId"), members, x=[0]) == [DISTINCT_EXACT_UP_TO]


@pytest.mark.parametrize("seed", range(5))
def test_distinct_a_little_beyond_its_bound_is_near(seed: int) -> None:
    size = DISTINCT_EXACT_UP_TO + 200
    hashes = sorted(hashes_of(seed, size))
    kept = hashes[:DISTINCT_EXACT_UP_TO]
    members = pl.DataFrame(
        {"window_start": [0] * len(kept), "userId": ["a"] * len(kept), "member": kept}
    )
    (count,) = of(Distinct("kinds", "productId"), members, x=[0])
    assert count == pytest.approx(size, rel=0.01)


@pytest.mark.parametrize(
    ("one", "other", "value"), [(1, 4, 0.25), (3.0, 2, 1.5), (1, 0, None), (None, 2, None)]
)
def test_a_ratio_is_null_where_there_is_nothing_to_divide_by(
    one: object, other: object, value: object
) -> None:
    states = States(pl.DataFrame({"userId": ["a"]}), ("userId",), None, {"a": [one], "b": [other]})
    assert Ratio("conversion", of="a", to="b").final(states) == [value]


@pytest.mark.parametrize(
    "values",
    [
        [5.0],
        [1.0, 2.0, 4.5],
        [0.1, 0.2, -0.3],
        [8_589_934_592.0, -8_589_934_592.0, 8_589_934_591.999999],
        [1e9 + 0.000001, 1e9 + 0.000002, 1e9 + 0.000003],
    ],
)
def test_a_variance_is_that_of_exact_decimals(values: list[float]) -> None:
    measure = Variance("spread")
    brought = [measure.of_event({"value": value}) for value in values]
    totals = [sum(column) for column in zip(*brought, strict=True)]  # type: ignore[arg-type]
    columns: dict[str, list[object]] = {
        part.name: [total] for part, total in zip(measure.parts(), totals, strict=True)
    }
    exact = [Fraction(round(Fraction(value) * 1_000_000), 1_000_000) for value in values]
    mean = sum(exact) / len(exact)
    expected = sum((value - mean) ** 2 for value in exact) / len(exact)
    assert of(measure, **columns) == [float(expected)]
    assert of(StandardDeviation("spread"), **columns) == [sqrt(expected)]


def test_without_values_there_is_no_variance() -> None:
    measure = Variance("spread")
    nothing = measure.of_event({"value": None})
    columns: dict[str, list[object]] = {
        part.name: [brought] for part, brought in zip(measure.parts(), nothing, strict=True)
    }
    assert of(measure, **columns) == [None]


def test_first_and_last_are_what_stands_after_the_time() -> None:
    texts = [First("x", "value").of_event({"timestamp": 5, "value": 2.5})[0], None]
    assert of(First("x", "value"), x__dated=list(texts)) == [2.5, None]
    texts = [Last("x", "pageUrl").of_event({"timestamp": -5, "pageUrl": "/5"})[0], None]
    assert of(Last("x", "pageUrl"), x__dated=list(texts)) == ["/5", None]


@pytest.mark.parametrize(
    ("q", "expected"), [(0.0, -50.0), (0.25, 0.0), (0.5, 10.0), (0.75, 20.0), (1.0, 1000.0)]
)
def test_quantiles_are_one_percent_off_at_most(q: float, expected: float) -> None:
    values = [20.0, -50.0, 1000.0, 0.0, 10.0]
    ranges = [Sketched("value").of_event({"value": value}) for value in values]
    items = pl.DataFrame(
        {
            "window_start": [0] * len(values),
            "userId": ["a"] * len(values),
            "item": ranges,
            "item_count": [1] * len(values),
        }
    )
    found = of(Quantile("x", q), items, x=[0, 0])
    assert found == [pytest.approx(expected, rel=0.01), None]
