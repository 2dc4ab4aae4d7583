"""All routes together."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.testing.driver import Driver

Api = TestClient[Litestar]


def test_answers_are_not_cached_nor_guessed_at(api: Api) -> None:
    headers = api.get("/api/ledger").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


def test_what_users_sent_leaves_as_json_only(api: Api, driver: Driver) -> None:
    driver.feed({"userId": "<script>", "eventType": "PAGE_VIEW", "timestamp": driver.now_ms})
    driver.feed(b"<script>")
    driver.process()
    for path in ("/api/metrics/user_page_view_counts", "/api/dead-letters", "/api/events"):
        answer = api.get(path)
        assert "<script>" in answer.text
        assert answer.headers["content-type"] == "application/json"


def test_every_read_of_a_request_sees_one_snapshot(
    api: Api, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, real = [], driver.store.snapshot

    def counted() -> object:
        opened.append(1)
        return real()

    monkeypatch.setattr(driver.store, "snapshot", counted)
    for path in ("/api/ledger", "/api/metrics/revenue", "/api/events", "/metrics"):
        opened.clear()
        api.get(path)
        assert len(opened) == 1, path


def test_no_list_begins_after_its_end(api: Api) -> None:
    spans = set()
    for path, operations in api.get("/openapi.json").json()["paths"].items():
        names = {each["name"] for each in operations.get("get", {}).get("parameters", ())}
        if names >= {"from", "to"} and "{" not in path:
            code = api.get(f"{path}?from=2026-01-02&to=2026-01-01").status_code
            assert code in (400, 404), path
            spans |= {path} if code == 400 else set()
    assert spans >= {"/api/events", "/api/anomalies", "/api/late-events", "/api/query"}
    answer = api.get("/api/metrics/revenue?since=1d&to=2025-01-01")
    assert "comes after to=2025-01-01T00:00:00.000Z" in answer.json()["detail"]
