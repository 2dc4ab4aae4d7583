"""Both streams are counted again, naively; differences are planted, and each has to be found."""

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtcdp.testing.driver import START_MS, Driver
from rtcdp.verify.products import verify_products
from rtcdp.verify.store_against_log import Verification
from tests.by_category import METRICS, traffic

MAX_VERSIONS = 1_000


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    """An installation that counted by category, and was told nonsense, too."""
    chance = random.Random(8)
    driver = Driver(METRICS, tmp_path)
    events, updates = traffic(chance)
    driver.update_products(*updates, {"productId": "p", "price": -1}, {})
    driver.feed(*events, intake="import")
    driver.update_products(
        {"productId": "p", "category": "late", "validFrom": START_MS - 2_000},
        {"productId": "p", "category": "later", "validFrom": START_MS - 2_000},
    )
    driver.process()
    yield driver
    driver.close()


def check(driver: Driver) -> Verification:
    return verify_products(driver.product_log, driver.store, METRICS, MAX_VERSIONS)


def change(tmp_path: Path, sql: str) -> None:
    """Changes the store behind its back."""
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute(sql)


def test_a_store_that_is_right_has_no_difference(driver: Driver) -> None:
    found = check(driver)
    assert (found.differences, found.left_out) == ((), ())
    assert found.tables == 2 + 3 * len(METRICS)
    assert found.rows > 50


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("UPDATE __products SET price = 5 WHERE category = 'later'", {"products"}),
        ("UPDATE __products SET category = 'C' WHERE category = 'later'", {"products", "by_day"}),
        ("DELETE FROM __products WHERE category = 'later'", {"products", "by_day"}),
        (
            "INSERT INTO __products"
            ' (productId, validFrom, category, receivedAt, "partition", "offset", _checksum)'
            ' SELECT productId, validFrom - 1000, \'C\', receivedAt, "partition", "offset", 0'
            " FROM __products WHERE category = 'later'",
            {"products", "by_day"},
        ),
        ("DELETE FROM __unused_product_updates WHERE reason <> ''", {"unused_product_updates"}),
        ("UPDATE __by_day_of_products SET n = n + 1", {"by_day"}),
        ("UPDATE __by_minute_of_moments SET n = n + 1", {"by_minute"}),
        ("DELETE FROM __written_out_of_products", {"written_out"}),
        ("DELETE FROM __from_panes_of_products__best", {"from_panes__best"}),
    ],
)
def test_a_planted_difference_is_found(
    driver: Driver, tmp_path: Path, sql: str, tables: set[str]
) -> None:
    change(tmp_path, sql)
    found = Counter(difference.table for difference in check(driver).differences)
    assert tables <= found.keys()


def test_what_there_is_no_room_for_is_no_difference(tmp_path: Path) -> None:
    driver = Driver(METRICS, tmp_path)
    for start in random.Random(1).sample(range(4), 4):
        times = random.Random(start).sample(range(START_MS + start, START_MS + 2_000, 4), 300)
        driver.update_products(
            *({"productId": "full", "category": f"{at}", "validFrom": at} for at in times)
        )
        driver.process()
    assert check(driver).differences == ()
    change(tmp_path, "DELETE FROM __unused_product_updates")
    assert {each.table for each in check(driver).differences} == {"products"}
    driver.close()
