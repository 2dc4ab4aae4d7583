"""Sessions with a page or a product in them, beside a look at every event."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rtcdp.answers.folds import find_fold
from rtcdp.answers.freshness import Installation
from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.clock import HOUR_MS
from rtcdp.dashboard.overview.buckets import Buckets, buckets_of
from rtcdp.dashboard.overview.contents import content_of, contents_of
from rtcdp.dashboard.overview.figures import FIGURES
from rtcdp.dashboard.overview.visits import visits
from rtcdp.dashboard.period import Period
from rtcdp.definitions import Fold
from rtcdp.errors import NotThere
from rtcdp.folds.paths import Paths
from rtcdp.testing.driver import START_MS, Driver
from tests.unit.dashboard.overview.conftest import MINUTE_MS, DriversTime, visit


def sessions(shop: Installation, buckets: Buckets, **equals: tuple[str, ...]) -> float | None:
    figure = next(each for each in FIGURES if each.name == "sessions")
    return visits(shop, buckets, equals).figure(figure).total


@pytest.mark.parametrize(
    ("equals", "count"),
    [
        ({"page": ("/",)}, 4),
        ({"page": ("/mug",)}, 1),
        ({"page": ("/mug", "/a")}, 2),
        ({"page": ("/mu",)}, 0),
        ({"product": ("mug",)}, 1),
        ({"page": ("/a",), "product": ("mug",)}, 0),
        ({"page": ("/",), "entry_page": ("/a",)}, 1),
    ],
)
def test_sessions_that_had_it_count(
    shop: Installation, hour: Buckets, equals: dict[str, tuple[str, ...]], count: int
) -> None:
    assert sessions(shop, hour, **equals) == count


def test_figures_are_those_of_the_whole_sessions(shop: Installation, hour: Buckets) -> None:
    found = visits(shop, hour, {"product": ("mug",)})
    by_name = {each.name: found.figure(each).total for each in FIGURES}
    assert (by_name["users"], by_name["views"], by_name["revenue"]) == (1, 2, None)
    assert by_name["conversion"] == 1
    assert found.figure(FIGURES[2]).before_total == 1


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Sequence[object]:
    """Ada's session goes on past the end of an hour, and in the next one she buys a lamp; Eve
    takes a mug half an hour after her page views, which is another session."""
    directory: Path = tmp_path_factory.mktemp("evening")
    driver = Driver(load_catalog(), directory, folds=load_folds())
    driver.advance(seconds=4 * 3600)
    end = START_MS + HOUR_MS
    events = [
        *visit("ada", end - 2 * MINUTE_MS, "/", "/a", "/b", '/é"', bought=5),
        {
            "userId": "ada",
            "eventType": "PRODUCT_VIEW",
            "productId": "lamp",
            "timestamp": end + 50 * MINUTE_MS,
        },
        *visit("eve", end - 3 * MINUTE_MS, "/"),
        {
            "userId": "eve",
            "eventType": "ADD_TO_CART",
            "productId": "mug",
            "timestamp": end + 27 * MINUTE_MS,
        },
        *visit("bob", end - 9 * MINUTE_MS, *(f"/{n}" for n in range(9))),
    ]
    driver.feed(*events, intake="import")
    driver.process()
    shop = Installation(
        driver.store, load_catalog(), DriversTime(driver), driver.log, folds=load_folds()
    )
    yield shop, buckets_of(Period(START_MS, end, False), "UTC", driver.now_ms)
    driver.close()


@pytest.mark.parametrize(
    ("equals", "count"),
    [
        ({"product": ("mug",)}, 1),
        ({"product": ("lamp",)}, 0),
        ({"page": ('/é"',)}, 1),
        ({"page": ("/7",)}, 1),
        ({"page": ("/8",)}, 0),
    ],
)
def test_what_comes_after_the_time_is_of_the_session_it_came_in(
    evening, equals: dict[str, tuple[str, ...]], count: int
) -> None:
    shop, buckets = evening
    assert sessions(shop, buckets, **equals) == count


def test_only_a_fold_of_the_same_sessions_tells_of_them(shop: Installation, hour: Buckets) -> None:
    all_folds = shop.folds
    own = find_fold(all_folds, "sessions", "sessions")
    assert set(contents_of(shop)) == {"page", "product"}
    by_user = Fold(name="stories", title="Stories", description="All.", step=Paths(by="user"))
    assert content_of([by_user], own, "page") is None
    without = replace(shop, folds=[each for each in all_folds if each.name != "page_paths"])
    assert set(contents_of(without)) == {"product"}
    with pytest.raises(NotThere, match="no fold of the catalog tells which pages"):
        sessions(without, hour, page=("/",))
    assert contents_of(replace(shop, folds=[])) == {}
