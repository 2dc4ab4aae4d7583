"""What is known of products decides what they are counted as."""

from pathlib import Path

from rtcdp.testing.driver import START_MS, Driver
from rtcdp.verify.by_products import History, counted_by_products
from rtcdp.verify.store_against_log import Verification
from tests.by_category import METRICS


def counted(driver: Driver, known: History) -> Verification:
    with driver.store.snapshot() as snapshot:
        whole = driver.store.metrics().keys()
        return counted_by_products(snapshot, whole, METRICS, {"p": known})


def test_what_was_known_then_counts(tmp_path: Path) -> None:
    driver = Driver(METRICS, tmp_path)
    sale = {"userId": "u", "eventType": "PURCHASE", "productId": "p", "value": 2}
    driver.feed(*({**sale, "timestamp": START_MS - age} for age in (0, 1, 2)))
    driver.update_products({"productId": "p", "category": "A", "validFrom": START_MS - 1})
    driver.process()
    right = counted(driver, History([START_MS - 1], [{"category": "A"}]))
    assert right.differences == ()
    # Two windows that overlap, and six panes or windows of two categories, each with its sides.
    assert right.rows > 3 * 6
    wrong = counted(driver, History([START_MS], [{"category": "A"}]))
    assert {each.table for each in wrong.differences} >= {"by_minute", "written_out", "by_day"}
    assert counted(driver, History()).differences
    driver.close()
