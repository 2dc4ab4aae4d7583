"""Predicates on one event."""

import pytest

from rtcdp.definitions import (
    Compare,
    Equals,
    Everything,
    OneOf,
    Predicate,
    Present,
    all_of,
    any_of,
    holds,
    negate,
)

EVENT = {
    "userId": "ada",
    "sessionId": None,
    "eventType": "PURCHASE",
    "productId": "p1",
    "pageUrl": None,
    "value": 20.0,
    "source": "web",
}


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        (Everything(), True),
        (Equals("userId", "ada"), True),
        (Equals("userId", "Ada"), False),
        (Equals("sessionId", ""), False),
        (OneOf("eventType", ("PAGE_VIEW", "PURCHASE")), True),
        (OneOf("sessionId", ()), False),
        (Present("productId"), True),
        (Present("pageUrl"), False),
        (Present("value"), True),
        (Compare("value", "<", 20), False),
        (Compare("value", "<=", 20), True),
        (Compare("value", ">", 20), False),
        (Compare("value", ">=", 20), True),
        (all_of(Everything(), Equals("source", "web")), True),
        (all_of(Everything(), Equals("source", "app")), False),
        (any_of(Equals("source", "app"), Equals("source", "web")), True),
        (any_of(), False),
        (negate(Equals("sessionId", "s")), True),
    ],
)
def test_predicates(predicate: Predicate, expected: bool) -> None:
    assert holds(predicate, EVENT) is expected


def test_a_comparison_without_a_value_is_false_and_its_negation_true() -> None:
    without = {**EVENT, "value": None}
    assert not holds(Compare("value", ">", 0), without)
    assert holds(negate(Compare("value", ">", 0)), without)
