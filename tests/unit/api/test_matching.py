"""Which events a reader means."""

import pytest

from rtcdp.api.matching import Wish, is_wished
from rtcdp.definitions import Count, Equals, Metric, tumbling
from rtcdp.events.event import CustomerActivityEvent

EVENT = CustomerActivityEvent(
    user_id="ada", timestamp_ms=1000, event_type="PURCHASE", product_id="p1", value=20.0
)


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
