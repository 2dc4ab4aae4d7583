"""A small installation with the real engine and store, and the API in front of it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.api.context import ApiContext
from rtcdp.api.documentation import openapi_config
from rtcdp.api.limits import ApiLimits
from rtcdp.api.manners import with_manners
from rtcdp.api.problem import exception_handlers
from rtcdp.api.routes import api_routes
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
MakeApi = Callable[..., TestClient[Litestar]]


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
def make_context(driver: Driver) -> Callable[..., ApiContext]:
    def make(**changes: object) -> ApiContext:
        parts = {
            "store": driver.store,
            "metrics": (PAGE_VIEWS, REVENUE),
            "clock": DriverClock(driver),
            "log": driver.log,
            "limits": ApiLimits(),
        }
        return ApiContext(**{**parts, **changes})

    return make


@pytest.fixture
def make_api(make_context: Callable[..., ApiContext]) -> Iterator[MakeApi]:
    clients: list[TestClient[Litestar]] = []

    def make(extra: Sequence[object] = (), **changes: object) -> TestClient[Litestar]:
        app = Litestar(
            route_handlers=[*api_routes(make_context(**changes)), *extra],
            exception_handlers=exception_handlers,
            openapi_config=openapi_config,
            logging_config=None,
        )
        client = TestClient(with_manners(app), raise_server_exceptions=False)
        clients.append(client.__enter__())
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def api(make_api: MakeApi) -> TestClient[Litestar]:
    return make_api()
