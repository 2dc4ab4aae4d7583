"""Pages in front of the small installation."""

from collections.abc import Callable, Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.answers.freshness import Installation
from rtcdp.api.context import ApiContext
from rtcdp.api.manners import with_manners
from rtcdp.dashboard.routes import dashboard_routes, page_exception_handlers

Pages = TestClient[Litestar]


@pytest.fixture
def pages(make_installation: Callable[..., Installation]) -> Iterator[Pages]:
    context = ApiContext(make_installation())
    app = Litestar(
        dashboard_routes(context),
        exception_handlers=page_exception_handlers(context),
        logging_config=None,
    )
    with TestClient(with_manners(app)) as client:
        client.headers["Accept"] = "text/html,application/xhtml+xml,*/*;q=0.8"
        yield client
