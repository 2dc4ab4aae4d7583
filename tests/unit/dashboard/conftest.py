"""Pages in front of the small installation."""

from collections.abc import Callable, Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.answers.freshness import Installation
from rtcdp.api.context import ApiContext
from rtcdp.api.manners import with_manners
from rtcdp.api.problem import exception_handlers
from rtcdp.dashboard.routes import dashboard_routes

Pages = TestClient[Litestar]


@pytest.fixture
def pages(make_installation: Callable[..., Installation]) -> Iterator[Pages]:
    app = Litestar(
        dashboard_routes(ApiContext(make_installation())),
        exception_handlers=exception_handlers,
        logging_config=None,
    )
    with TestClient(with_manners(app)) as client:
        client.headers["Accept"] = "text/html,application/xhtml+xml,*/*;q=0.8"
        yield client
