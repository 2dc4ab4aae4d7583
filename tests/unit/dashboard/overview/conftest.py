"""A shop with everything that the catalog counts: an hour of visits, and the hour before."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.clock import HOUR_MS
from rtcdp.dashboard.overview.buckets import Buckets, buckets_of
from rtcdp.dashboard.period import Period
from rtcdp.testing.driver import START_MS, Driver

MINUTE_MS = 60_000
NOW = START_MS + 2 * HOUR_MS + 12_000
"""Twelve seconds into a minute."""


@dataclass(frozen=True)
class DriversTime:
    driver: Driver

    def now_ms(self) -> int:
        return self.driver.now_ms

    def monotonic(self) -> float:
        return self.driver.now_ms / 1000


def visit(user: str, at: int, *pages: str, bought: float | None = None) -> list[dict[str, object]]:
    """Page views, one minute after the other, and a purchase."""
    views: list[dict[str, object]] = [
        {"eventType": "PAGE_VIEW", "pageUrl": page, "timestamp": at + place * MINUTE_MS}
        for place, page in enumerate(pages)
    ]
    if bought is not None:
        end = at + len(pages) * MINUTE_MS
        views.append({"eventType": "ADD_TO_CART", "productId": "mug", "timestamp": end})
        views.append(
            {"eventType": "PURCHASE", "productId": "mug", "value": bought, "timestamp": end}
        )
    return [{"userId": user, **view} for view in views]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Before: ada buys for 10. Then ada buys for 30, bob looks at one page, eve at two, and
    somebody just came."""
    directory: Path = tmp_path_factory.mktemp("shop")
    driver = Driver(load_catalog(), directory, folds=load_folds())
    driver.advance(seconds=2 * 3600 + 12)
    first, second = START_MS + 15 * MINUTE_MS, START_MS + HOUR_MS + 15 * MINUTE_MS
    events = [
        *visit("ada", first, "/", "/mug", bought=10),
        *visit("ada", second, "/", "/mug", bought=30),
        *visit("bob", second, "/"),
        *visit("eve", second, "/a", "/"),
        *visit("dan", NOW - 5_000, "/"),
    ]
    driver.feed(*events, intake="import")
    driver.process()
    yield Installation(
        driver.store, load_catalog(), DriversTime(driver), driver.log, folds=load_folds()
    )
    driver.close()


@pytest.fixture(scope="session")
def hour() -> Buckets:
    return buckets_of(Period(NOW - HOUR_MS, NOW, True), "UTC", NOW)
