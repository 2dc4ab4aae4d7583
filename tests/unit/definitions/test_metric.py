from dataclasses import replace

import pytest

from rtcdp.definitions import (
    Average,
    Compare,
    Count,
    Distinct,
    Equals,
    Metric,
    Negation,
    OneOf,
    Present,
    Sum,
    TopK,
    all_of,
    any_of,
    event_type,
    sliding,
    tumbling,
)
from rtcdp.errors import UsageError

ORDERS = Metric(
    name="orders",
    title="Orders",
    description="Orders by user.",
    predicate=event_type("PURCHASE"),
    key=("userId",),
    window=tumbling(minutes=1),
    measures=(Count("order_count"), TopK("products", "productId", k=3)),
)


@pytest.mark.parametrize(
    "same",
    [
        replace(ORDERS),
        replace(ORDERS, title="Purchases"),
        replace(ORDERS, description="What was bought."),
        replace(ORDERS, name="purchases"),
        replace(ORDERS, window=tumbling(seconds=60)),
        replace(ORDERS, predicate=Equals("eventType", "PURCHASE")),
    ],
)
def test_the_fingerprint_stays_while_the_meaning_does(same: Metric) -> None:
    assert same.fingerprint == ORDERS.fingerprint


BOTH = (Present("productId"), Compare("value", ">", 1.0))

DIFFERENT = [
    replace(ORDERS, predicate=event_type("SEARCH")),
    replace(ORDERS, predicate=OneOf("eventType", ("PURCHASE",))),
    replace(ORDERS, predicate=Negation(event_type("PURCHASE"))),
    replace(ORDERS, predicate=Equals("source", "PURCHASE")),
    replace(ORDERS, predicate=all_of(*BOTH)),
    replace(ORDERS, predicate=any_of(*BOTH)),
    replace(ORDERS, predicate=BOTH[1]),
    replace(ORDERS, predicate=Compare("value", ">=", 1.0)),
    replace(ORDERS, predicate=Compare("value", ">", 2.0)),
    replace(ORDERS, key=()),
    replace(ORDERS, key=("sessionId",)),
    replace(ORDERS, key=("userId", "sessionId")),
    replace(ORDERS, window=tumbling(minutes=2)),
    replace(ORDERS, window=sliding(size_seconds=60, every_seconds=30)),
    replace(ORDERS, measures=(Count("order_count"),)),
    replace(ORDERS, measures=(Count("orders"), TopK("products", "productId", k=3))),
    replace(ORDERS, measures=(Count("order_count"), TopK("products", "productId", k=4))),
    replace(ORDERS, measures=(Count("order_count"), TopK("products", "pageUrl", k=3))),
    replace(ORDERS, measures=(Count("order_count"), Distinct("products", "productId"))),
    replace(ORDERS, measures=(Sum("order_count"), TopK("products", "productId", k=3))),
    replace(ORDERS, measures=(Average("order_count"), TopK("products", "productId", k=3))),
]


def test_the_fingerprint_changes_with_the_meaning() -> None:
    fingerprints = [metric.fingerprint for metric in (ORDERS, *DIFFERENT)]

    assert len(set(fingerprints)) == len(fingerprints)


def test_the_fingerprint_is_the_same_in_every_release() -> None:
    """What is stored under it would otherwise be counted anew after an upgrade."""
    assert ORDERS.fingerprint == "586e808c0a29e034"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Orders",
        "1st",
        "_orders",
        "a__b",
        "a-b",
        "a b",
        "é",
        "a" * 49,
        "window_start",
        "final",
        'a"b',
    ],
)
def test_a_name_that_a_store_could_not_take_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="can't be the name"):
        replace(ORDERS, name=name)
    with pytest.raises(UsageError, match="can't be the name"):
        replace(ORDERS, measures=(Count(name),))


def test_a_metric_needs_a_measure() -> None:
    with pytest.raises(UsageError, match="at least one measure"):
        replace(ORDERS, measures=())


def test_measures_have_names_of_their_own() -> None:
    with pytest.raises(UsageError, match="two measures of one name"):
        replace(ORDERS, measures=(Count("value"), Sum("value")))


def test_a_key_field_is_named_once() -> None:
    with pytest.raises(UsageError, match="names a key field twice"):
        replace(ORDERS, key=("userId", "userId"))
