"""The namesake metric at its own addresses."""

from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.testing.driver import START_MS, Driver

Api = TestClient[Litestar]

user_ids = st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text)


def view(driver: Driver, user_id: str, second: int = 0) -> None:
    driver.feed(
        {"userId": user_id, "eventType": "PAGE_VIEW", "timestamp": START_MS + 1000 * second}
    )
    driver.process()


def address(user_id: str) -> str:
    return f"/api/analytics/user/{quote(user_id, safe='')}/page-views"


def test_the_windows_of_a_user_have_exactly_four_fields(api: Api, driver: Driver) -> None:
    view(driver, "ada")
    view(driver, "grace")
    assert api.get(address("ada")).json() == [
        {
            "userId": "ada",
            "window_start": f"{start}.000Z",
            "window_end": f"{end}.000Z",
            "page_view_count": 1,
        }
        for start, end in [
            ("2026-01-01T00:00:00", "2026-01-01T00:01:00"),
            ("2025-12-31T23:59:30", "2026-01-01T00:00:30"),
        ]
    ]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(user_ids)
def test_any_user_id_can_be_asked_for(api: Api, driver: Driver, user_id: str) -> None:
    view(driver, user_id)
    found = api.get(address(user_id)).json()
    assert {item["userId"] for item in found} == {user_id}


@pytest.mark.parametrize("user_id", ["a/b", "a//b/", "/", "x/page-views", "%2F", "a?b#c", "ü +"])
def test_slashes_and_signs_belong_to_the_user_id(api: Api, driver: Driver, user_id: str) -> None:
    view(driver, user_id)
    assert len(api.get(address(user_id)).json()) == 2


def test_slashes_may_also_come_as_they_are(api: Api, driver: Driver) -> None:
    view(driver, "a/b")
    assert len(api.get("/api/analytics/user/a/b/page-views").json()) == 2


def test_a_user_without_page_views_has_an_empty_list(api: Api) -> None:
    assert api.get(address("nobody")).json() == []


@pytest.mark.parametrize("path", ["/api/analytics/user/ada", "/api/analytics/user//page-views"])
def test_other_addresses_below_user_say_what_to_ask(api: Api, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 404
    assert "/page-views" in answer.json()["hint"]


def test_a_user_id_that_is_not_utf_8_is_refused(api: Api) -> None:
    assert api.get("/api/analytics/user/%FF/page-views").status_code == 400


async def asked_raw(api: Api, raw_path: bytes) -> int:
    """The status for an address whose bytes are sent as they are."""
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    path = raw_path.decode("utf-8", "replace")
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": raw_path, "headers": []}
    scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http", "root_path": ""}
    await api.app(scope, receive, send)
    return int(str(sent[0]["status"]))


async def test_bytes_that_are_not_ascii_may_stand_in_the_address(api: Api, driver: Driver) -> None:
    view(driver, "søren")
    assert await asked_raw(api, "/api/analytics/user/søren/page-views".encode()) == 200
    assert await asked_raw(api, b"/api/analytics/user/s\xf8ren/page-views") == 400


def test_a_user_id_that_no_event_can_have_is_refused(api: Api) -> None:
    assert api.get("/api/analytics/user/a%00b/page-views").status_code == 400


@pytest.mark.parametrize("cursor", ["WzkyMjMzNzIwMzY4NTQ3NzU4MDcsImEiXQ", "WzAsICJhXHUwMDAwIl0"])
def test_a_cursor_of_no_window_is_refused(api: Api, cursor: str) -> None:
    assert api.get(f"{address('ada')}?cursor={cursor}").status_code == 400


def test_a_long_list_names_its_next_page(api: Api, driver: Driver) -> None:
    view(driver, "a/b")
    first = api.get(f"{address('a/b')}?limit=1")
    assert first.links["next"]["url"].startswith(address("a/b"))
    second = api.get(first.links["next"]["url"])
    assert [len(first.json()), len(second.json())] == [1, 1]
    assert first.json() != second.json()
    assert "link" not in second.headers


def test_recent_are_windows_that_ended_within_the_last_minutes(api: Api, driver: Driver) -> None:
    view(driver, "ada")
    driver.advance(seconds=5 * 60 + 30)
    (item,) = api.get("/api/analytics/recent-page-views").json()
    assert item["window_end"] == "2026-01-01T00:01:00.000Z"
    driver.advance(seconds=30)
    assert api.get("/api/analytics/recent-page-views").json() == []
    assert len(api.get("/api/analytics/recent-page-views?minutes=7").json()) == 2


@pytest.mark.parametrize("minutes", ["0", "-5", "five", "1000000"])
def test_minutes_must_be_a_sensible_number(api: Api, minutes: str) -> None:
    assert api.get(f"/api/analytics/recent-page-views?minutes={minutes}").status_code == 400


def test_without_the_metric_the_addresses_say_so(make_api: Callable[..., Api]) -> None:
    answer = make_api(metrics=()).get("/api/analytics/recent-page-views")
    assert answer.status_code == 404
    assert "user_page_view_counts" in answer.json()["detail"]


def test_windows_that_are_not_whole_are_left_out(api: Api, driver: Driver) -> None:
    driver.feed({"userId": "ada", "eventType": "PAGE_VIEW", "timestamp": START_MS})
    driver.process()
    for address in (
        "/api/analytics/user/ada/page-views",
        "/api/analytics/recent-page-views?minutes=5",
    ):
        assert len(api.get(address).json()) == 2
    driver.store.limit_completeness("user_page_view_counts", START_MS)
    for address in (
        "/api/analytics/user/ada/page-views",
        "/api/analytics/recent-page-views?minutes=5",
    ):
        answer = api.get(address)
        assert [row["window_start"] for row in answer.json()] == ["2026-01-01T00:00:00.000Z"]
        assert answer.headers["x-complete-from"] == "2026-01-01T00:00:00.000Z"
