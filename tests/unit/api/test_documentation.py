"""The OpenAPI description."""

from litestar import Litestar
from litestar.testing import TestClient

Api = TestClient[Litestar]


def test_every_address_is_described_as_it_is_asked_for(api: Api) -> None:
    paths = api.get("/schema/openapi.json").json()["paths"]
    assert list(paths) == [
        "/api/analytics/user/{userId}/page-views",
        "/api/analytics/recent-page-views",
        "/api/metrics",
        "/api/metrics/user_page_view_counts",
        "/api/metrics/revenue",
        "/api/events",
        "/api/ledger",
        "/api/dead-letters",
        "/api/late-events",
        "/api/duplicates",
        "/api/live",
        "/health/live",
        "/health/ready",
        "/metrics",
    ]


def test_every_operation_has_a_summary_and_describes_its_errors(api: Api) -> None:
    paths = api.get("/schema/openapi.json").json()["paths"]
    operations = [operation for item in paths.values() for operation in item.values()]
    assert all(operation["summary"] for operation in operations)
    assert all("default" in operation["responses"] for operation in operations)


def test_parameters_are_described(api: Api) -> None:
    operation = api.get("/schema/openapi.json").json()["paths"]["/api/ledger"]["get"]
    assert [parameter["name"] for parameter in operation["parameters"]] == [
        "from",
        "since",
        "limit",
        "cursor",
    ]


def test_nothing_is_loaded_from_elsewhere(api: Api) -> None:
    assert "http" not in api.get("/schema").text.replace("httpx", "")
