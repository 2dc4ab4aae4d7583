"""Times of requests, by route."""

from litestar import Litestar, get
from litestar.exceptions import NotAuthorizedException
from litestar.params import FromPath
from litestar.testing import TestClient
from prometheus_client import CollectorRegistry

from rtcdp.api.measuring import OTHER, ROUTES_MAX, HttpTimes, measured, routed
from rtcdp.clock import ManualClock


@get("/users/{user_id:path}", sync_to_thread=False)
def user(user_id: FromPath[str]) -> str:
    if user_id == "/nobody":
        raise NotAuthorizedException
    return user_id


@get("/api/metrics/revenue", sync_to_thread=False)
def revenue() -> str:
    return "1"


def counts(registry: CollectorRegistry) -> dict[tuple[str, str, str], float]:
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name.endswith("_count")
    }


def test_a_route_is_its_pattern_whatever_stands_in_it() -> None:
    registry = CollectorRegistry()
    times = HttpTimes(registry, ManualClock(0).monotonic)
    app = Litestar([user, revenue], logging_config=None)
    with TestClient(measured(routed(app), times, ["/direct"])) as client:
        for path in ("/users/a", "/users/b", "/users/nobody", "/c", "/api/metrics/revenue"):
            client.get(path)
        client.get("/direct")
        client.request("BREW", "/users/a")
    assert counts(registry) == {
        ("GET", "/users/{user_id}", "2xx"): 2,
        ("GET", "/users/{user_id}", "4xx"): 1,
        ("GET", "/api/metrics/{name}", "2xx"): 1,
        ("GET", "/direct", "4xx"): 1,
        ("GET", OTHER, "4xx"): 1,
        (OTHER, OTHER, "4xx"): 1,
    }


def test_further_routes_are_told_together() -> None:
    registry = CollectorRegistry()
    times = HttpTimes(registry, ManualClock(0).monotonic)
    for number in range(ROUTES_MAX + 50):
        times.took(f"/{number}", "GET", 200, 0.1)
    found = counts(registry)
    assert len(found) == ROUTES_MAX + 1
    assert found[("GET", OTHER, "2xx")] == 50
