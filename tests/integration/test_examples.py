"""What lies in `examples` does what it says."""

from pathlib import Path

import pytest

from rtcdp.answers.anomalies import AnomaliesQuestion, anomalies_page
from rtcdp.answers.evidence import events_behind
from rtcdp.answers.freshness import Installation
from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.clock import ManualClock
from rtcdp.testing.driver import Driver

EXAMPLES = Path(__file__).parents[2] / "examples"
(VISITS,) = set(load_catalog(EXAMPLES / "alarms")) - set(load_catalog())
(FUNNEL,) = set(load_folds(EXAMPLES / "shop-funnel")) - set(load_folds())
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
