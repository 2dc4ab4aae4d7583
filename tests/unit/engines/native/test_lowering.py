"""From a metric and a batch of admitted events to rows to merge."""

import polars as pl
import pytest
import xxhash

from rtcdp.definitions import (
    Average,
    Compare,
    Count,
    Distinct,
    Equals,
    Everything,
    Maximum,
    Measure,
    Metric,
    Minimum,
    OneOf,
    Predicate,
    Present,
    Sum,
    TopK,
    Window,
    all_of,
    any_of,
    negate,
    tumbling,
)
from rtcdp.engines.native.lowering import (
    UNSUPPORTED,
    changes_of,
    to_expression,
)

SCHEMA = {
    "timestamp": pl.Int64,
    "userId": pl.String,
    "productId": pl.String,
    "value": pl.Float64,
    "source": pl.String,
}
EVENTS = pl.DataFrame(
    [
        (0, "ada", "x", 0.1, "default"),
        (999, "ada", "y", 0.2, "default"),
        (1000, "bob", "x", None, "default"),
        (-1, "bob", None, -1.5, "default"),
    ],
    schema=SCHEMA,
    orient="row",
)


def metric(
    *measures: Measure,
    window: Window = tumbling(seconds=1),  # noqa: B008
    key: tuple[str, ...] = (),
    predicate: Predicate = Everything(),  # noqa: B008
) -> Metric:
    return Metric("m", "a metric", window, measures, key, predicate)


def signed_hash(text: str) -> int:
    unsigned = xxhash.xxh64_intdigest(text.encode())
    return unsigned - 2**64 if unsigned >= 2**63 else unsigned


def rows(described: Metric, table: int = 0) -> list[tuple[object, ...]]:
    return changes_of([described], EVENTS)[table].rows.rows()


def test_events_count_in_the_bucket_of_their_time() -> None:
    assert rows(metric(Count("n"))) == [(-1000, 1), (0, 2), (1000, 1)]


def test_each_key_has_a_row() -> None:
    assert rows(metric(Count("n"), key=("userId",))) == [
        (-1000, "bob", 1),
        (0, "ada", 2),
        (1000, "bob", 1),
    ]


def test_an_event_without_the_key_is_not_counted() -> None:
    assert rows(metric(Count("n"), key=("productId",)))[0] == (0, "x", 1)


def test_written_windows_are_exploded_and_merged() -> None:
    sliding = Window(2000, 1000)
    assert rows(metric(Count("n"), window=sliding)) == [(-2000, 1), (-1000, 3), (0, 3), (1000, 1)]


def test_large_overlaps_stay_panes() -> None:
    change = changes_of([metric(Count("n"), window=Window(60_000, 1000))], EVENTS)[0]
    assert change.table.name == "m__panes"
    assert change.rows.rows() == [(-1000, 1), (0, 2), (1000, 1)]


def test_sums_are_units_and_millionths() -> None:
    assert rows(metric(Sum("total"))) == [(-1000, -2, 500_000), (0, 0, 300_000), (1000, 0, 0)]


def test_averages_count_only_events_with_a_value() -> None:
    assert rows(metric(Average("mean"))) == [
        (-1000, -2, 500_000, 1),
        (0, 0, 300_000, 2),
        (1000, 0, 0, 0),
    ]


def test_extremes_are_null_without_values() -> None:
    assert rows(metric(Minimum("low"), Maximum("high"))) == [
        (-1000, -1.5, -1.5),
        (0, 0.1, 0.2),
        (1000, None, None),
    ]


def test_distinct_members_are_signed_hashes_that_outlive_a_release() -> None:
    found = rows(metric(Distinct("users", "userId")), table=1)
    ada, bob = signed_hash("ada"), signed_hash("bob")
    assert found == [(-1000, bob), (0, ada), (1000, bob)]


def test_of_many_members_only_the_smallest_leave_the_engine() -> None:
    many = pl.DataFrame({"userId": [f"u{i}" for i in range(10_000)]}).with_columns(
        timestamp=pl.lit(0, pl.Int64), source=pl.lit("default")
    )
    change = changes_of([metric(Distinct("users", "userId"))], many)[1]
    signed = sorted(signed_hash(f"u{i}") for i in range(10_000))
    assert change.rows["member"].to_list() == signed[: change.table.capacity]


def test_items_are_counted_where_there_is_one() -> None:
    assert rows(metric(TopK("products", "productId")), table=1) == [
        (0, "x", 1),
        (0, "y", 1),
        (1000, "x", 1),
    ]


@pytest.mark.parametrize(
    ("predicate", "users"),
    [
        (Everything(), 4),
        (Equals("userId", "ada"), 2),
        (Equals("productId", "x"), 2),
        (negate(Equals("productId", "x")), 2),
        (OneOf("productId", ("x", "y")), 3),
        (Present("productId"), 3),
        (negate(Present("value")), 1),
        (Compare("value", "<", 0.1), 1),
        (Compare("value", "<=", 0.1), 2),
        (Compare("value", ">", 0.1), 1),
        (Compare("value", ">=", 0.1), 2),
        (negate(Compare("value", ">", 0.1)), 3),
        (all_of(), 4),
        (any_of(), 0),
        (all_of(Equals("userId", "ada"), Equals("productId", "y")), 1),
        (any_of(Equals("userId", "ada"), Compare("value", "<", 0)), 3),
    ],
)
def test_predicates_are_two_valued(predicate: Predicate, users: int) -> None:
    assert EVENTS.filter(to_expression(predicate)).height == users


def test_a_predicate_chooses_the_events_of_all_measures() -> None:
    chosen = metric(Count("n"), TopK("products", "productId"), predicate=Equals("userId", "bob"))
    assert rows(chosen) == [(-1000, 1), (1000, 1)]
    assert rows(chosen, table=1) == [(1000, "x", 1)]


def test_no_events_change_nothing() -> None:
    assert changes_of([metric(Count("n"))], EVENTS.clear()) == ()


def test_a_metric_that_no_event_concerns_changes_nothing() -> None:
    assert changes_of([metric(Count("n"), predicate=Equals("userId", "eve"))], EVENTS) == ()


def test_every_node_of_the_vocabulary_is_lowered() -> None:
    assert not UNSUPPORTED


def test_a_measure_of_all_events_counts_each_of_them() -> None:
    chosen = metric(Count("all", Everything()), Count("none", negate(Everything())), Count("n"))
    assert all(row[-3:] == (row[-1], 0, row[-1]) for row in rows(chosen))
    assert max(row[-1] for row in rows(chosen)) > 1
