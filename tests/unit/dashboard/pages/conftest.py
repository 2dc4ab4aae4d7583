"""Pages of stories beside the API that tells the same: over HTTP, in front of one store."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.answers.freshness import Installation
from rtcdp.api.context import ApiContext
from rtcdp.api.manners import with_manners
from rtcdp.api.problem import exception_handlers
from rtcdp.api.routes import api_routes
from rtcdp.dashboard.routes import dashboard_routes
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import Driver
from tests.stories import Row
from tests.told import DAY, HOUR, START, Teller, carts, visits
from tests.watched import METRICS, watched

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
NOW = START + DAY + 2 * HOUR + 5_000


class Site:
    """The pages and the API of an installation."""

    def __init__(self, client: TestClient[Litestar]) -> None:
        self.client = client

    def page(self, address: str, status: int = 200) -> str:
        """A page as it is sent."""
        answer = self.client.get(address, headers=BROWSER)
        assert answer.status_code == status, answer.text[:2000]
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        return answer.text

    def api(self, address: str) -> Any:
        """What the API answers."""
        answer = self.client.get(address)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def behind(self, page: str) -> list[Any]:
        """What the API says at each address that a page names as its data."""
        found = re.findall(r'class="behind quiet">As data: <a href="([^"]+)"', page)
        return [self.api(unescape(address)) for address in found]


MakeSite = Callable[[Installation], Site]


@pytest.fixture
def make_site() -> Iterator[MakeSite]:
    clients: list[TestClient[Litestar]] = []

    def make(installation: Installation) -> Site:
        context = ApiContext(installation)
        app = Litestar(
            [*api_routes(context), *dashboard_routes(context)],
            exception_handlers=exception_handlers,
            logging_config=None,
        )
        clients.append(TestClient(with_manners(app), raise_server_exceptions=True).__enter__())
        return Site(clients[-1])

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def make_told(tmp_path: Path) -> Iterator[Callable[..., Installation]]:
    """An installation that has told the stories of some events."""
    opened: list[SqliteStore] = []

    def make(events: list[Row], now_ms: int = NOW, **changes: object) -> Installation:
        opened.append(SqliteStore(tmp_path / f"told{len(opened)}.db"))
        teller = Teller(opened[-1])
        if events:
            teller.tell(events, now_ms - 5_000, [5, 1])
        return teller.installation(now_ms, **changes)

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def site(make_site: MakeSite, make_told: Callable[..., Installation]) -> Site:
    """Two days of a shop."""
    return make_site(make_told(visits()))


@pytest.fixture
def quiet_site(make_site: MakeSite, make_told: Callable[..., Installation]) -> Site:
    """Nothing ever came."""
    return make_site(make_told([]))


@pytest.fixture
def bare_site(make_site: MakeSite, make_told: Callable[..., Installation]) -> Site:
    """No story is told."""
    return make_site(make_told([], folds=()))


@pytest.fixture
def cart_site(make_site: MakeSite, make_told: Callable[..., Installation]) -> Site:
    """Three days of carts, the last of which may still be bought."""
    now_ms = START + 3 * DAY
    return make_site(make_told(carts(), now_ms + 5_000, allowed_lateness_ms=HOUR))


def cells(page: str, table: str) -> list[list[str]]:
    """The texts of a table's rows, by the id of the table."""
    found = re.search(rf'<table id="{table}"[^>]*>.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    assert found is not None, f"there is no table {table}"
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", found[1], re.DOTALL)
    return [
        [
            " ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split())
            for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        ]
        for row in rows
    ]


@pytest.fixture
def watched_site(
    make_driver: Callable[..., Driver], make_site: MakeSite, make_installation
) -> Site:
    """Six days of a shop, with a rise and a drop."""
    driver = watched(make_driver(*METRICS))
    return make_site(make_installation(store=driver.store, log=driver.log, metrics=METRICS))
