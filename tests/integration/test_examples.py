"""What lies in `examples` does what it says."""

from pathlib import Path

import pytest

from rtcdp.answers.anomalies import AnomaliesQuestion, anomalies_page
from rtcdp.answers.evidence import events_behind
from rtcdp.answers.freshness import Installation
from rtcdp.answers.product_history import ProductHistory, product_fold
from rtcdp.answers.recommendation_outcomes import OutcomesQuestion, outcomes_page
from rtcdp.answers.recommendations import Adviser, Because, UserRecommendations, for_user
from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.clock import ManualClock
from rtcdp.testing.driver import Driver

EXAMPLES = Path(__file__).parents[2] / "examples"
(VISITS,) = set(load_catalog(EXAMPLES / "alarms")) - set(load_catalog())
(FUNNEL,) = set(load_folds(EXAMPLES / "shop-funnel")) - set(load_folds())
(OUTCOMES,) = set(load_folds(EXAMPLES / "recommendations")) - set(load_folds())
HOUR_S = 3_600


@pytest.fixture
def shop(tmp_path):
    driver = Driver([], tmp_path, folds=[FUNNEL])
    yield driver
    driver.close()


def does(shop, user, kind, product, category="audio"):
    event = {"userId": user, "eventType": kind, "timestamp": shop.now_ms, "productId": product}
    shop.feed({**event, "properties": {"category": category}})
    shop.advance(seconds=HOUR_S)


def test_a_funnel_follows_each_product_and_tells_its_category(shop):
    does(shop, "ann", "PRODUCT_VIEW", "radio-pro")
    does(shop, "ann", "ADD_TO_CART", "kite-basic", "toys")
    does(shop, "bob", "PRODUCT_VIEW", "kite-basic", "toys")
    does(shop, "bob", "ADD_TO_CART", "kite-basic", "toys")
    shop.advance(seconds=71 * HOUR_S)
    does(shop, "ann", "PURCHASE", "radio-pro")
    does(shop, "bob", "PURCHASE", "kite-basic", "toys")
    told = {
        (row["userId"], row["productId"], row["breakdown"]): row["depth"]
        for row in shop.rows("product_funnel")
    }
    assert told == {("ann", "radio-pro", "audio"): 1, ("bob", "kite-basic", "toys"): 2}


def test_who_buys_within_three_days_has_come_all_the_way(shop):
    does(shop, "ann", "PRODUCT_VIEW", "radio-pro")
    does(shop, "ann", "ADD_TO_CART", "radio-pro")
    shop.advance(seconds=69 * HOUR_S)
    does(shop, "ann", "PURCHASE", "radio-pro")
    assert [row["depth"] for row in shop.rows("product_funnel")] == [3]


def test_a_bot_is_told_by_its_name_and_leads_to_its_events(tmp_path):
    driver = Driver([VISITS], tmp_path)
    for hour in range(6 * 24):
        for user, views in (("ann", 6), ("bot", 200 if hour == 5 * 24 else 2)):
            view = {"userId": user, "eventType": "PAGE_VIEW", "timestamp": driver.now_ms}
            driver.feed(*[view] * views)
        driver.advance(seconds=HOUR_S)
    driver.process()
    installation = Installation(driver.store, (VISITS,), ManualClock(driver.now_ms), driver.log)
    told = anomalies_page(installation, AnomaliesQuestion()).items
    assert [(each.key, each.observed) for each in told] == [({}, 206), ({"userId": "bot"}, 200)]
    assert len(list(events_behind(installation, told[1].id))) == 200
    driver.close()


def test_a_recommendation_says_why_and_what_came_of_it(tmp_path):
    folds = (product_fold(load_folds()), OUTCOMES)
    driver = Driver([], tmp_path, folds=folds)

    def did(user, kind, product=None, **properties):
        event = {"userId": user, "eventType": kind, "timestamp": driver.now_ms}
        named = {} if product is None else {"productId": product}
        driver.feed({**event, **named, "properties": properties})
        driver.advance(seconds=1)

    def asked():
        driver.process()
        read = Installation(driver.store, (), ManualClock(driver.now_ms), driver.log, folds=folds)
        return read, for_user(Adviser(read, ProductHistory()), "eve", UserRecommendations())

    for user, products in (("ann", "tent lamp"), ("bob", "tent lamp rope"), ("cay", "tent rope")):
        for product in products.split():
            did(user, "PRODUCT_VIEW", product)
    did("eve", "PRODUCT_VIEW", "tent")
    _, page = asked()
    assert {each.productId: each.because for each in page.items} == {
        "lamp": Because("tent", 2, 3),
        "rope": Because("tent", 2, 3),
    }
    name = {"recommendationId": page.recommendation_id}
    did("eve", "RECOMMENDATION_SHOWN", **name)
    did("eve", "PRODUCT_VIEW", "lamp", **name)
    did("eve", "PURCHASE", "lamp", value=12.5)
    read, _ = asked()
    [came] = outcomes_page(read, OutcomesQuestion()).items
    assert (came.audience, came.recommendations, came.clicked, came.bought) == (
        *("recommended", 1, 1, 1),
    )
    driver.close()
