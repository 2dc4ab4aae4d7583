"""What is known of products, page by page and one by one."""

from pathlib import Path

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.answers.products import (
    ProductQuestion,
    ProductsQuestion,
    UnusedUpdatesQuestion,
    product_answer,
    products_page,
    unused_updates_page,
)
from rtcdp.clock import ManualClock
from rtcdp.errors import NotThere
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import START_MS, Driver


@pytest.fixture
def shop(tmp_path: Path):
    driver = Driver((), tmp_path)
    for number in range(5):
        for version in range(3):
            category = f"c{(number + version) % 2}"
            begins = START_MS + (version - 1) * 1000
            of_it = {"productId": f"p{number}", "category": category, "validFrom": begins}
            driver.update_products(of_it)
    driver.update_products({"productId": ""}, {"productId": "p", "price": -1}, {"x": 1})
    driver.process()
    yield Installation(driver.store, (), ManualClock(START_MS))
    driver.close()


def listed(shop: Installation, **asked: object) -> list[tuple[str, str | None]]:
    found, cursor = [], None
    while True:
        page = products_page(shop, ProductsQuestion(cursor=cursor, **asked))
        found += [(item.productId, item.category) for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_each_product_is_what_it_was_then(shop: Installation, limit: int) -> None:
    now = [(f"p{n}", f"c{(n + 1) % 2}") for n in range(5)]
    assert listed(shop, limit=limit) == now
    assert listed(shop, limit=limit, at=START_MS + 1000) == [
        (p, f"c{n % 2}") for n, (p, _) in enumerate(now)
    ]
    assert listed(shop, limit=limit, at=START_MS - 1001) == []
    assert listed(shop, limit=limit, category=("c1", "other")) == now[::2]


def test_one_product_with_all_its_versions(shop: Installation) -> None:
    answer = product_answer(shop, "p1", ProductQuestion())
    assert [version.category for version in answer.versions] == ["c1", "c0", "c1"]
    assert answer.current == answer.versions[1]
    assert product_answer(shop, "p1", ProductQuestion(at=0)).current is None
    with pytest.raises(NotThere, match="nothing is known"):
        product_answer(shop, "other", ProductQuestion())


def test_what_is_not_used_is_told_with_the_reason(shop: Installation) -> None:
    whole = unused_updates_page(shop, UnusedUpdatesQuestion()).items
    assert sorted(item.reason for item in whole) == [
        "missing_field",
        "out_of_range",
        "out_of_range",
    ]
    found, cursor = [], None
    for _ in range(3):
        page = unused_updates_page(shop, UnusedUpdatesQuestion(limit=1, cursor=cursor))
        found += page.items
        cursor = page.next_cursor
    assert (found, cursor) == (whole, None)
    asked = UnusedUpdatesQuestion(reason=("missing_field",))
    assert [item.record for item in unused_updates_page(shop, asked).items] == ['{"x":1}']


def test_a_store_that_nobody_wrote_knows_no_product(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    empty = Installation(store, (), ManualClock(START_MS))
    assert listed(empty) == []
    assert unused_updates_page(empty, UnusedUpdatesQuestion()).items == []
    store.close()
