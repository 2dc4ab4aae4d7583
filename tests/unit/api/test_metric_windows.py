"""The catalog, and the windows of any metric."""

from collections.abc import Callable
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import START_MS, Driver
from rtcdp.vocabulary.measure import Count, TopK
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.window import tumbling

Api = TestClient[Litestar]
VIEWS = "/api/metrics/user_page_view_counts"


@pytest.fixture
def views(driver: Driver) -> None:
    driver.feed(
        *({"userId": u, "eventType": "PAGE_VIEW", "timestamp": START_MS} for u in ("ada", "bob"))
    )
    driver.process()


def test_the_catalog_describes_each_metric(make_api: Callable[..., Api]) -> None:
    metric = Metric(
        name="searches",
        title="Searches",
        description="What is searched.",
        key=("source",),
        window=tumbling(minutes=1),
        measures=(Count("n"), TopK("pages", "pageUrl", k=3)),
    )
    body = make_api(metrics=(metric,)).get("/api/metrics").json()
    assert body["items"] == [
        {
            "name": "searches",
            "title": "Searches",
            "description": "What is searched.",
            "key": ["source"],
            "window": {"size_ms": 60_000, "slide_ms": 60_000},
            "measures": [
                {"name": "n", "kind": "count"},
                {"name": "pages", "kind": "topk", "field": "pageUrl", "k": 3},
            ],
            "fingerprint": metric.fingerprint,
            "url": "/api/metrics/searches",
        }
    ]


@pytest.mark.usefixtures("views")
def test_windows_come_with_a_cursor_and_their_freshness(api: Api) -> None:
    body = api.get(f"{VIEWS}?limit=3").json()
    assert [item["userId"] for item in body["items"]] == ["ada", "bob", "ada"]
    assert (body["as_of"], body["lag_ms"]) == ("2026-01-01T00:00:00.000Z", 0)
    rest = api.get(f"{VIEWS}?limit=3&cursor={body['next_cursor']}").json()
    assert [item["userId"] for item in rest["items"]] == ["bob"]
    assert rest["next_cursor"] is None
    assert set(rest) == {"items", "next_cursor", "as_of", "lag_ms"}


@pytest.mark.usefixtures("views")
def test_windows_are_narrowed_by_key_and_time(api: Api) -> None:
    start = "2026-01-01T00:00:00.000Z"
    items = api.get(f"{VIEWS}?userId=ada&from={start}&to={START_MS + 1}").json()["items"]
    assert [(item["userId"], item["window_start"]) for item in items] == [("ada", start)]


@pytest.mark.usefixtures("views")
def test_to_is_not_included(api: Api) -> None:
    items = api.get(f"{VIEWS}?userId=ada&to={START_MS}").json()["items"]
    assert [item["window_start"] for item in items] == ["2025-12-31T23:59:30.000Z"]


def test_an_unknown_metric_is_told_the_known_ones(api: Api) -> None:
    answer = api.get("/api/metrics/views")
    assert answer.status_code == 404
    assert answer.json()["hint"] == "ask for one of: user_page_view_counts, revenue"


def test_an_unknown_key_is_told_the_known_ones(api: Api) -> None:
    answer = api.get(f"{VIEWS}?productId=p1")
    assert answer.status_code == 400
    assert answer.json()["hint"] == "send userId, from, to, limit or cursor"


@pytest.mark.parametrize(
    "query", ["from=noon", "limit=0", "limit=1001", "cursor=zzz", "cursor=WzFd", "cursor="]
)
def test_a_malformed_parameter_is_refused(api: Api, query: str) -> None:
    assert api.get(f"{VIEWS}?{query}").status_code == 400


def test_a_metric_that_nobody_has_computed_yet_says_so(
    make_api: Callable[..., Api], tmp_path: Path
) -> None:
    store = SqliteStore(tmp_path / "other.db", read_only=True)
    assert make_api(store=store).get(VIEWS).json()["incomplete"] is True
    store.close()


@pytest.mark.usefixtures("views")
def test_an_answer_says_from_where_on_it_is_whole(api: Api, driver: Driver) -> None:
    assert "complete_from" not in api.get(VIEWS).json()
    driver.store.limit_completeness("user_page_view_counts", START_MS)
    answer = api.get(VIEWS)
    body = answer.json()
    assert body["complete_from"] == "2026-01-01T00:00:00.000Z"
    assert answer.headers["x-complete-from"] == "2026-01-01T00:00:00.000Z"
    assert [item.get("partial") for item in body["items"]] == [None, None, True, True]
