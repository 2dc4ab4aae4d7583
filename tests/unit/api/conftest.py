"""The API in front of the small installation."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.answers.freshness import Installation
from rtcdp.api.context import ApiContext
from rtcdp.api.documentation import openapi_config
from rtcdp.api.manners import with_manners
from rtcdp.api.problem import exception_handlers
from rtcdp.api.routes import api_routes

MakeApi = Callable[..., TestClient[Litestar]]
MakeContext = Callable[..., ApiContext]

_READ = {field.name for field in fields(Installation)}


@pytest.fixture
def make_context(make_installation: Callable[..., Installation]) -> MakeContext:
    def make(**changes: object) -> ApiContext:
        read = {name: changes.pop(name) for name in _READ & changes.keys()}
        return ApiContext(make_installation(**read), **changes)

    return make


@pytest.fixture
def make_api(make_context: MakeContext) -> Iterator[MakeApi]:
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
