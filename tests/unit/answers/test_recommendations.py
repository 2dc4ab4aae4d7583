"""Recommendations from what a store tells: for a user, a product, a basket."""

from dataclasses import dataclass, replace

import pytest

from rtcdp.answers import recommendations
from rtcdp.answers.freshness import Installation
from rtcdp.answers.product_history import Known, ProductHistory
from rtcdp.answers.recommendations import (
    Adviser,
    Basket,
    Because,
    HoldOut,
    ProductRecommendations,
    TrendingQuestion,
    UserRecommendations,
    for_basket,
    for_product,
    for_user,
    trending_page,
)
from rtcdp.catalog.catalog import load_folds
from rtcdp.clock import ManualClock
from rtcdp.testing.driver import Driver
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


def test_what_is_still_being_filled_is_incomplete(adviser):
    known = adviser.known()
    question = ProductRecommendations()
    assert not for_product(adviser, "shoe", question, known).incomplete
    filling = replace(known, is_filling=True)
    assert for_product(adviser, "shoe", question, filling).incomplete


def test_what_goes_with_a_product_and_why(adviser):
    page = for_product(adviser, "shoe", ProductRecommendations(limit=3))
    assert items(page) == ["sock", "hat", "lace"]
    assert page.items[0].because == Because("shoe", 3, 4)
    assert (page.based_on, page.sessions, page.fallback) == (["shoe"], 4, None)
    assert page.history_from == "2026-01-01T00:00:00.000Z"
    assert page.lag_ms is not None


def test_how_long_ago_it_is_from_grows_while_it_is_at_hand(adviser, monkeypatch):
    known, clock = adviser.known(), adviser.installation.clock
    monkeypatch.setattr(clock, "now_ms", lambda: NOW + 2_999)
    pages = [
        for_user(adviser, "a", UserRecommendations(), known),
        for_product(adviser, "shoe", ProductRecommendations(), known),
        trending_page(replace(adviser, history=_AtHand(known)), TrendingQuestion()),
    ]
    assert [page.lag_ms for page in pages] == [NOW + 2_999 - known.freshness.as_of] * 3


@dataclass(frozen=True)
class _AtHand:
    known: Known

    def glance(self, _: Installation) -> Known:
        return self.known


def test_nothing_is_a_reason_for_itself(adviser):
    page = for_user(adviser, "d/1", UserRecommendations(exclude=("none",)))
    because = {each.productId: each.because for each in page.items}
    assert because["hat"] == Because("shoe", 1, 3)
    alone = for_product(adviser, "lace", ProductRecommendations(exclude=("sock", "shoe")))
    assert all(each.because is None or each.because.item == "lace" for each in alone.items)


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
        for_product(adviser, "shoe", ProductRecommendations()).recommendation_id,
        for_user(adviser, "a", UserRecommendations()).recommendation_id,
    }
    assert len(names) == 3
    assert {name.rpartition("-")[0] for name in names} == {
        f"product-recommended-{NOW}",
        f"user-recommended-{NOW}",
    }


@pytest.mark.parametrize(("nothing", "found"), [(False, ["hat", "lace"]), (True, [])])
def test_who_is_held_out_gets_what_is_popular_or_nothing(adviser, nothing, found):
    held = replace(adviser, hold_out=HoldOut(100, nothing))
    pages = [
        for_user(held, "d/1", UserRecommendations(exclude=("bought",))),
        for_product(held, "shoe", ProductRecommendations(exclude=("sock",), user_id="d/1")),
        for_basket(held, Basket(items=["shoe"], exclude=["sock"], user_id="d/1")),
    ]
    assert {page.audience for page in pages} == {"held_out"}
    assert all("-held_out-" in page.recommendation_id for page in pages)
    assert [items(page) for page in pages] == [found] * 3
    assert {page.fallback for page in pages} == ({None} if nothing else {"popular"})
    # Whom nobody knows can't be held out.
    page = for_product(held, "shoe", ProductRecommendations())
    assert (page.audience, page.fallback) == ("recommended", None)


def test_the_same_users_are_held_out_each_time_and_about_as_many_as_asked_for():
    of_ten = {n for n in range(1_000) if HoldOut(10).audience_of(f"u{n}") == "held_out"}
    of_twenty = {n for n in range(1_000) if HoldOut(20).audience_of(f"u{n}") == "held_out"}
    assert 70 < len(of_ten) < 130
    assert of_ten < of_twenty
    assert not any(HoldOut(0).audience_of(f"u{n}") == "held_out" for n in range(100))


def test_of_a_user_s_many_sessions_the_newest_are_looked_at_and_none_is_heard(
    make_teller, monkeypatch
):
    teller = make_teller()
    own = [*did("ann", 0, ("s", "shoe"), ("s", "tent")), *did("ann", HOUR, ("s", "sock"))]
    teller.tell([*own, *did("bob", 0, ("s", "shoe"), ("s", "sock"))], NOW)
    adviser = Adviser(teller.installation(NOW), ProductHistory())
    assert for_user(adviser, "ann", UserRecommendations()).based_on == ["shoe", "tent", "sock"]
    monkeypatch.setattr(recommendations, "OWN_SESSIONS_MAX", 1)
    page = for_user(adviser, "ann", UserRecommendations())
    assert page.based_on == ["sock"]
    assert [(each.productId, each.because) for each in page.items if each.because] == [
        ("shoe", Because("sock", 1, 1))
    ]


def test_where_nothing_happened_nothing_is_recommended(make_teller):
    adviser = Adviser(make_teller().installation(NOW), ProductHistory())
    for page in (
        for_user(adviser, "ann", UserRecommendations()),
        for_product(adviser, "shoe", ProductRecommendations()),
        for_basket(adviser, Basket(items=[f"item {n}" * 100 for n in range(100)], diversity=100)),
    ):
        assert (page.items, page.sessions, page.history_from, page.fallback) == ([], 0, None, None)
    assert trending_page(adviser, TrendingQuestion()).items == []


def test_products_of_a_category_as_far_as_that_is_known(tmp_path):
    driver = Driver((), tmp_path, folds=load_folds())
    driver.update_products(
        {"productId": "hat", "category": "head", "validFrom": driver.now_ms - DAY},
        {"productId": "sock", "category": "head", "validFrom": driver.now_ms - DAY},
        {"productId": "sock", "category": "feet", "validFrom": driver.now_ms - HOUR},
        {"productId": "lace", "category": "feet", "validFrom": driver.now_ms + DAY},
    )
    for user in ("ann", "bob"):
        for item in ("shoe", "sock", "lace", "hat", "tent"):
            view = {"userId": user, "eventType": "PRODUCT_VIEW", "productId": item}
            driver.feed({**view, "timestamp": driver.now_ms})
            driver.advance(seconds=1)
    driver.process()
    clock = ManualClock(driver.now_ms)
    adviser = Adviser(Installation(driver.store, (), clock, folds=load_folds()), ProductHistory())
    asked = {("feet",): ["sock"], ("feet", "head"): ["hat", "sock"], ("x",): []}
    for categories, found in asked.items():
        question = ProductRecommendations(category=categories, diversity=50)
        page = for_product(adviser, "shoe", question)
        assert sorted(items(page)) == found
        # Nothing is known of lace yet, nor of the tent.
        assert page.category_unknown == 2
    assert for_product(adviser, "shoe", ProductRecommendations()).category_unknown is None
    driver.close()
