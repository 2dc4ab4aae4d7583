"""A small installation with the real engine and store, under the test's control."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.definitions import Count, Metric, Sum, event_type, sliding, tumbling
from rtcdp.testing.driver import Driver

PAGE_VIEWS = Metric(
    name="user_page_view_counts",
    title="Page views per user",
    key=("userId",),
    predicate=event_type("PAGE_VIEW"),
    window=sliding(size_seconds=60, every_seconds=30),
    measures=(Count("page_view_count"),),
)
REVENUE = Metric(
    name="revenue",
    title="Revenue",
    predicate=event_type("PURCHASE"),
    window=tumbling(minutes=1),
    measures=(Sum("revenue"),),
)

MakeDriver = Callable[..., Driver]
MakeInstallation = Callable[..., Installation]


class DriverClock:
    """Shows the driver's time."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def now_ms(self) -> int:
        return self._driver.now_ms

    def monotonic(self) -> float:
        return self._driver.now_ms / 1000


@pytest.fixture
def make_driver(tmp_path: Path) -> Iterator[MakeDriver]:
    made: list[Driver] = []

    def make(*metrics: Metric) -> Driver:
        made.append(Driver(metrics, tmp_path))
        return made[-1]

    yield make
    for driver in made:
        driver.close()


@pytest.fixture
def driver(make_driver: MakeDriver) -> Driver:
    return make_driver(PAGE_VIEWS, REVENUE)


@pytest.fixture
def make_installation(driver: Driver) -> MakeInstallation:
    def make(**changes: object) -> Installation:
        parts = {
            "store": driver.store,
            "metrics": (PAGE_VIEWS, REVENUE),
            "clock": DriverClock(driver),
            "log": driver.log,
        }
        return Installation(**{**parts, **changes})

    return make
