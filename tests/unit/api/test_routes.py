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
