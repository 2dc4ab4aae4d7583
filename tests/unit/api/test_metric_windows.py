"""The catalog, and the windows of any metric."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.definitions import (
    Calendar,
    Compare,
    Count,
    Last,
    Metric,
    Property,
    Quantile,
    Ratio,
    TopK,
    UrlPath,
    event_type,
    sliding,
    tumbling,
)
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import START_MS, Driver

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
        measures=(
            Count("n"),
            TopK("pages", "pageUrl", k=3),
            Count("large", where=Compare("value", ">=", 100)),
            Ratio("share", of="large", to="n"),
        ),
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
                {"name": "n", "kind": "count", "says": "how many events"},
                {
                    "name": "pages",
                    "kind": "topk",
                    "says": "the 3 most frequent `pageUrl`, with their counts",
                    "field": "pageUrl",
                    "k": 3,
                },
                {
                    "name": "large",
                    "kind": "count",
                    "says": "how many events, of events where `value >= 100`",
                    "where": "events where `value >= 100`",
                },
                {
                    "name": "share",
                    "kind": "ratio",
                    "says": "`large` divided by `n`",
                    "of": "large",
                    "to": "n",
                },
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
    assert (
        answer.json()["hint"] == "send userId, from, to, since, at, state, limit, cursor or format"
    )


@pytest.mark.parametrize(
    "query",
    [
        *("from=noon", "limit=0", "limit=1001", "cursor=zzz", "cursor=WzFd", "cursor="),
        *("cursor=WzkyMjMzNzIwMzY4NTQ3NzU4MDdd", "state=half", "at=", "at=now&state=open"),
        *("at=now&from=0", "since=1h&from=0", "since=hour", "from=1767225600", "userId=%00"),
        "&".join(f"userId={n}" for n in range(51)),
    ],
)
def test_a_malformed_parameter_is_refused(api: Api, query: str) -> None:
    assert api.get(f"{VIEWS}?{query}").status_code == 400


def test_a_metric_that_nobody_has_computed_yet_says_so(
    make_api: Callable[..., Api], tmp_path: Path
) -> None:
    store = SqliteStore(tmp_path / "other.db", read_only=True)
    assert make_api(store=store).get(VIEWS).json()["incomplete"] is True
    store.close()


class DriverClock:
    """Shows the driver's time."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def now_ms(self) -> int:
        return self._driver.now_ms

    def monotonic(self) -> float:
        return self._driver.now_ms / 1000


HOUR = Metric(
    name="user_page_view_counts",
    title="Page views per user, last hour",
    key=("userId",),
    predicate=event_type("PAGE_VIEW"),
    window=sliding(size_seconds=3600, every_seconds=600),
    measures=(Count("page_view_count"),),
)


@pytest.fixture(params=["written out", "panes"])
def hour(
    request: pytest.FixtureRequest,
    make_driver: Callable[..., Driver],
    make_api: Callable[..., Api],
) -> tuple[Driver, Api]:
    """An hour that slides by ten minutes, or by half an hour, which stores keep in another way."""
    slide_s = 600 if request.param == "panes" else 1800
    metric = replace(HOUR, window=sliding(size_seconds=3600, every_seconds=slide_s))
    assert metric.window.is_written_out is (request.param == "written out")
    driver = make_driver(metric)
    clock = DriverClock(driver)
    return driver, make_api(store=driver.store, log=driver.log, metrics=(metric,), clock=clock)


def see_pages(driver: Driver, *users: str) -> None:
    driver.feed(
        *({"userId": u, "eventType": "PAGE_VIEW", "timestamp": driver.now_ms} for u in users)
    )
    driver.process()


def test_a_sliding_metric_leads_with_the_window_that_closed_last(hour: tuple[Driver, Api]) -> None:
    driver, api = hour
    see_pages(driver, "ada", "ada")
    driver.advance(seconds=3600)
    see_pages(driver, "ada")
    items = api.get(VIEWS).json()["items"]
    assert items[0]["window_end"] == "2026-01-01T01:00:00.000Z"
    assert items[0]["page_view_count"] == 2
    ended = [item["window_end"] <= "2026-01-01T01:00:00.000Z" for item in items]
    assert ended == sorted(ended, reverse=True)
    assert len(set(ended)) == 2
    for part in (True, False):
        of_part = [item for item, is_ended in zip(items, ended, strict=True) if is_ended is part]
        starts = [item["window_start"] for item in of_part]
        assert starts == sorted(starts, reverse=True)


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_page_by_page_each_window_comes_once_though_time_goes_on(
    hour: tuple[Driver, Api], limit: int
) -> None:
    driver, api = hour
    see_pages(driver, "ada")
    driver.advance(seconds=3600)
    see_pages(driver, "ada", "bob")
    expected = api.get(VIEWS).json()["items"]
    found, cursor = [], ""
    while cursor is not None:
        body = api.get(f"{VIEWS}?limit={limit}{cursor and f'&cursor={cursor}'}").json()
        found += body["items"]
        cursor = body["next_cursor"]
        driver.advance(seconds=600)
    assert found == expected


def test_open_and_closed_windows_can_be_asked_for_alone(hour: tuple[Driver, Api]) -> None:
    driver, api = hour
    see_pages(driver, "ada")
    driver.advance(seconds=3600)
    see_pages(driver, "ada")
    closed = api.get(f"{VIEWS}?state=closed").json()["items"]
    opened = api.get(f"{VIEWS}?state=open").json()["items"]
    assert {item["window_end"] <= "2026-01-01T01:00:00.000Z" for item in closed} == {True}
    assert {item["window_end"] > "2026-01-01T01:00:00.000Z" for item in opened} == {True}
    assert closed + opened == api.get(VIEWS).json()["items"]


def test_at_now_is_the_window_that_ends_now(hour: tuple[Driver, Api]) -> None:
    driver, api = hour
    see_pages(driver, *["ada"] * 5)
    driver.advance(seconds=3599)
    see_pages(driver, "bob")
    assert api.get(f"{VIEWS}?at=now&userId=bob").json()["items"] == []
    driver.advance(seconds=1)
    items = api.get(f"{VIEWS}?at=now").json()["items"]
    assert [(item["userId"], item["page_view_count"]) for item in items] == [("ada", 5), ("bob", 1)]
    assert {item["window_end"] for item in items} == {"2026-01-01T01:00:00.000Z"}
    driver.advance(seconds=7200)
    assert api.get(f"{VIEWS}?at=now").json()["items"] == []
    assert api.get(f"{VIEWS}?at=2026-01-01T01:00:00Z").json()["items"] == items


def test_each_window_says_whether_it_may_still_change(api: Api, driver: Driver) -> None:
    see_pages(driver, "ada")
    driver.advance(seconds=600 + 30)
    see_pages(driver, "bob")
    finals = {i["window_end"]: i["final"] for i in api.get(f"{VIEWS}?userId=ada").json()["items"]}
    assert finals == {"2026-01-01T00:00:30.000Z": True, "2026-01-01T00:01:00.000Z": False}


def test_before_the_first_event_nothing_is_final(api: Api) -> None:
    assert api.get(VIEWS).json()["items"] == []


@pytest.mark.usefixtures("views")
def test_several_values_of_a_key_mean_any_of_them(api: Api, driver: Driver) -> None:
    see_pages(driver, "eve")
    items = api.get(f"{VIEWS}?userId=bob&userId=ada&userId=nobody").json()["items"]
    assert [item["userId"] for item in items] == ["ada", "bob", "ada", "bob"]
    first = api.get(f"{VIEWS}?userId=bob&userId=ada&limit=3").json()
    rest = api.get(f"{VIEWS}?userId=bob&userId=ada&limit=3&cursor={first['next_cursor']}").json()
    assert first["items"] + rest["items"] == items


@pytest.mark.usefixtures("views")
def test_since_is_counted_from_now(api: Api, driver: Driver) -> None:
    driver.advance(seconds=30)
    items = api.get(f"{VIEWS}?since=30s&userId=ada").json()["items"]
    assert [item["window_start"] for item in items] == ["2026-01-01T00:00:00.000Z"]
    assert len(api.get(f"{VIEWS}?since=1m&userId=ada").json()["items"]) == 2


def test_a_catalog_that_did_not_change_is_not_sent_again(api: Api, driver: Driver) -> None:
    first = api.get("/api/metrics")
    see_pages(driver, "ada")
    again = api.get("/api/metrics", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert first.headers["cache-control"] == again.headers["cache-control"] == "no-cache"
    assert again.headers["x-lag-ms"] == "0"


@pytest.mark.usefixtures("views")
def test_an_answer_says_from_where_on_it_is_whole(api: Api, driver: Driver) -> None:
    assert "complete_from" not in api.get(VIEWS).json()
    driver.store.limit_completeness("user_page_view_counts", START_MS)
    answer = api.get(VIEWS)
    body = answer.json()
    assert body["complete_from"] == "2026-01-01T00:00:00.000Z"
    assert answer.headers["x-complete-from"] == "2026-01-01T00:00:00.000Z"
    assert [item.get("partial") for item in body["items"]] == [None, None, True, True]


def test_what_is_derived_is_asked_for_and_drilled_into_like_a_field(
    make_driver: Callable[..., Driver], make_api: Callable[..., Api]
) -> None:
    metric = Metric(
        name="by_country",
        title="By country",
        key=(Property("country"),),
        window=Calendar("day", "Europe/Berlin"),
        measures=(Count("n"), Last("page", UrlPath()), Quantile("median", 0.5)),
    )
    driver = make_driver(metric)
    for country, value in (("DE", 5), ("FR", 7), ("DE", 9)):
        driver.feed(
            {
                "userId": "ada",
                "eventType": "A",
                "timestamp": START_MS,
                "pageUrl": f"https://x.example/{value}?a=b",
                "value": value,
                "properties": {"country": country},
            }
        )
    driver.process()
    api = make_api(metrics=(metric,), store=driver.store, log=driver.log)
    (item,) = api.get("/api/metrics/by_country?country=DE").json()["items"]
    assert item["country"] == "DE"
    assert item["window_start"] == "2025-12-31T23:00:00.000Z"
    assert item["window_end"] == "2026-01-01T23:00:00.000Z"
    assert (item["n"], item["page"]) == (2, "/9")
    assert item["median"] == pytest.approx(5, rel=0.01)
    wanted = "metric=by_country&window_start=2025-12-31T23:00:00.000Z&country=DE"
    events = api.get(f"/api/events?{wanted}").json()["items"]
    assert [each["event"]["value"] for each in events] == [5, 9]
    without = api.get("/api/events?country=DE")
    assert without.status_code == 400
    assert "metric=NAME" in without.text
    off = api.get("/api/events?metric=by_country&window_start=2026-01-01T00:00:00Z")
    assert off.status_code == 400
    (described,) = api.get("/api/metrics").json()["items"]
    assert described["window"]["unit"] == "day"
    assert described["window"]["zone"] == "Europe/Berlin"
    assert described["key"] == ["country"]


def test_a_metric_that_came_later_is_answered_and_says_how_far_it_is_filled(
    make_driver: Callable[..., Driver], make_api: Callable[..., Api]
) -> None:
    metrics = [Metric("first", "F", tumbling(minutes=1), (Count("n"),))]
    driver = make_driver(*metrics)
    for _ in range(4):
        driver.feed({"userId": "ada", "eventType": "A", "timestamp": START_MS})
    driver.process()
    api = make_api(metrics=metrics, store=driver.store, log=driver.log)
    assert api.get("/api/metrics/later").status_code == 404
    later = Metric("later", "L", tumbling(minutes=1), (Count("n"),), (Property("plan"),))
    metrics.append(later)
    driver.store.prepare(metrics)
    driver.store.commit_backfill("later", (), {0: 3}, complete=False)
    described = {item["name"]: item for item in api.get("/api/metrics").json()["items"]}
    assert described["later"]["filled_percent"] == 75
    assert "filled_percent" not in described["first"]
    assert api.get("/api/metrics/later?plan=pro").json()["incomplete"] is True
    driver.store.commit_backfill("later", (), {0: 4}, complete=True)
    described = {item["name"]: item for item in api.get("/api/metrics").json()["items"]}
    assert "filled_percent" not in described["later"]


def test_a_file_of_windows_holds_what_the_list_shows(
    make_api: Callable[..., Api], make_driver: Callable[..., Driver]
) -> None:
    metric = Metric(
        name="told",
        title="Told",
        key=("userId",),
        window=tumbling(minutes=1),
        measures=(
            Count("n"),
            TopK("pages", "pageUrl", k=3),
            Last("last_page", "pageUrl"),
            Quantile("median", 0.5),
            Ratio("share", of="n", to="n"),
        ),
    )
    driver = make_driver(metric)
    view = {"eventType": "PAGE_VIEW", "timestamp": START_MS}
    driver.feed({**view, "userId": "ada", "pageUrl": "/a", "value": 3}, {**view, "userId": "b"})
    driver.process()
    api = make_api(store=driver.store, metrics=(metric,))
    items = api.get("/api/metrics/told").json()["items"]
    lines = api.get("/api/metrics/told?format=jsonl").text.splitlines()
    assert [json.loads(line) for line in lines] == items
    rows = list(csv.DictReader(api.get("/api/metrics/told?format=csv").text.splitlines()))
    assert [list(row) for row in rows] == [list(item) for item in items]
    assert [(row["userId"], row["n"]) for row in rows] == [("ada", "1"), ("b", "1")]
    table = pl.read_parquet(io.BytesIO(api.get("/api/metrics/told?format=parquet").content))
    assert table["window_start"].to_list() == [datetime(2026, 1, 1, tzinfo=UTC)] * 2
    others = [name for name in table.columns if not name.startswith("window")]
    assert table.select(others).to_dicts() == [{n: i[n] for n in others} for i in items]


@pytest.mark.usefixtures("views")
def test_a_file_is_as_long_as_a_page_and_its_header_names_the_next_one(api: Api) -> None:
    names = []
    address: str | None = f"{VIEWS}?limit=1"
    while address is not None:
        answer = api.get(address, headers={"Accept": "text/csv"})
        names += [row["userId"] for row in csv.DictReader(answer.text.splitlines())]
        address = answer.links.get("next", {}).get("url")
        assert answer.headers["content-disposition"].endswith('user_page_view_counts.csv"')
    assert names == [item["userId"] for item in api.get(VIEWS).json()["items"]]
    assert api.get(f"{VIEWS}?format=csv&limit=1001").status_code == 400
