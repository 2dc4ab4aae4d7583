"""A predicate in columns says of each event what it says of one by itself."""

import polars as pl
import pytest

from rtcdp.definitions import (
    AllOf,
    AnyOf,
    Compare,
    Equals,
    Everything,
    Negation,
    OneOf,
    Present,
    fields_of_predicate,
    holds,
    to_expression,
)

EVENTS = [
    {"eventType": "PAGE_VIEW", "productId": None, "value": None},
    {"eventType": "PURCHASE", "productId": "shoe", "value": 2.5},
    {"eventType": "PURCHASE", "productId": "sock", "value": -1.0},
]
BUYS = Equals("eventType", "PURCHASE")
PREDICATES = [
    Everything(),
    BUYS,
    OneOf("productId", ("shoe", "hat")),
    Present("productId"),
    *(Compare("value", sign, 2.5) for sign in ("<", "<=", ">", ">=")),
    AllOf((BUYS, Equals("productId", "shoe"))),
    AnyOf((BUYS, Present("productId"))),
    Negation(Equals("productId", "shoe")),
]


@pytest.mark.parametrize("predicate", PREDICATES, ids=str)
def test_columns_and_single_events_agree(predicate):
    frame = pl.DataFrame(EVENTS)
    found = frame.select(to_expression(predicate).alias("holds") & pl.lit([True] * 3).explode())
    assert found["holds"].to_list() == [holds(predicate, event) for event in EVENTS]


def test_the_fields_that_a_predicate_looks_at():
    predicate = AllOf((BUYS, Negation(Compare("value", ">", 0))))
    assert fields_of_predicate(predicate) == {"eventType", "value"}
