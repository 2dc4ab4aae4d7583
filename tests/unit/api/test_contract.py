"""What outsiders rely on, word for word: a change of the API is seen here before it is met there.

`python -m pytest tests/unit/api/test_contract.py` with `RTCDP_GOLDEN=write` writes the texts anew.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.testing.driver import START_MS, Driver

Api = TestClient[Litestar]

GOLDEN = Path(__file__).parent / "golden"
HEADERS = ("x-as-of", "x-lag-ms", "x-complete-from", "link", "etag", "cache-control")

_PAGE_VIEWS = "/api/metrics/user_page_view_counts"
_CELL = "metric=user_page_view_counts&window_start=2026-01-01T00:00:30Z&userId=ada"
REQUESTS = (
    "/api/analytics/user/ada/page-views",
    "/api/analytics/user/ada/page-views?limit=1",
    "/api/analytics/user/a%2Fb/page-views?limit=0",
    "/api/analytics/user//page-views",
    "/api/analytics/user/%FF/page-views",
    "/api/analytics/user/a%00/page-views",
    "/api/analytics/user/ada/pages",
    "/api/analytics/recent-page-views",
    "/api/analytics/recent-page-views?minutes=1&limit=2",
    "/api/analytics/recent-page-views?minutes=600000",
    "/api/analytics/recent-page-views?cursor=x",
    "/api/metrics",
    "/api/metrics?limit=1",
    "/api/metrics/nothing",
    _PAGE_VIEWS,
    f"{_PAGE_VIEWS}?limit=2",
    f"{_PAGE_VIEWS}?userId=ada&userId=bob&limit=3",
    f"{_PAGE_VIEWS}?userId=a%00",
    f"{_PAGE_VIEWS}?user=ada",
    f"{_PAGE_VIEWS}?nothing=1",
    f"{_PAGE_VIEWS}?limit=1&limit=2",
    f"{_PAGE_VIEWS}?limit=x",
    f"{_PAGE_VIEWS}?limit=1001",
    f"{_PAGE_VIEWS}?state=open",
    f"{_PAGE_VIEWS}?state=closed&from=2026-01-01&to=2026-01-01T00:01:00Z",
    f"{_PAGE_VIEWS}?state=opened",
    f"{_PAGE_VIEWS}?at=now",
    f"{_PAGE_VIEWS}?at=2026-01-01T00:01:59.999Z",
    f"{_PAGE_VIEWS}?at=now&from=2026-01-01",
    f"{_PAGE_VIEWS}?at=yesterday",
    f"{_PAGE_VIEWS}?since=1m",
    f"{_PAGE_VIEWS}?since=1m&from=2026-01-01",
    f"{_PAGE_VIEWS}?since=60",
    f"{_PAGE_VIEWS}?from=1767225600",
    f"{_PAGE_VIEWS}?from=1767225600000000",
    f"{_PAGE_VIEWS}?from=2026-01-01T00:00:00",
    f"{_PAGE_VIEWS}?to=soon",
    f"{_PAGE_VIEWS}?cursor=WzFd",
    f"{_PAGE_VIEWS}?cursor=%C3%BC",
    f"{_PAGE_VIEWS}?userId=%FF",
    "/api/metrics/revenue",
    "/api/metrics/revenue?userId=ada",
    "/api/events",
    "/api/events?limit=3",
    "/api/events?order=desc&limit=3",
    "/api/events?order=down",
    f"/api/events?{_CELL}",
    f"/api/events?{_CELL}&verdict=admitted&verdict=late",
    "/api/events?verdict=lat",
    "/api/events?window_start=2026-01-01",
    "/api/events?metric=nothing",
    "/api/events?metric=user_page_view_counts&measure=page_view_counts",
    "/api/events?metric=user_page_view_counts&window_start=1",
    "/api/events?source=shop&order=desc",
    "/api/events?eventType=SEARCH&from=2026-01-01&to=2026-01-02",
    "/api/events?cursor=WzAsMF0",
    "/api/events?order=desc&cursor=WzAsMF0",
    "/api/ledger",
    "/api/ledger?limit=1",
    "/api/ledger?since=1s",
    "/api/ledger?to=2026-01-01",
    "/api/dead-letters",
    "/api/dead-letters?limit=1",
    "/api/dead-letters?reason=not_json&reason=missing_field&source=shop",
    "/api/dead-letters?reason=late",
    "/api/dead-letters?to=2026-01-01T00:02:00Z",
    "/api/dead-letters?userId=ada&from=2026-01-01",
    "/api/late-events",
    "/api/late-events?userId=eve",
    "/api/duplicates",
    "/api/duplicates?reason=conflict",
    "/api/duplicates?reason=copy",
    "/api/live?limit=1",
    "/health/live",
    "/health/ready",
    "/nothing",
    "/metrics",
)


def event(event_id: str, user: str, second: int, kind: str = "PAGE_VIEW") -> dict[str, object]:
    instant = START_MS + 1000 * second
    return {"eventId": event_id, "userId": user, "eventType": kind, "timestamp": instant}


@pytest.fixture
def fed(driver: Driver) -> Driver:
    """Events of each verdict, in two minutes of intake, from two sources."""
    driver.advance(seconds=120)
    driver.feed(
        event("1", "ada", 29),
        event("2", "ada", 30),
        event("3", "bob", 30),
        event("4", "ada", 30, "SEARCH"),
        event("5", "ada", 89),
        event("5", "ada", 89),
        event("5", "ada", 88),
        event("6", "a/b", 90),
        {**event("7", "bob", 95, "PURCHASE"), "value": 12.5},
    )
    driver.process()
    driver.advance(seconds=60)
    driver.feed(b"{", b"\xff", b'{"userId": "ada"}', event("8", "cy", 9_000), source="shop")
    driver.feed(event("9", "eve", -3_600), event("a", "ada", 170), source="shop")
    driver.process()
    driver.advance(seconds=1)
    return driver


def without_examples(described: Any) -> int:
    """Takes the examples out, which are held where they are taken; how many there were."""
    found = 0
    for item in described["paths"].values():
        for operation in item.values():
            for response in operation["responses"].values():
                for content in response.get("content", {}).values():
                    found += content.pop("examples", None) is not None
    return found


def hold(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("RTCDP_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_the_description(api: Api) -> None:
    document = api.get("/openapi.json").json()
    del document["info"]["version"]
    assert without_examples(document) > 0
    hold("openapi.json", json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


@pytest.mark.usefixtures("fed")
def test_the_answers(api: Api) -> None:
    hold("answers.txt", "\n".join(map(shown_by(api), REQUESTS)))


def shown_by(api: Api) -> Any:
    def shown(address: str) -> str:
        answer = api.get(address)
        headers = [f"{name}: {answer.headers[name]}" for name in HEADERS if name in answer.headers]
        lines = [f"GET {address}", f"{answer.status_code}", *headers, answer.text.rstrip("\n")]
        return "\n".join(lines) + "\n"

    return shown
