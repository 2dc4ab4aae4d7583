"""The drill-down over HTTP."""

from collections.abc import Callable

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.testing.driver import START_MS, Driver

Api = TestClient[Litestar]


def event(event_id: str, user: str, second: int, kind: str = "PAGE_VIEW") -> dict[str, object]:
    instant = START_MS + 1000 * second
    return {"eventId": event_id, "userId": user, "eventType": kind, "timestamp": instant}


@pytest.fixture
def fed(driver: Driver) -> Driver:
    driver.advance(seconds=120)
    driver.feed(
        event("before", "ada", 29),
        event("first", "ada", 30),
        event("other user", "bob", 30),
        event("other type", "ada", 30, "SEARCH"),
        event("last", "ada", 89),
        event("last", "ada", 89),
        event("after", "ada", 90),
    )
    driver.process()
    return driver


def cell(start_ms: int, user: str) -> dict[str, str]:
    return {"metric": "user_page_view_counts", "window_start": str(start_ms), "userId": user}


@pytest.mark.usefixtures("fed")
def test_a_cell_holds_exactly_its_events_and_those_not_counted(api: Api) -> None:
    items = api.get("/api/events", params=cell(START_MS + 30_000, "ada")).json()["items"]
    assert [(item["event"]["eventId"], item["verdict"]) for item in items] == [
        ("first", "admitted"),
        ("last", "admitted"),
        ("last", "duplicate"),
    ]


@pytest.mark.usefixtures("fed")
def test_the_admitted_events_of_every_cell_are_as_many_as_it_counts(api: Api) -> None:
    windows = api.get("/api/metrics/user_page_view_counts").json()["items"]
    assert len(windows) == 7
    for window in windows:
        query = {
            "metric": "user_page_view_counts",
            "userId": window["userId"],
            "window_start": window["window_start"],
            "verdict": "admitted",
        }
        found = api.get("/api/events", params=query).json()["items"]
        assert len(found) == window["page_view_count"]


def test_an_event_is_shown_as_it_was_sent(api: Api, driver: Driver) -> None:
    sent = b'{"userId":"ada", "eventType":"SEARCH", "timestamp":%d, "more":[1.50]}' % START_MS
    driver.feed(sent)
    driver.process()
    answer = api.get("/api/events")
    assert sent in answer.content
    (item,) = answer.json()["items"]
    del item["event"]
    assert item == {
        "partition": 0,
        "offset": 0,
        "received_at": "2026-01-01T00:00:00.000Z",
        "source": "default",
        "intake": "live",
        "verdict": "admitted",
        "reason": None,
        "message": None,
    }


@pytest.mark.usefixtures("fed")
def test_pages_joined_together_are_the_whole(api: Api) -> None:
    whole = api.get("/api/events").json()["items"]
    pages, query = [], {"limit": "2"}
    while True:
        page = api.get("/api/events", params=query).json()
        pages += page["items"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert len(whole) == 7
    assert pages == whole


@pytest.mark.usefixtures("fed")
def test_from_and_to_are_event_times_and_narrow_a_window(api: Api) -> None:
    query = {**cell(START_MS + 30_000, "ada"), "to": str(START_MS + 31_000)}
    (item,) = api.get("/api/events", params=query).json()["items"]
    assert item["event"]["eventId"] == "first"


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ({"window_start": "0"}, "send metric=NAME with it"),
        ({"measure": "page_view_count"}, "send metric=NAME with it"),
        (cell(1, "ada"), "send a multiple of 30000 ms since 1970"),
        ({"verdict": "lost"}, "send admitted, duplicate, late, dead_letter, erased or unknown"),
    ],
)
def test_a_question_without_an_answer_is_refused(
    api: Api, query: dict[str, str], hint: str
) -> None:
    answer = api.get("/api/events", params=query)
    assert answer.status_code == 400
    assert answer.json()["hint"] == hint


def test_a_server_without_a_log_says_so(make_api: Callable[..., Api]) -> None:
    answer = make_api(log=None).get("/api/events")
    assert answer.status_code == 404
    assert "no log" in answer.json()["detail"]


@pytest.mark.usefixtures("fed")
def test_the_answer_says_how_fresh_and_how_whole_it_is(api: Api) -> None:
    body = api.get("/api/events").json()
    assert (body["as_of"], body["lag_ms"]) == ("2026-01-01T00:02:00.000Z", 0)
    assert body["log_trimmed"] is False


@pytest.mark.usefixtures("fed")
def test_events_can_be_asked_for_backwards(api: Api) -> None:
    forwards = api.get("/api/events?order=asc").json()["items"]
    assert forwards == api.get("/api/events").json()["items"]
    assert api.get("/api/events?order=desc").json()["items"] == forwards[::-1]


@pytest.mark.usefixtures("fed")
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_in_either_order_each_event_comes_once(api: Api, order: str, limit: int) -> None:
    query = f"/api/events?order={order}&userId=ada&verdict=admitted&limit={limit}"
    found, cursor = [], ""
    while cursor is not None:
        page = api.get(f"{query}{cursor and f'&cursor={cursor}'}").json()
        found += page["items"]
        cursor = page["next_cursor"]
    ids = ["before", "first", "other type", "last", "after"]
    expected = ids if order == "asc" else ids[::-1]
    assert [item["event"]["eventId"] for item in found] == expected


@pytest.mark.usefixtures("fed")
def test_a_cursor_of_one_order_is_refused_by_the_other(api: Api) -> None:
    for order, other in (("asc", "desc"), ("desc", "asc")):
        cursor = api.get(f"/api/events?order={order}&limit=1").json()["next_cursor"]
        assert api.get(f"/api/events?order={other}&cursor={cursor}").status_code == 400


@pytest.mark.usefixtures("fed")
def test_several_values_mean_any_of_them(api: Api) -> None:
    query = "/api/events?userId=bob&userId=ada&eventType=SEARCH&eventType=PAGE_VIEW"
    assert len(api.get(query).json()["items"]) == 7
    assert len(api.get("/api/events?userId=bob&userId=eve").json()["items"]) == 1
    several = api.get("/api/events?verdict=duplicate&verdict=late").json()["items"]
    assert [item["verdict"] for item in several] == ["duplicate"]


@pytest.mark.usefixtures("fed")
def test_since_is_counted_from_now(api: Api) -> None:
    items = api.get("/api/events?since=1m").json()["items"]
    assert [item["event"]["eventId"] for item in items] == ["last", "last", "after"]


@pytest.mark.parametrize(
    "query", ["order=up", "verdict=nope", "since=1h&from=0", "cursor=WzEsIC0xXQ"]
)
def test_what_is_not_possible_is_refused(api: Api, query: str) -> None:
    assert api.get(f"/api/events?{query}").status_code == 400
