from dataclasses import replace
from typing import Any

import pytest

from rtcdp.catalog.catalog import load_catalog
from rtcdp.catalog.definition import faults_of
from rtcdp.definitions import (
    Average,
    Calendar,
    Compare,
    Count,
    Distinct,
    Equals,
    Metric,
    OneOf,
    Present,
    Sum,
    TopK,
    all_of,
    any_of,
    event_type,
    negate,
    sliding,
    tumbling,
)

SOUND = Metric(
    name="large_orders",
    title="Large orders",
    window=tumbling(hours=1),
    predicate=all_of(
        event_type("PURCHASE"), negate(any_of(Compare("value", "<", 100), Present("sessionId")))
    ),
    key=("userId", "source"),
    measures=(Count("orders"), Average("mean"), TopK("products", "productId")),
)


def messages(metric: Metric) -> list[str]:
    return [fault.message for fault in faults_of(metric)]


def test_a_sound_metric_has_no_fault() -> None:
    assert faults_of(SOUND) == []


def test_the_built_in_metrics_have_no_fault() -> None:
    assert [faults_of(metric) for metric in load_catalog()] == [[]] * len(load_catalog())


@pytest.mark.parametrize(
    ("changed", "message", "hint"),
    [
        (
            {"key": ("userID",)},
            "Metric.key[0] can't be 'userID'",
            "did you mean userId? give it one of 'userId', 'sessionId'",
        ),
        ({"title": None}, "Metric.title can't be None", "str"),
        ({"window": 60}, "Metric.window can't be 60", "write tumbling(hours=1)"),
        ({"window": Calendar}, f"Metric.window can't be {Calendar!r}", "write Calendar(…)"),
        (
            {"predicate": "PURCHASE"},
            "Metric.predicate can't be 'PURCHASE'",
            'write event_type("PURCHASE"); give it Everything or Equals',
        ),
        (
            {"predicate": negate(all_of(Equals("type", "A")))},  # type: ignore[arg-type]
            "Metric.predicate.predicate.predicates[0].field can't be 'type'",
            "one of 'userId'",
        ),
        (
            {"predicate": Compare("value", ">", True)},
            "Metric.predicate.limit can't be True",
            "float",
        ),
        (
            {"predicate": Compare("value", "=", 1)},  # type: ignore[arg-type]
            "Metric.predicate.comparison can't be '='",
            "one of '<', '<=', '==', '>', '>='",
        ),
        (
            {"measures": (Count("n"), Sum("revenue", "price"))},  # type: ignore[arg-type]
            "Metric.measures[1].field can't be 'price'",
            "for a property write Property(\"price\"); give it one of 'value'",
        ),
        (
            {"measures": (TopK("top", "productId", k=2.5),)},  # type: ignore[arg-type]
            "Metric.measures[0].k can't be 2.5",
            "int",
        ),
    ],
)
def test_what_is_of_another_type_is_named_with_its_place(
    changed: dict[str, Any], message: str, hint: str
) -> None:
    (fault,) = faults_of(replace(SOUND, **changed))

    assert fault.message == message
    assert hint in fault.hint


@pytest.mark.parametrize("k", [0, -1, 1001])
def test_a_top_list_has_a_length_that_can_be_read(k: int) -> None:
    metric = replace(SOUND, measures=(TopK("top", "productId", k=k),))

    assert messages(metric) == [f"top lists {k} items"]


@pytest.mark.parametrize(
    "predicate",
    [
        event_type("page_view"),
        event_type("SEARCH", "page_view"),
        all_of(Present("value"), negate(any_of(event_type("page_view")))),
    ],
)
def test_an_event_type_that_no_event_can_have_is_named(predicate: Any) -> None:
    assert messages(replace(SOUND, predicate=predicate)) == ["no event has the type 'page_view'"]


def test_other_text_fields_may_equal_anything() -> None:
    predicate = any_of(Equals("pageUrl", "/cart"), OneOf("source", ("web", "app")))

    assert messages(replace(SOUND, predicate=predicate)) == []


@pytest.mark.parametrize("limit", [float("nan"), float("inf")])
def test_a_limit_is_a_finite_number(limit: float) -> None:
    metric = replace(SOUND, predicate=Compare("value", ">", limit))

    assert messages(metric) == [f"no value compares with {limit}"]


def test_a_table_name_fits_into_every_store() -> None:
    fits = replace(SOUND, name="a" * 40, measures=(Distinct("b" * 21, "userId"),))
    too_long = replace(SOUND, name="a" * 40, measures=(Distinct("b" * 22, "userId"),))

    assert messages(fits) == []
    assert messages(too_long) == [
        f"its table would be called {'a' * 40}__{'b' * 22}, 64 letters long"
    ]


@pytest.mark.parametrize("name", ["source", "userid"])
def test_a_measure_does_not_share_its_column_with_the_key(name: str) -> None:
    metric = replace(SOUND, measures=(Count(name),))

    assert messages(metric) == [f"its table large_orders would have two columns called {name}"]


def test_a_measure_does_not_share_its_table_with_the_panes() -> None:
    metric = replace(
        SOUND,
        window=sliding(size_seconds=60, every_seconds=1),
        measures=(Distinct("panes", "userId"),),
    )

    assert messages(metric) == ["it would have two tables called large_orders__panes"]


@pytest.mark.parametrize("name", ["sqlite_orders", "pg_orders"])
def test_names_that_databases_keep_are_not_for_metrics(name: str) -> None:
    assert messages(replace(SOUND, name=name)) == [
        f"databases keep names like {name} to themselves"
    ]
