"""Lists as files."""

import asyncio
import csv
import io
import json
import math
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from litestar import Litestar, Request, Response, get
from litestar.testing import TestClient

from rtcdp.api.context import ApiContext, FilesUnderWay
from rtcdp.api.limits import ApiLimits, HttpLimits
from rtcdp.api.list_files import AskedList, list_answer
from rtcdp.api.manners import with_manners
from rtcdp.definitions import Count, Metric, TopK, tumbling
from rtcdp.runtime.http.answer_flow import AnswerFlow
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


@pytest.mark.parametrize(
    ("at_once", "paths"),
    [(1, (LISTS[0], LISTS[1], LISTS[9])), (1000, LISTS)],
)
def test_a_file_holds_what_all_pages_do(
    make_told: Callable[..., Api], at_once: int, paths: Sequence[str]
) -> None:
    """However many pages it is read in."""
    told = make_told(limits=ApiLimits(file_rows=at_once))
    for path in paths:
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


PATIENCE_S = 20.0


class Number(msgspec.Struct):
    n: int


class Numbers(msgspec.Struct):
    items: list[Number]
    next_cursor: str | None
    as_of: str | None = None
    lag_ms: int | None = None
    warning: str | None = None


class Question(msgspec.Struct):
    cursor: str | None = None
    limit: int = 1


class SlowList:
    """A list of three pages, of which the first is empty and the others come once they may, on a
    server that works out one answer at a time."""

    def __init__(self, context: ApiContext) -> None:
        self.is_asked, self.may = threading.Event(), threading.Event()

        @get("/slow", sync_to_thread=True)
        def slow(request: Request[Any, Any, Any]) -> Response[Any]:
            asked = AskedList("slow", Question(), self.page_of, {"n": "integer"})
            return list_answer(request, context, asked)

        @get("/quick")
        async def quick() -> str:
            return await asyncio.to_thread(str, 7)

        self.flow = AnswerFlow(HttpLimits(max_answers=1))
        self.app: Any = with_manners(Litestar([slow, quick], logging_config=None))

    def page_of(self, question: Question) -> Numbers:
        page = int(question.cursor or 0)
        if page:
            self.is_asked.set()
            assert self.may.wait(PATIENCE_S)
        return Numbers([Number(page)] if page else [], str(page + 1) if page < 2 else None)

    async def ask(self, path: str, query: str = "", rest_s: float = 0.0) -> list[Any]:
        """What is sent to a client that rests before it takes the next message."""
        messages: list[Any] = []
        is_over = asyncio.Event()

        async def receive() -> Any:
            await is_over.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            messages.append(message)
            await asyncio.sleep(rest_s)
            if not message.get("more_body", True):
                is_over.set()

        headers = [(b"accept-encoding", b"zstd"), (b"host", b"here")]
        asked = {"method": "GET", "path": path, "raw_path": path.encode(), "headers": headers}
        told = {"query_string": query.encode(), "root_path": "", "scheme": "http", "state": {}}
        scope: Any = {"type": "http", "http_version": "1.1", **asked, **told}
        try:
            await self.flow.serve(self.app, scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the server ends the connection
            messages.append(error)
        return messages


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
async def test_while_a_file_is_read_others_have_the_turn_and_the_threads(
    make_context: Callable[..., ApiContext], form: str
) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    with FilesUnderWay() as files:
        slow = SlowList(make_context(files=files))
        task = asyncio.create_task(slow.ask("/slow", f"format={form}"))
        try:
            while not slow.is_asked.is_set():
                assert not task.done()
                await asyncio.sleep(0.001)
            quick = await asyncio.wait_for(slow.ask("/quick"), PATIENCE_S / 4)
            assert quick[-1]["body"] == b"7"
        finally:
            slow.may.set()
        messages = await task
    assert messages[-1]["more_body"] is False
    assert files.under_way == 0


async def test_who_takes_a_file_too_slowly_loses_it(
    make_context: Callable[..., ApiContext],
) -> None:
    pace = HttpLimits(answer_grace_s=0.5, min_answer_bytes_per_s=10**9)
    with FilesUnderWay(pace=pace) as files:
        slow = SlowList(make_context(files=files))
        slow.may.set()
        whole = await slow.ask("/slow", "format=csv")
        assert whole[-1]["more_body"] is False
        cut = await slow.ask("/slow", "format=csv", rest_s=0.6)
    assert isinstance(cut[-1], Exception)
    assert all(message.get("more_body", True) for message in cut[:-1])
    assert files.under_way == 0


def test_a_parquet_file_leaves_room_on_the_disk(
    make_told: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = make_told(limits=ApiLimits(file_rows=1))
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**20))
    assert told.get("/api/sessions?format=parquet").content[4:] == b""
    assert told.get("/api/sessions?format=csv").text.count("\n") > 1
