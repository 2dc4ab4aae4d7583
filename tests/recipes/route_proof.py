"""A route as a struct and a function: read strictly, described, fresh, and like all others."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.answers.freshness import Installation
from rtcdp.api.context import ApiContext
from rtcdp.api.documentation import openapi_config
from rtcdp.api.manners import with_manners
from rtcdp.api.problem import exception_handlers
from rtcdp.api.routes import api_routes
from rtcdp.clock import ManualClock
from rtcdp.testing.driver import START_MS, Driver


@pytest.fixture
def api(tmp_path) -> Iterator[TestClient[Litestar]]:
    driver = Driver([], tmp_path)
    driver.feed({"userId": "ada", "eventType": "PAGE_VIEW", "timestamp": START_MS})
    driver.process()
    context = ApiContext(Installation(driver.store, [], ManualClock(START_MS), driver.log))
    app = Litestar(
        route_handlers=api_routes(context),
        exception_handlers=exception_handlers,
        openapi_config=openapi_config,
        logging_config=None,
    )
    with TestClient(with_manners(app)) as client:
        yield client
    driver.close()


def test_it_answers_and_says_how_fresh_it_is(api):
    answer = api.get("/api/rules?limit=1")
    (item,) = answer.json()["items"]
    assert item["allowed_lateness_ms"] == 600_000
    assert (answer.headers["x-lag-ms"], answer.headers["cache-control"]) == ("0", "no-store")


def test_it_has_the_manners_of_all_others(api):
    head = api.head("/api/rules")
    assert (head.status_code, head.content) == (200, b"")
    assert "GET" in api.options("/api/rules").headers["allow"]


@pytest.mark.parametrize(
    ("query", "hint"), [("limit=0", "from 1 to 1000"), ("limits=1", "did you mean limit?")]
)
def test_what_it_can_t_understand_is_refused(api, query, hint):
    answer = api.get(f"/api/rules?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (
        400,
        "application/problem+json",
    )
    assert hint in answer.json()["hint"]


def test_the_description_has_its_parameters_and_its_answer(api):
    described = api.get("/openapi.json").json()
    operation = described["paths"]["/api/rules"]["get"]
    (limit,) = operation["parameters"]
    assert (limit["name"], limit["schema"]["maximum"]) == ("limit", 1000)
    reference = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    name = reference.rsplit("/", 1)[1]
    assert "items" in described["components"]["schemas"][name]["properties"]
