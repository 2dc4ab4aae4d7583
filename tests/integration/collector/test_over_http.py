"""The collector on its real server with the real log."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar

from rtcdp.clock import SystemClock
from rtcdp.intake.collector import Collector
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.routes import collector_routes
from rtcdp.log.contract import RawRecord
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter

LIMITS = CollectorLimits(body_timeout_s=0.5)


@dataclass
class Running:
    """A collector that serves HTTP on `port`."""

    port: int
    collector: Collector
    directory: Path
    client: httpx.AsyncClient

    async def exchange(self, *sent: bytes, want: int = -1) -> bytes:
        """Send raw bytes over a connection of its own.

        Returns what came back: all until the server closes (-1), or the first `want` bytes.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in sent:
                writer.write(piece)
                await writer.drain()
            return await (reader.read() if want < 0 else reader.readexactly(want))
        except ConnectionError:
            return b""
        finally:
            writer.close()

    def records(self) -> list[RawRecord]:
        reader = EmbeddedLogReader(self.directory)
        try:
            return list(reader.read(0, 0, 2**20).each())
        finally:
            reader.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not happened():
            await asyncio.sleep(0.01)


async def answers(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    log = EmbeddedLogWriter(tmp_path, SystemClock())
    collector = Collector(log, SystemClock(), LIMITS)
    port = free_port()
    server = Server(
        Litestar(collector_routes(collector), logging_config=None),
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        log_enabled=False,
    )
    serving = asyncio.create_task(server.serve())
    await answers(port)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        yield Running(port, collector, tmp_path, client)
    await collector.drain()
    server.stop()
    await serving
    collector.close()
    log.close()


def event(n: int = 1) -> bytes:
    return b'{"eventId":"e-%d","userId":"u","timestamp":1767225600000,"eventType":"PAGE_VIEW"}' % n


def head(*headers: str, path: str = "/v1/events") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode()


async def test_what_was_answered_with_200_is_in_the_log(running: Running) -> None:
    responses = await asyncio.gather(
        *[running.client.post("/v1/events?source=shop", content=event(n)) for n in range(50)]
    )
    assert {response.status_code for response in responses} == {200}
    records = running.records()
    assert sorted(record.raw for record in records) == sorted(event(n) for n in range(50))
    assert {record.source for record in records} == {"shop"}


async def test_rejected_events_are_in_the_log_with_their_bytes(running: Running) -> None:
    body = event(1) + b"\nbad\xff\n" + event(2)
    await running.client.post(
        "/v1/import", content=body, headers={"content-type": "application/x-ndjson"}
    )
    assert [record.raw for record in running.records()] == [event(1), b"bad\xff", event(2)]
    assert {record.intake for record in running.records()} == {"import"}


async def test_a_chunked_body_without_an_end_is_cut_off(running: Running) -> None:
    chunk = b"%x\r\n%s\r\n" % (2**20, b"x" * 2**20)
    answer = await running.exchange(head("Transfer-Encoding: chunked"), *[chunk] * 30)
    assert not answer or b" 413 " in answer.splitlines()[0]
    await until(lambda: running.collector.stats().refused == {"body_too_large": 1})
    assert (await running.client.post("/v1/events", content=event())).status_code == 200


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(running) -> None:
    answer = await running.exchange(head("Content-Length: 9999999999"))
    assert b" 413 " in answer.splitlines()[0]
    assert b'"code":"body_too_large"' in answer


async def test_a_slow_body_is_given_up(running: Running) -> None:
    answer = await running.exchange(head("Content-Length: 100"), b"{")
    assert b" 408 " in answer.splitlines()[0]
    assert running.collector.stats().pending_bytes == 0


async def test_half_a_body_is_not_recorded(running: Running) -> None:
    half = event()[:40]
    await running.exchange(head(f"Content-Length: {len(event())}"), half, want=0)
    await running.client.post("/v1/events", content=event(2))
    await until(lambda: running.collector.stats().pending_bytes == 0)
    assert [record.raw for record in running.records()] == [event(2)]


async def test_a_bomb_does_not_hold_up_the_others(running: Running) -> None:
    bomb = gzip.compress(b"\n" * (256 * 2**20), 9)
    bombs = [
        running.client.post("/v1/events", content=bomb, headers={"content-encoding": "gzip"})
        for _ in range(4)
    ]
    *refused, taken = await asyncio.gather(
        *bombs, running.client.post("/v1/events", content=event())
    )
    assert [response.status_code for response in refused] == [413] * 4
    assert taken.status_code == 200


async def test_a_web_socket_is_refused(running: Running) -> None:
    upgrade = (
        b"GET /v1/events HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert await running.exchange(upgrade, want=12) == b"HTTP/1.1 403"


async def test_draining_leaves_no_request_without_its_answer(running: Running) -> None:
    async def post(n: int) -> int:
        return (await running.client.post("/v1/events", content=event(n))).status_code

    posting = [asyncio.create_task(post(n)) for n in range(200)]
    await until(lambda: running.collector.stats().requests > 20)
    await running.collector.drain()
    statuses = await asyncio.gather(*posting)
    assert set(statuses) <= {200, 503}
    assert len(running.records()) == statuses.count(200)
