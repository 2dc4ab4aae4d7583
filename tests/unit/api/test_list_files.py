"""Lists as files."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.api.limits import ApiLimits
from rtcdp.definitions import Count, Metric, TopK, tumbling
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import START_MS, Driver
from tests.told import DAY, HOUR, START, Teller, visits

Api = TestClient[Litestar]

LISTS = (
    "/api/folds/page_paths",
    "/api/sessions",
    "/api/sessions?userId=bob&userId=a%2Fb",
    "/api/sessions?state=final",
    f"/api/sessions/{START}~ada/events",
    "/api/sessions/days?tz=Europe/Berlin",
    "/api/users/ada",
    "/api/funnels/shop_funnel?cohort=day",
    "/api/funnels/shop_funnel/people",
    "/api/retention/daily_retention",
    "/api/retention/daily_retention/people",
    "/api/paths/page_paths/people",
    "/api/joins/cart_outcomes",
    "/api/joins/cart_outcomes/totals?cohort=day",
)


@pytest.fixture
def make_told(make_api: Callable[..., Api], tmp_path: Path) -> Iterator[Callable[..., Api]]:
    store = SqliteStore(tmp_path / "told.db")
    teller = Teller(store)
    teller.tell(visits(), START + DAY + 2 * HOUR, [5, 1])
    read = teller.installation(START + DAY + 2 * HOUR + 5_000)
    parts = {"metrics": (), "clock": read.clock, "log": None, "folds": read.folds}
    yield lambda **more: make_api(store=store, **parts, **more)
    store.close()


@pytest.fixture
def told(make_told: Callable[..., Api]) -> Api:
    return make_told()


def all_items(api: Api, path: str) -> list[dict[str, Any]]:
    """What the pages of a list hold, two items at a time."""
    joined = "&" if "?" in path else "?"
    found, cursor = [], ""
    while cursor is not None:
        page = api.get(f"{path}{joined}limit=2{cursor and f'&cursor={cursor}'}").json()
        found += page["items"]
        cursor = page["next_cursor"]
    return found


def as_file(api: Api, path: str, form: str) -> Any:
    answer = api.get(f"{path}{'&' if '?' in path else '?'}format={form}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].endswith(f'.{form}"')
    return answer


def flat(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items with a row for each of the others that they hold."""
    rows = []
    for item in items:
        inner = [name for name, value in item.items() if value and isinstance(value, list)]
        inner = [name for name in inner if isinstance(item[name][0], dict)]
        plain = {name: value for name, value in item.items() if name not in inner}
        rows += [plain | each for each in item[inner[0]]] if inner else [plain]
    return rows


def as_text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict() | list():
            return msgspec.json.encode(value).decode()
        case _:
            return str(value)


def is_same(found: Any, said: Any) -> bool:
    if isinstance(found, datetime):
        return found == datetime.fromisoformat(said)
    if isinstance(found, float) and not isinstance(said, str):
        return math.isclose(found, said)
    return bool(found == said or found == as_text(said))


@pytest.mark.parametrize("at_once", [1, 1000])
def test_a_file_holds_what_all_pages_do(make_told: Callable[..., Api], at_once: int) -> None:
    """However many pages it is read in."""
    told = make_told(limits=ApiLimits(file_rows=at_once))
    for path in LISTS:
        items = all_items(told, path)
        assert items, path
        lines = as_file(told, path, "jsonl").text.splitlines()
        assert [json.loads(line) for line in lines] == items
        rows = flat(items)
        text = as_file(told, path, "csv").text
        table = list(csv.DictReader(io.StringIO(text, newline="")))
        assert {name for row in rows for name in row} <= set(table[0])
        assert table == [{name: as_text(row.get(name)) for name in table[0]} for row in rows]
        frame = pl.read_parquet(io.BytesIO(as_file(told, path, "parquet").content))
        assert frame.columns == list(table[0])
        for found, said in zip(frame.to_dicts(), rows, strict=True):
            assert all(is_same(found[name], said.get(name)) for name in found), (found, said)


def test_paths_are_a_file_too(told: Api) -> None:
    path = "/api/paths/page_paths?limit=3"
    items = told.get(path).json()["items"]
    assert [json.loads(each) for each in as_file(told, path, "jsonl").text.splitlines()] == items
    frame = pl.read_parquet(io.BytesIO(as_file(told, path, "parquet").content))
    assert frame["path"].to_list() == [item["path"] for item in items]


def test_a_page_is_a_file_where_its_limit_is_sent(told: Api) -> None:
    answer = as_file(told, "/api/sessions?limit=1", "jsonl")
    assert len(answer.text.splitlines()) == 1
    rest = told.get(answer.links["next"]["url"])
    names = [json.loads(each)["id"] for each in (answer.text + rest.text).splitlines()]
    assert names == [each["id"] for each in told.get("/api/sessions?limit=2").json()["items"]]


def test_what_is_wrong_is_said_before_anything_is_sent(told: Api) -> None:
    assert told.get("/api/sessions?format=xlsx").status_code == 400
    assert told.get("/api/sessions?format=csv&cursor=none").status_code == 400
    assert told.get("/api/folds/nothing?format=csv").status_code == 404
    assert (
        told.get("/api/sessions", headers={"Accept": "text/csv"})
        .headers["vary"]
        .startswith("Accept,")
    )


def test_so_many_files_at_once_and_no_more(make_told: Callable[..., Api]) -> None:
    told = make_told(limits=ApiLimits(files=0, file_rows=1))
    refused = told.get("/api/sessions?format=csv")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert "read pages with limit and cursor" in refused.json()["hint"]
    # What fits into a page is no long file.
    assert told.get("/api/sessions?format=csv&limit=2").status_code == 200
    assert told.get("/api/sessions?userId=nobody&format=csv").status_code == 200


def test_windows_and_events_are_read_to_the_end(
    make_api: Callable[..., Api], make_driver: Callable[..., Driver]
) -> None:
    measures = (Count("n"), TopK("pages", "pageUrl", k=3))
    metric = Metric("told", "Told", tumbling(minutes=1), measures, ("userId",))
    driver = make_driver(metric)
    driver.feed(
        *(
            {
                "userId": f"u{number}",
                "eventType": "PAGE_VIEW",
                "timestamp": START_MS,
                **({"pageUrl": "/=1"} if number == 4 else {}),
            }
            for number in range(5)
        )
    )
    driver.process()
    api = make_api(
        store=driver.store, metrics=(metric,), log=driver.log, limits=ApiLimits(file_rows=2)
    )
    items = api.get("/api/metrics/told").json()["items"]
    lines = as_file(api, "/api/metrics/told", "jsonl").text.splitlines()
    assert [json.loads(line) for line in lines] == items
    frame = pl.read_parquet(io.BytesIO(as_file(api, "/api/metrics/told", "parquet").content))
    assert frame["pages"].to_list() == [item["pages"] for item in items]
    assert frame["window_start"].to_list() == [datetime(2026, 1, 1, tzinfo=UTC)] * 5
    events = api.get("/api/events").json()["items"]
    assert len(events) == 5
    rows = list(csv.DictReader(as_file(api, "/api/events", "csv").text.splitlines()))
    assert [json.loads(row["event"]) for row in rows] == [each["event"] for each in events]
    narrowed = as_file(api, "/api/events?userId=u4", "jsonl").text
    assert [json.loads(each) for each in narrowed.splitlines()] == events[4:]
