"""Which events a reader means."""

import pytest

from rtcdp.api.matching import Wish, holds, is_wished, text_fields
from rtcdp.events.event import CustomerActivityEvent
from rtcdp.vocabulary.measure import Count
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.predicate import (
    Compare,
    Equals,
    Everything,
    OneOf,
    Predicate,
    Present,
    all_of,
    any_of,
    negate,
)
from rtcdp.vocabulary.window import tumbling

EVENT = CustomerActivityEvent(
    user_id="ada", timestamp_ms=1000, event_type="PURCHASE", product_id="p1", value=20.0
)


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
    assert holds(predicate, text_fields(EVENT, "web"), EVENT.value) is expected


def test_a_comparison_without_a_value_is_false_and_its_negation_true() -> None:
    fields = text_fields(EVENT, "web")
    assert not holds(Compare("value", ">", 0), fields, None)
    assert holds(negate(Compare("value", ">", 0)), fields, None)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish(), True),
        (Wish(time_from=1000), True),
        (Wish(time_from=1001), False),
        (Wish(time_to=1001), True),
        (Wish(time_to=1000), False),
        (Wish(equals={"userId": "ada", "source": "web"}), True),
        (Wish(equals={"userId": "ada", "source": "app"}), False),
        (Wish(equals={"pageUrl": ""}), False),
    ],
)
def test_fields_and_times_narrow_what_is_wished(wish: Wish, expected: bool) -> None:
    assert is_wished(wish, EVENT, "web") is expected


def test_a_metric_looks_only_at_events_with_all_its_key_fields() -> None:
    window, count = tumbling(minutes=1), (Count("n"),)
    assert is_wished(Wish(metric=Metric("m", "M", window, count, ("productId",))), EVENT, "web")
    assert not is_wished(Wish(metric=Metric("m", "M", window, count, ("pageUrl",))), EVENT, "web")


def test_a_metric_looks_only_at_events_of_its_predicate() -> None:
    views = Metric("m", "M", tumbling(minutes=1), (Count("n"),), (), Equals("eventType", "SEARCH"))
    assert not is_wished(Wish(metric=views), EVENT, "web")
