"""All figures."""

from dataclasses import replace

from rtcdp.answers.freshness import Installation
from rtcdp.dashboard.overview.buckets import Buckets
from rtcdp.dashboard.overview.told import told


def test_each_figure_has_its_number(shop: Installation, hour: Buckets) -> None:
    found = told(shop, hour, {})
    assert {figure.name: figure.total for figure in found.figures} == {
        **{"users": 4, "views": 6, "sessions": 4, "revenue": 30, "orders": 1},
        **{"conversion": 1 / 3, "bounce": 1 / 3, "carts": 1},
    }
    assert not found.troubles


def test_a_figure_whose_source_is_not_in_the_catalog_says_so(
    shop: Installation, hour: Buckets
) -> None:
    others = tuple(each for each in shop.metrics if each.name != "events_by_type")
    figures = {each.name: each for each in told(replace(shop, metrics=others), hour, {}).figures}
    assert "events_by_type" in (figures["views"].missing or "")
    assert figures["users"].total == 4
    without = told(replace(shop, metrics=(), folds=()), hour, {})
    assert all(figure.missing for figure in without.figures)


def test_a_filter_narrows_what_it_can_and_the_rest_says_so(
    shop: Installation, hour: Buckets
) -> None:
    figures = {f.name: f for f in told(shop, hour, {"exit_page": ("/mug",)}).figures}
    assert (figures["sessions"].total, figures["conversion"].total) == (1, 1)
    assert figures["orders"].missing

    figures = {f.name: f for f in told(shop, hour, {"category": ("(unknown)",)}).figures}
    assert (figures["revenue"].total, figures["orders"].total) == (30, 1)
    assert "category" in (figures["sessions"].missing or "")

    both = told(shop, hour, {"category": ("x",), "entry_page": ("/",)})
    assert all(figure.missing for figure in both.figures)
