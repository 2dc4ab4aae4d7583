"""The API and the pages on the real server, log, engine and store."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from litestar import Litestar

from rtcdp.admission.rules import AdmissionRules
from rtcdp.answers import freshness as answers
from rtcdp.api import routes
from rtcdp.api.context import ApiContext
from rtcdp.api.documentation import openapi_config
from rtcdp.api.limits import ApiLimits
from rtcdp.api.problem import exception_handlers
from rtcdp.api.routes import api_routes
from rtcdp.catalog.catalog import load_catalog
from rtcdp.clock import SystemClock
from rtcdp.dashboard.routes import dashboard_routes
from rtcdp.engines.native.processor import Processor
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.store import StoreUnavailable
from rtcdp.store.sqlite import SqliteStore

FILES = 2
USERS = ["ada", "søren/å", "a//b/", "ユーザー", "%2F?#"]


@dataclass
class Installation:
    client: httpx.AsyncClient
    stop: threading.Event
    server: Server
    serving: asyncio.Task[None]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Installation]:
    """A server over a log with one page view of each user, which are counted."""
    clock, metrics = SystemClock(), load_catalog()
    lines = [
        f'{{"userId":"{user}","eventType":"PAGE_VIEW","timestamp":{clock.now_ms()}}}\n'
        for user in USERS
    ]
    writer = EmbeddedLogWriter(tmp_path, clock)
    writer.append([Delivery("".join(lines).encode(), len(lines), clock.now_ms())])
    writer.close()
    log, store = EmbeddedLogReader(tmp_path), SqliteStore(tmp_path / "store.db")
    Processor(log, store, metrics, AdmissionRules(), clock).run(threading.Event(), once=True)
    stop = threading.Event()
    limits = ApiLimits(live_clients=1, live_every_ms=20, files=FILES, file_rows=2)
    read = answers.Installation(store, metrics, clock, log)
    context = ApiContext(read, limits, stop=stop)
    app = Litestar(
        [*api_routes(context), *dashboard_routes(context)],
        exception_handlers=exception_handlers,
        openapi_config=openapi_config,
        logging_config=None,
    )
    port = free_port()
    server = Server(app, "127.0.0.1", port, interface=Interfaces.ASGI, log_level=LogLevels.error)
    serving = asyncio.create_task(server.serve())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        await until_alive(client)
        yield Installation(client, stop, server, serving)
    stop.set()
    if not serving.done():
        server.stop()
        await serving
    store.close()
    log.close()


async def test_any_user_id_arrives_as_it_was_sent(running: Installation) -> None:
    for user in USERS:
        path = f"/api/analytics/user/{quote(user, safe='')}/page-views"
        windows = (await running.client.get(path)).json()
        assert {window["userId"] for window in windows} == {user}


async def test_every_metric_of_the_catalog_answers(running: Installation) -> None:
    catalog = (await running.client.get("/api/metrics")).json()["items"]
    for metric in catalog:
        answer = await running.client.get(metric["url"])
        assert answer.status_code == 200
        assert "incomplete" not in answer.json()


async def test_caught_up_and_ready(running: Installation) -> None:
    ledger = (await running.client.get("/api/ledger")).json()
    assert ledger["totals"]["admitted"] == len(USERS)
    assert ledger["lag_ms"] == 0
    assert (await running.client.get("/health/ready")).status_code == 200


async def test_a_client_of_the_live_stream_that_goes_makes_room(running: Installation) -> None:
    async with running.client.stream("GET", "/api/live") as stream:
        lines = stream.aiter_lines()
        assert (await anext(lines)) == "event: tick"
        assert (await running.client.get("/api/live")).status_code == 503
    while True:
        async with running.client.stream("GET", "/api/live") as stream:
            if stream.status_code == 200:
                return
        await asyncio.sleep(0.02)


async def test_the_live_stream_ends_when_the_server_stops(running: Installation) -> None:
    async with running.client.stream("GET", "/api/live") as stream:
        lines = stream.aiter_lines()
        assert (await anext(lines)) == "event: tick"
        running.stop.set()
        assert [line async for line in lines][-1] == ""
    running.server.stop()
    await running.serving


async def test_a_file_that_can_not_be_read_to_its_end_is_cut_off(
    running: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client sees that it is not whole, and others can still have theirs."""
    path = "/api/metrics/user_page_view_counts"
    whole = (await running.client.get(f"{path}?format=jsonl")).text.splitlines()
    assert len(whole) == 2 * len(USERS)
    page_of, reads = routes.windows_page, count(1)

    def breaks_down(*asked: Any) -> Any:
        if next(reads) % 3 == 0:
            raise StoreUnavailable("the store is away")
        return page_of(*asked)

    monkeypatch.setattr(routes, "windows_page", breaks_down)
    for form in ("csv", "jsonl", "parquet"):
        for _ in range(2 * FILES):
            reads = count(1)
            with pytest.raises(httpx.RemoteProtocolError):
                await running.client.get(f"{path}?format={form}")
    monkeypatch.undo()
    assert (await running.client.get(f"{path}?format=jsonl")).text.splitlines() == whole


async def test_pages_and_assets_are_served(running: Installation) -> None:
    page = await running.client.get("/", headers={"Accept": "text/html"})
    assert "/assets/shell.js" in page.text
    script = await running.client.get("/assets/shell.js")
    assert script.headers["content-type"].startswith("text/javascript")


async def until_alive(client: httpx.AsyncClient) -> None:
    while True:
        try:
            await client.get("/health/live")
        except httpx.TransportError:
            await asyncio.sleep(0.02)
        else:
            return


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
