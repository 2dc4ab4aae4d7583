"""The SQL gives what the native engine's plans give."""

import random

import polars as pl
import polars_hash as plh
import pytest

from rtcdp.catalog.catalog import load_catalog
from rtcdp.definitions import (
    AllOf,
    AnyOf,
    Average,
    Compare,
    Count,
    Distinct,
    Equals,
    Everything,
    Maximum,
    Metric,
    Minimum,
    Negation,
    OneOf,
    Present,
    Ratio,
    Sum,
    TopK,
    Variance,
    Window,
    fields_of,
)
from rtcdp.engines.native import lowering as native
from rtcdp.engines.spark.lowering import (
    UNSUPPORTED,
    changes_of,
    distinct_fields,
    member_column,
    statement_of,
    to_condition,
)

AT_ONCE = 5
"""Each task of Spark's is sent the whole statement, and there are as many as it has metrics."""

MEASURES = (
    Count("events"),
    Sum("total"),
    Average("mean"),
    Minimum("lowest"),
    Maximum("highest"),
    Distinct("users", "userId"),
    TopK("pages", "pageUrl"),
    Variance("spread"),
    *(
        Count("large", where=Compare("value", ">", 0.1)),
        Sum("total_a", where=Equals("eventType", "A")),
        Maximum("highest_a", where=Equals("eventType", "A")),
        Variance("spread_a", where=Equals("eventType", "A")),
        Distinct("users_a", "userId", where=Equals("eventType", "A")),
        TopK("pages_a", "pageUrl", where=Negation(Present("value"))),
        Ratio("share", of="large", to="events"),
    ),
)
PREDICATES = [
    Everything(),
    Equals("eventType", "it's `\\' \"${x}\" ä😀\n"),
    OneOf("eventType", ("A", "B")),
    OneOf("eventType", ()),
    Present("pageUrl"),
    Compare("value", "<", 0.1),
    Compare("value", ">=", -1e-7),
    Negation(Compare("value", ">", 0.1)),
    Negation(Equals("pageUrl", "/a")),
    AllOf((Present("value"), Equals("eventType", "A"))),
    AllOf(()),
    AnyOf((Equals("eventType", "B"), Negation(Present("value")))),
    AnyOf(()),
]
WITH_ALL_MEASURES = (PREDICATES[0], PREDICATES[-4])
FEW = MEASURES[:2]
"""These will do for most predicates: what one leaves out, it leaves out of all measures."""

METRICS = [
    Metric(f"m{number}", "a metric", window, measures, key, predicate)
    for number, (window, key, predicate, measures) in enumerate(
        (window, key, predicate, MEASURES if predicate in WITH_ALL_MEASURES else FEW)
        for window, key in [(Window(700, 700), ()), (Window(1500, 1000), ("source", "userId"))]
        for predicate in PREDICATES
    )
] + [Metric("wide", "a metric", Window(7000, 700), (Count("n"),), ("pageUrl",))]


def events_of(seed: int, count: int) -> pl.DataFrame:
    """Random events around 1970, with the last second before it."""
    rng = random.Random(seed)
    odd = PREDICATES[1].text
    rows = [
        (
            rng.choice(["u1", "u2", "", "ä😀"]),
            rng.choice(["A", "B", odd]),
            rng.choice(["/a", "/b", "", None]),
            rng.choice(
                [0.1, -0.1, 2.0**33, -(2.0**33), 19.99, -1e-7, 0.0, None, rng.uniform(-9, 9)]
            ),
            rng.choice(["web", "app"]),
            rng.randint(-5_000, 5_000),
        )
        for _ in range(count)
    ]
    schema = {
        "userId": pl.String,
        "eventType": pl.String,
        "pageUrl": pl.String,
        "value": pl.Float64,
        "source": pl.String,
        "timestamp": pl.Int64,
    }
    return pl.DataFrame(rows, schema, orient="row")


def folded(spark, metrics, events):
    """The changes by table, as the SQL gives them."""
    members = [
        plh.col(field).nchash.xxhash64().reinterpret(signed=True).alias(member_column(field))
        for field in distinct_fields(metrics)
    ]
    session = spark.newSession()
    session.conf.set("spark.sql.shuffle.partitions", "1")
    view = session.createDataFrame(events.with_columns(members).to_arrow())
    view.createOrReplaceTempView("folded_events")
    panes = pl.DataFrame(session.sql(statement_of(metrics, "folded_events")).toArrow())
    return {change.table.name: change.rows for change in changes_of(metrics, panes)}


def test_every_node_folds_as_in_the_native_engine(spark) -> None:
    events = events_of(1, 400)
    for first in range(0, len(METRICS), AT_ONCE):
        metrics = METRICS[first : first + AT_ONCE]
        expected = {each.table.name: each.rows for each in native.changes_of(metrics, events)}
        found = folded(spark, metrics, events)
        assert found.keys() == expected.keys()
        for name, rows in expected.items():
            assert found[name].equals(rows), name


def test_the_statement_names_only_what_metrics_need() -> None:
    (metric,) = [each for each in load_catalog() if each.name == "user_page_view_counts"]
    assert fields_of([metric]) == ("eventType", "userId")
    statement = statement_of([metric], "v")
    assert "UNION" not in statement
    assert "pageUrl" not in statement


@pytest.mark.parametrize("predicate", PREDICATES)
def test_no_text_can_leave_its_place(predicate) -> None:
    assert "${" not in to_condition(predicate)


def test_every_node_of_the_vocabulary_is_lowered() -> None:
    assert not UNSUPPORTED
