"""Dead letters, late events and duplicates over HTTP."""

from base64 import b64decode

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.testing.driver import Driver

Api = TestClient[Litestar]


def event(driver: Driver, event_id: str, user: str = "ada", old_s: int = 0) -> dict[str, object]:
    instant = driver.now_ms - 1000 * old_s
    return {"eventId": event_id, "userId": user, "eventType": "SEARCH", "timestamp": instant}


def test_a_dead_letter_has_its_reason_and_its_bytes_as_text(api: Api, driver: Driver) -> None:
    driver.feed(b'{"userId":"ada"}')
    driver.process()
    (item,) = api.get("/api/dead-letters").json()["items"]
    assert (item["reason"], item["step"]) == ("missing_field", "validate")
    assert (item["raw"], item["raw_encoding"]) == ('{"userId":"ada"}', "utf-8")
    assert item["received_at"] == "2026-01-01T00:00:00.000Z"


def test_bytes_that_are_no_text_come_as_base64(api: Api, driver: Driver) -> None:
    driver.feed(b'{"userId":"\xff"}')
    driver.process()
    (item,) = api.get("/api/dead-letters").json()["items"]
    assert item["raw_encoding"] == "base64"
    assert b64decode(item["raw"]) == b'{"userId":"\xff"}'


def test_a_late_event_has_its_user_and_time(api: Api, driver: Driver) -> None:
    driver.feed(event(driver, "1", old_s=3600))
    driver.process()
    (item,) = api.get("/api/late-events").json()["items"]
    assert (item["userId"], item["eventId"]) == ("ada", "1")
    assert item["event_time"] == "2025-12-31T23:00:00.000Z"
    assert item["raw"] is not None


def test_a_duplicate_has_no_bytes_of_its_own(api: Api, driver: Driver) -> None:
    driver.feed(event(driver, "1"), event(driver, "1"))
    driver.process()
    (item,) = api.get("/api/duplicates").json()["items"]
    assert (item["offset"], item["raw"], item["raw_encoding"]) == (1, None, None)


@pytest.mark.parametrize(
    ("query", "offsets"),
    [
        ("", [2, 1, 0]),
        ("?reason=not_json", [2]),
        ("?source=default", [2, 1, 0]),
        ("?source=app", []),
        ("?limit=2", [2, 1]),
        ("?reason=not_json&reason=missing_field", [2, 1, 0]),
        ("?reason=not_json&reason=future&source=default&source=app", [2]),
        ("?since=1h", [2, 1, 0]),
        ("?to=2026-01-01T00:00:00Z", []),
        ("?from=2026-01-01T00:00:00Z&to=2026-01-02", [2, 1, 0]),
        ("?from=2026-01-02", []),
    ],
)
def test_dead_letters_are_newest_first_and_can_be_narrowed(
    api: Api, driver: Driver, query: str, offsets: list[int]
) -> None:
    driver.feed(b"{}", b"{}", b"nothing")
    driver.process()
    items = api.get(f"/api/dead-letters{query}").json()["items"]
    assert [item["offset"] for item in items] == offsets


def test_the_next_page_goes_on_where_the_last_one_ended(api: Api, driver: Driver) -> None:
    driver.feed(b"{}", b"{}", b"{}")
    driver.process()
    first = api.get("/api/dead-letters?limit=2").json()
    second = api.get(f"/api/dead-letters?limit=2&cursor={first['next_cursor']}").json()
    assert [item["offset"] for item in second["items"]] == [0]
    assert second["next_cursor"] is None


def test_late_events_of_one_user(api: Api, driver: Driver) -> None:
    driver.feed(event(driver, "1", "ada", 3600), event(driver, "2", "bob", 3600))
    driver.process()
    (item,) = api.get("/api/late-events?userId=bob").json()["items"]
    assert item["eventId"] == "2"


@pytest.mark.parametrize(
    ("path", "known"),
    [("dead-letters", "not_json"), ("late-events", "late"), ("duplicates", "conflict")],
)
def test_an_unknown_reason_is_refused_with_the_known_ones(api: Api, path: str, known: str) -> None:
    assert api.get(f"/api/{path}?reason={known}").status_code == 200
    answer = api.get(f"/api/{path}?reason=nope")
    assert answer.status_code == 400
    assert known in answer.json()["hint"]


def test_several_reasons_come_page_by_page_in_one_order(api: Api, driver: Driver) -> None:
    driver.feed(b"{}", b"nothing", b"{}", b"nothing")
    driver.process()
    query = "/api/dead-letters?reason=not_json&reason=missing_field&limit=3"
    first = api.get(query).json()
    second = api.get(f"{query}&cursor={first['next_cursor']}").json()
    assert [item["offset"] for item in first["items"] + second["items"]] == [3, 2, 1, 0]
    assert second["next_cursor"] is None
