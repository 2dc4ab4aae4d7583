"""What metrics have counted."""

from dataclasses import replace

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.dashboard.overview.buckets import Buckets
from rtcdp.dashboard.overview.counted import counted, top, users
from rtcdp.dashboard.overview.figures import Figure
from rtcdp.errors import NotThere

EMPTY = Figure("x", "X", "count", "")


def test_numbers_of_a_key_stand_in_their_pieces(shop: Installation, hour: Buckets) -> None:
    types = counted(shop, hour, "events_by_type", ("event_count",))
    views = types.figure(EMPTY, "event_count", [("PAGE_VIEW",)])
    assert (views.total, views.closed_total, views.before_total) == (6, 5, 2)
    assert views.values[-1] == 1
    assert sum(value or 0 for value in views.before) == 2
    assert [(row.label, row.value) for row in types.list("event_count")] == [
        ("PAGE_VIEW", 6),
        ("ADD_TO_CART", 1),
        ("PURCHASE", 1),
    ]


def test_a_time_before_that_is_not_whole_is_compared_with_nothing(
    shop: Installation, hour: Buckets
) -> None:
    types = counted(shop, hour, "events_by_type", ("event_count",))
    cut = replace(types, pieces=replace(types.pieces, complete_from=hour.before[0] + 1))
    assert cut.figure(EMPTY, "event_count", [("PAGE_VIEW",)]).before_total is None
    assert cut.figure(EMPTY, "event_count").change is None


def test_several_values_of_a_key_are_added_up(shop: Installation, hour: Buckets) -> None:
    types = counted(shop, hour, "events_by_type", ("event_count",))
    both = [("PURCHASE",), ("ADD_TO_CART",), ("NEVER_SEEN",)]
    assert types.figure(EMPTY, "event_count", both).total == 2
    assert [row.label for row in types.list("event_count", both)] == ["ADD_TO_CART", "PURCHASE"]


def test_who_comes_twice_is_one_user(shop: Installation, hour: Buckets) -> None:
    people = users(shop, hour).figure(EMPTY, "active_users")
    assert (people.total, people.closed_total, people.before_total) == (4, 3, 1)
    assert sum(value or 0 for value in people.values) > 4


def test_the_largest_of_a_metric_are_of_its_whole_windows(
    shop: Installation, hour: Buckets
) -> None:
    start, end, rows = top(shop, hour, "top_pages", "pages")
    assert start <= hour.start < hour.end <= end
    assert (rows[0].label, rows[0].value) == ("/", 4)


def test_what_the_catalog_lacks_is_said(shop: Installation, hour: Buckets) -> None:
    with pytest.raises(NotThere, match="nothing"):
        counted(shop, hour, "nothing", ("x",))
    with pytest.raises(NotThere, match="nothing"):
        top(shop, hour, "nothing", "x")
