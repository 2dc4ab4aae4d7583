"""A number over the pieces of a time."""

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.answers.pieces import fits, pieces_of, whole_windows
from rtcdp.answers.query import QueryQuestion, query_page
from rtcdp.clock import DAY_MS
from rtcdp.definitions.enrichment import stored_as
from rtcdp.errors import BadRequest, NotThere
from rtcdp.testing.driver import START_MS, Driver
from tests.unit.answers.days import DAYS, END, HOUR_MS


def test_a_number_of_pieces_of_groups_and_of_all(shop: tuple[Driver, Installation]) -> None:
    _, installation = shop
    edges = tuple(range(START_MS, END + 1, DAY_MS))
    found = pieces_of(installation, "events_by_type", ("event_count",), edges)
    views, all_of_it = [("PAGE_VIEW",)], found.values("event_count")
    assert (all_of_it, found.values("event_count", groups=views)) == ((6,) * DAYS, (5,) * DAYS)
    assert found.total("event_count", edges[1], edges[3], views) == 10
    assert sorted(found.by_group("event_count", edges[0], edges[1])) == [
        (("PAGE_VIEW",), 5),
        (("PURCHASE",), 1),
    ]


def test_who_came_on_two_days_is_one(shop: tuple[Driver, Installation]) -> None:
    _, installation = shop
    edges = tuple(range(START_MS, END + 1, DAY_MS))
    found = pieces_of(installation, "daily_active_users", ("active_users",), edges)
    assert found.values("active_users") == (5, 5, 6, 6, 5)
    assert found.total("active_users", START_MS, END) == 7


def test_pieces_are_of_whole_windows(shop: tuple[Driver, Installation]) -> None:
    _, installation = shop
    orders = next(each for each in installation.metrics if each.name == "orders")
    assert whole_windows(orders, START_MS + 1, START_MS + HOUR_MS) == (START_MS, START_MS + HOUR_MS)
    assert not fits(orders, (START_MS, START_MS + 1))
    with pytest.raises(BadRequest, match="orders is counted in windows"):
        pieces_of(installation, "orders", ("order_count",), (START_MS, START_MS + 1))
    with pytest.raises(NotThere):
        pieces_of(installation, "orders", ("nothing",), (START_MS, END))


def test_what_is_counted_by_products_says_from_when_on_it_is_whole(
    shop: tuple[Driver, Installation],
) -> None:
    """What it is made of rests under other names."""
    _, installation = shop
    name = "revenue_by_category"
    stored = stored_as(next(each for each in installation.metrics if each.name == name))
    assert stored is not None
    installation.store.limit_completeness(stored.by_pane.name, START_MS + DAY_MS)
    found = pieces_of(installation, name, ("revenue",), (START_MS, END))
    assert found.complete_from == START_MS + DAY_MS
    question = QueryQuestion(metrics=(f"{name}.revenue",), start_from=START_MS, start_to=END)
    assert query_page(installation, question).complete_from == "2026-01-02T00:00:00.000Z"
