"""Both streams are counted again, naively; differences are planted, and each has to be found."""

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtcdp.definitions.products import PRODUCTS, UNUSED_UPDATES
from rtcdp.engines.products import ProductUpdates
from rtcdp.store import StoreUnavailable
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


def check(driver: Driver, max_versions: int = MAX_VERSIONS) -> Verification:
    return verify_products(driver.product_log, driver.store, METRICS, max_versions)


def versions_from(*seconds: int) -> Iterator[dict[str, object]]:
    """Of the product `full`, each of another category."""
    for number, after_s in enumerate(seconds):
        begins = START_MS + after_s * 1_000
        yield {"productId": "full", "category": f"c{number}", "validFrom": begins}


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


def test_what_expired_of_what_there_was_no_room_for_is_no_difference(tmp_path: Path) -> None:
    driver = Driver(METRICS, tmp_path)
    driver.update_products(*versions_from(1, 400, 800))
    ProductUpdates(driver.product_log, driver.store, 2).step()
    driver.advance(seconds=600)
    sale = {"userId": "u", "eventType": "PURCHASE", "productId": "full", "value": 2}
    driver.feed(*({**sale, "timestamp": START_MS + 1_000 * at} for at in (200, 500)))
    driver.process()
    assert check(driver, 2).differences == ()
    floor = START_MS + 60_000
    driver.store.expire(buckets_before=floor, uncounted_before=floor, offsets_before={})
    assert "c0" not in str(driver.store.dump(UNUSED_UPDATES).rows())
    assert check(driver, 2).differences == ()
    change(tmp_path, "UPDATE __products SET category = 'C' WHERE category = 'c1'")
    assert {each.table for each in check(driver, 2).differences} > {"products", "by_minute"}
    driver.close()


def test_half_a_step_is_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver(METRICS, tmp_path)
    updates = ProductUpdates(driver.product_log, driver.store, 2)
    driver.update_products(*versions_from(1, 2))
    updates.step()
    commit = driver.store.commit_backfill

    def killed_before(name: str, *asked: object, **options: object) -> None:
        if name == PRODUCTS.name:
            raise StoreUnavailable("it went away", "")
        commit(name, *asked, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(driver.store, "commit_backfill", killed_before)
    driver.update_products(*versions_from(3, 4), {"price": -1})
    with pytest.raises(StoreUnavailable):
        updates.step()
    assert driver.store.dump(UNUSED_UPDATES).height == 3
    assert check(driver, 2).differences == ()
    # Beyond what was read by anybody nothing can rest.
    change(tmp_path, 'UPDATE __unused_product_updates SET "offset" = 9 WHERE "offset" = 4')
    assert {each.table for each in check(driver, 2).differences} == {UNUSED_UPDATES.name}
    driver.close()


def test_what_is_still_being_filled_when_it_is_read_is_not_compared(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(tmp_path, "DELETE FROM __by_day_of_products")
    change(tmp_path, "UPDATE _metrics SET is_complete = 0 WHERE name = 'by_day_of_products'")
    partitions = driver.product_log.partitions

    def meanwhile() -> object:
        driver.store.commit_backfill("by_day_of_products", [], {}, complete=True)
        return partitions()

    with monkeypatch.context() as patched:
        patched.setattr(driver.product_log, "partitions", meanwhile)
        found = check(driver)
    assert (found.differences, found.tables) == ((), 2 + 3 * (len(METRICS) - 1))
    assert {each.table for each in check(driver).differences} >= {"by_day"}
