"""The address of queries."""

import csv
import io

from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.api.query_routes import asked_of
from rtcdp.definitions import Count, Metric, Property, tumbling
from rtcdp.testing.driver import START_MS, Driver

Api = TestClient[Litestar]

MINUTE = 60_000


def fed(driver: Driver) -> None:
    driver.advance(seconds=600)
    for minute, user in [(0, "ada"), (3, "ada"), (3, "bob"), (4, "=eve")]:
        at = START_MS + minute * MINUTE
        driver.feed({"userId": user, "eventType": "PAGE_VIEW", "timestamp": at})
    driver.feed({"userId": "ada", "eventType": "PURCHASE", "timestamp": START_MS, "value": 2.5})
    driver.process()


def test_metrics_are_put_together_by_hour_and_key(driver: Driver, api: Api) -> None:
    fed(driver)
    answer = api.get(
        "/api/query?metrics=user_page_view_counts&group_by=userId&interval=hour&limit=1"
        "&tz=Asia/Kolkata&from=2025-12-31T18:30:00Z"
    ).json()
    assert answer["items"] == [
        {
            "window_start": "2025-12-31T23:30:00.000Z",
            "window_end": "2026-01-01T00:30:00.000Z",
            "local_start": "2026-01-01T05:00:00.000+05:30",
            "userId": "ada",
            "user_page_view_counts.page_view_count": 2,
            "final": False,
        },
        {
            "window_start": "2025-12-31T23:30:00.000Z",
            "window_end": "2026-01-01T00:30:00.000Z",
            "local_start": "2026-01-01T05:00:00.000+05:30",
            "userId": None,
            "user_page_view_counts.page_view_count": 2,
            "final": False,
            "other": True,
        },
    ]
    assert (answer["group_count"], answer["other_count"]) == (3, 2)


def test_metrics_stand_beside_each_other(driver: Driver, api: Api) -> None:
    fed(driver)
    path = "/api/query?metrics=revenue,revenue.revenue/user_page_view_counts.page_view_count"
    (item,) = api.get(f"{path}&since=1h").json()["items"]
    assert item["revenue.revenue"] == 2.5
    assert item["revenue.revenue/user_page_view_counts.page_view_count"] == 2.5 / 4


def test_every_form_holds_the_same_rows(driver: Driver, api: Api) -> None:
    fed(driver)
    path = "/api/query?metrics=user_page_view_counts&group_by=userId&since=1h&order_by=userId"
    items = api.get(path).json()["items"]
    rows = list(csv.DictReader(io.StringIO(api.get(f"{path}&format=csv").text)))
    assert [row["userId"].removeprefix("'") for row in rows] == [i["userId"] for i in items]
    assert [int(row["user_page_view_counts.page_view_count"]) for row in rows] == [1, 2, 1]
    lines = api.get(f"{path}&format=jsonl").text
    assert len(lines.splitlines()) == len(items) == 3


def test_what_can_not_be_asked_says_what_can(api: Api) -> None:
    answer = api.get("/api/query?metrics=revenue&group_by=userId")
    assert answer.status_code == 400
    assert answer.json()["hint"].endswith("by userId, ask for user_page_view_counts")
    assert api.get("/api/query?metrics=nothing").status_code == 404
    assert api.get("/api/query").json()["detail"] == "the query doesn't say what to ask for"


def test_the_fields_of_all_keys_are_parameters() -> None:
    metric = Metric("m", "M", tumbling(hours=1), (Count("n"),), (Property("country"),))
    names = [parameter.name for parameter in asked_of([metric]).parameters]
    assert {"metrics", "country", "group_by", "format"} <= set(names)
