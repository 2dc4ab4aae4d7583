"""The ledger over HTTP."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.testing.driver import Driver

Api = TestClient[Litestar]


def event(driver: Driver, event_id: str, seconds_old: int = 0) -> dict[str, object]:
    instant = driver.now_ms - 1000 * seconds_old
    return {"eventId": event_id, "userId": "a", "eventType": "SEARCH", "timestamp": instant}


@pytest.fixture
def fed(driver: Driver) -> Driver:
    driver.feed(event(driver, "1"), event(driver, "1"), event(driver, "2", 4000), b"{}")
    driver.feed(event(driver, "1"), source="app")
    driver.advance(seconds=60)
    driver.feed(event(driver, "3"))
    driver.process()
    return driver


@pytest.mark.usefixtures("fed")
def test_totals_balance(api: Api) -> None:
    totals = api.get("/api/ledger").json()["totals"]
    assert totals == {
        "received": 6,
        "admitted": 3,
        "duplicate": 1,
        "late": 1,
        "dead_letter": 1,
        "conflict": 0,
        "erased": 0,
    }


@pytest.mark.usefixtures("fed")
def test_items_are_by_source_and_minute_newest_first(api: Api) -> None:
    items = api.get("/api/ledger").json()["items"]
    assert [(item["minute"][11:16], item["source"], item["received"]) for item in items] == [
        ("00:01", "default", 1),
        ("00:00", "app", 1),
        ("00:00", "default", 4),
    ]


@pytest.mark.usefixtures("fed")
def test_pages_joined_together_are_the_whole(api: Api) -> None:
    whole, pages, cursor = api.get("/api/ledger").json()["items"], [], ""
    while cursor is not None:
        page = api.get(f"/api/ledger?limit=1{cursor and '&cursor='}{cursor}").json()
        assert len(page["items"]) == 1
        pages += page["items"]
        cursor = page["next_cursor"]
    assert pages == whole


@pytest.mark.usefixtures("fed")
def test_from_leaves_older_minutes_out(api: Api) -> None:
    items = api.get("/api/ledger?from=2026-01-01T00:01:00Z").json()["items"]
    assert [item["minute"] for item in items] == ["2026-01-01T00:01:00.000Z"]


@pytest.mark.usefixtures("fed")
def test_since_is_counted_from_now(api: Api, driver: Driver) -> None:
    driver.advance(seconds=60)
    now = driver.now_ms
    items = api.get("/api/ledger?since=1h").json()["items"]
    assert items == api.get("/api/ledger").json()["items"]
    newest = api.get(f"/api/ledger?from={now - 60_000}").json()["items"]
    assert api.get("/api/ledger?since=1m").json()["items"] == newest
    assert api.get("/api/ledger?since=1m&from=0").status_code == 400
