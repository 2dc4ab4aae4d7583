"""The same is out of the ordinary whichever engine has counted, and however it cut its batches.

All stores read back the same rows, which tests of their own hold them to; so one will do here.
"""

from collections.abc import Iterator

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.answers.anomalies import (
    AnomaliesQuestion,
    Anomaly,
    PointOfSeries,
    anomalies_page,
    anomaly_page,
)
from rtcdp.answers.freshness import Installation
from rtcdp.clock import ManualClock
from rtcdp.store import Store
from rtcdp.testing.driver import Driver
from tests.watched import HOURLY, watched

STORES = ("sqlite",)
RULES = AdmissionRules()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    made = watched(Driver((HOURLY,), tmp_path_factory.mktemp("driver"), RULES, lambda: 6_000))
    yield made
    made.close()


def told(store: Store, now_ms: int) -> list[tuple[Anomaly, list[PointOfSeries]]]:
    installation = Installation(
        store, (HOURLY,), ManualClock(now_ms), allowed_lateness_ms=RULES.allowed_lateness_ms
    )
    items = anomalies_page(installation, AnomaliesQuestion()).items
    return [(each, anomaly_page(installation, each.id).series) for each in items]


def test_the_same_is_told_by_key_and_overall(driver, run_engine, open_store) -> None:
    store = open_store()
    run_engine(driver.log, store, (HOURLY,), RULES, 10**9)
    found = told(store, driver.now_ms)
    assert [(each.key, each.direction) for each, _ in found] == [
        ({"eventType": "PURCHASE"}, "down"),
        ({}, "up"),
        ({"eventType": "PAGE_VIEW"}, "up"),
    ]
    assert found == told(driver.store, driver.now_ms)
