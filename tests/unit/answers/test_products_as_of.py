"""What was known of a product at a time; and the events behind a window by category."""

from pathlib import Path

from rtcdp.answers.drill_down import EventQuery, Wish, read_events, with_products
from rtcdp.answers.products_as_of import ProductsAsOf
from rtcdp.definitions import Count, Metric, Product, tumbling
from rtcdp.testing.driver import START_MS, Driver

BY_CATEGORY = Metric("by_category", "C", tumbling(minutes=1), (Count("n"),), (Product("category"),))


def test_the_version_that_began_last_holds(tmp_path: Path) -> None:
    driver = Driver((), tmp_path)
    driver.update_products(
        {"productId": "p", "category": "A", "name": "N", "validFrom": 10},
        {"productId": "p", "category": "B", "validFrom": 20},
    )
    driver.process()
    with driver.store.snapshot() as snapshot:
        products = ProductsAsOf(snapshot)
        found = [products.of_event("p", at).get("product:category") for at in (9, 10, 19, 20, 99)]
        assert found == [None, "A", "A", "B", "B"]
        assert products.of_event("p", 10)["product:name"] == "N"
        assert products.of_event("q", 10) == products.of_event(None, 10) == {}
    driver.close()


def test_the_events_behind_a_window_are_those_that_it_counts(tmp_path: Path) -> None:
    driver = Driver([BY_CATEGORY], tmp_path)
    for number in range(6):
        product = {"productId": "pq"[number % 2]} if number < 5 else {}
        event = {"userId": f"u{number}", "eventType": "A", "timestamp": START_MS + number}
        driver.feed({**event, **product})
    driver.update_products({"productId": "p", "category": "S", "validFrom": START_MS + 2})
    counted = {item["category"]: item["n"] for item in driver.windows("by_category")}
    found = {}
    with driver.store.snapshot() as snapshot:
        for category in counted:
            wish = Wish({"category": str(category)}, START_MS, START_MS + 60_000, BY_CATEGORY)
            query = EventQuery(with_products(wish, snapshot), "admitted", None, 100)
            page = read_events(driver.log, snapshot, query)
            found[category] = sorted(each.event.user_id for each in page.items if each.event)
    assert found == {"S": ["u2", "u4"], "(unknown)": ["u0", "u1", "u3"]}
    assert counted == {category: len(users) for category, users in found.items()}
    driver.close()
