"""Recommendations from what a store tells: for a user, a product, a basket."""

import pytest

from rtcdp.answers.product_history import ProductHistory
from rtcdp.answers.recommendations import (
    Adviser,
    Basket,
    Because,
    ProductRecommendations,
    TrendingQuestion,
    UserRecommendations,
    for_basket,
    for_product,
    for_user,
    trending_page,
)
from tests.stories import event
from tests.told import DAY, HOUR, MINUTE, START

NOW = START + 2 * DAY


def did(user, at, *deeds):
    kinds = {"s": "PAGE_VIEW", "c": "ADD_TO_CART", "b": "PURCHASE"}
    return [
        event(START + at + n * MINUTE, kinds[kind], user, productId=item, eventId=f"{user}{at}{n}")
        for n, (kind, item) in enumerate(deeds)
    ]


@pytest.fixture
def adviser(make_teller):
    teller = make_teller()
    shop = [
        *did("a", 0, ("s", "shoe"), ("s", "sock"), ("s", "lace")),
        *did("b", HOUR, ("s", "shoe"), ("s", "sock")),
        *did("c", 2 * HOUR, ("s", "shoe"), ("s", "hat")),
        *did("d/1", 3 * HOUR, ("b", "sock"), ("c", "hat"), ("s", "shoe")),
    ]
    teller.tell(shop, NOW)
    return Adviser(teller.installation(NOW), ProductHistory())


def items(page):
    return [each.productId for each in page.items]


def test_what_goes_with_a_product_and_why(adviser):
    page = for_product(adviser, "shoe", ProductRecommendations(limit=3))
    assert items(page) == ["sock", "hat", "lace"]
    assert page.items[0].because == Because("shoe", 3, 4)
    assert (page.based_on, page.sessions, page.fallback) == (["shoe"], 4, None)
    assert page.history_from == "2026-01-01T00:00:00.000Z"
    assert page.lag_ms is not None


def test_a_user_s_own_sessions_are_not_heard(adviser):
    page = for_user(adviser, "d/1", UserRecommendations(exclude=("none",), limit=3))
    assert page.based_on == ["sock", "hat", "shoe"]
    assert "shoe" not in items(page)
    sock = next(each for each in page.items if each.productId == "sock")
    assert sock.because == Because("shoe", 2, 3)


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        (("none",), {"hat", "lace", "sock"}),
        (("bought",), {"hat", "lace"}),
        (("cart",), {"lace", "sock"}),
        (("bought,cart",), {"lace"}),
        (("seen",), {"lace"}),
        (("bought", "lace"), {"hat"}),
    ],
)
def test_what_a_user_did_with_it_is_left_out(adviser, exclude, left):
    page = for_user(adviser, "d/1", UserRecommendations(exclude=exclude))
    assert set(items(page)) == left


def test_what_was_bought_is_left_out_without_asking(adviser):
    assert "sock" not in items(for_user(adviser, "d/1", UserRecommendations()))


def test_somebody_unknown_gets_what_is_trending(adviser):
    page = for_user(adviser, "nobody", UserRecommendations(limit=2))
    assert (page.fallback, page.based_on) == ("trending", [])
    assert [each.source for each in page.items] == ["trending", "trending"]
    assert (
        items(page)
        == [item.productId for item in trending_page(adviser, TrendingQuestion()).items][:2]
    )


def test_a_basket(adviser):
    page = for_basket(adviser, Basket(items=["lace", "sock"], limit=1))
    assert (items(page), page.based_on) == (["shoe"], ["lace", "sock"])
    page = for_basket(adviser, Basket(items=["lace"], exclude=["shoe"], limit=1, diversity=50))
    assert items(page) == ["sock"]


def test_answers_have_names_of_their_own(adviser):
    names = {
        for_product(adviser, "shoe", ProductRecommendations()).recommendation_id,
        for_product(adviser, "sock", ProductRecommendations()).recommendation_id,
        for_user(adviser, "a", UserRecommendations()).recommendation_id,
    }
    assert {name.partition("-")[0] for name in names} == {"product", "user"}
    assert len(names) == 3
