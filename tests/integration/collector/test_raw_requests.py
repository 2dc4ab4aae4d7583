"""Requests that no HTTP library would send: none of them makes the server fail.

Each goes over a connection of its own, byte for byte. An answer is the client's mistake (4xx) with
a problem document, or the server's HTTP library ends the talk with a bare 4xx; never a 5xx, and the
next request is answered as ever.
"""

import asyncio
import threading
from collections.abc import AsyncIterator

import httpx
import pytest

from rtcdp.clock import SystemClock
from rtcdp.runtime.http.server import run_http_server
from rtcdp.runtime.processes.ports import claim_port, is_listening
from rtcdp.runtime.settings import Settings

EVENT = b'{"userId":"u","timestamp":1767225600000,"eventType":"PAGE_VIEW"}'
CHUNKED = (
    b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
PLAIN = b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
GET = b"GET /api/ledger HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"

DAMAGED_BODIES = {
    "a size that is no number": CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n",
    "a negative size": CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n",
    "a size of 17 digits": CHUNKED + b"11111111111111111\r\nabc\r\n0\r\n\r\n",
    "a size of a megabyte of zeros": CHUNKED + b"0" * 2**20 + b"3\r\nabc\r\n0\r\n\r\n",
    "a bad size after a good chunk": CHUNKED + b"3\r\nabc\r\nzz\r\nabc\r\n0\r\n\r\n",
    "an extension of a megabyte": CHUNKED + b"3;" + b"a" * 2**20 + b"\r\nabc\r\n0\r\n\r\n",
    "a trailer of a megabyte": CHUNKED + b"3\r\nabc\r\n0\r\nX: " + b"a" * 2**20 + b"\r\n\r\n",
    "ten thousand trailers": CHUNKED + b"3\r\nabc\r\n0\r\n" + b"X: a\r\n" * 10_000 + b"\r\n",
    "no line end after a chunk": CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n",
    "no size": CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
}
OTHER_REQUESTS = {
    "two lengths": PLAIN + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a length and chunks": PLAIN
    + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n",
    "a length that is no number": PLAIN + b"Content-Length: x\r\n\r\n",
    "an unknown transfer encoding": PLAIN + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "a header of a megabyte": PLAIN + b"X: " + b"a" * 2**20 + b"\r\n\r\n",
    "a thousand headers": PLAIN + b"X: a\r\n" * 1000 + b"\r\n",
    "a NUL in the method": b"PO\x00ST /v1/events HTTP/1.1\r\nHost: a\r\n\r\n",
    "a NUL in a header": GET + b"X: a\x00b\r\n\r\n",
    "a bare line feed": b"GET /api/ledger HTTP/1.1\nHost: a\nConnection: close\n\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
    "HTTP 2 unasked": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version 9": b"GET /api/ledger HTTP/9.9\r\nHost: a\r\n\r\n",
    "a method nobody knows": b"BREW /api/ledger HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "an encoding with raw bytes": PLAIN
    + b"Content-Encoding: \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
    "a type with raw bytes": PLAIN + b"Content-Type: \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
    "an upgrade": GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "expects something odd": PLAIN + b"Expect: 200-maybe\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.fixture
async def port(tmp_path) -> AsyncIterator[int]:
    settings = Settings(data_dir=tmp_path, port=claim_port("127.0.0.1", 0))
    stop = threading.Event()
    server = threading.Thread(target=run_http_server, args=(settings, SystemClock(), stop))
    server.start()
    try:
        while not is_listening(settings.host, settings.port):
            assert server.is_alive()
            await asyncio.sleep(0.02)
        yield settings.port
    finally:
        stop.set()
        await asyncio.to_thread(server.join, 20)
    assert not server.is_alive()


async def exchange(port: int, request: bytes) -> bytes:
    """What comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = bytearray()
    try:
        async with asyncio.timeout(60):
            writer.write(request)
            while piece := await reader.read(65_536):
                answer += piece
    except ConnectionError:
        pass  # it answered without reading on, and closed
    finally:
        writer.close()
    return bytes(answer)


async def still_answers(port: int) -> bool:
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        taken = await client.post("/v1/events", content=EVENT)
        alive = await client.get("/health/live")
    return (taken.status_code, alive.status_code) == (200, 200)


async def test_a_damaged_body_is_the_clients_mistake(port: int) -> None:
    for name, request in DAMAGED_BODIES.items():
        answer = await exchange(port, request)
        if not answer:
            continue  # reset before it could be read
        assert answer.startswith(b"HTTP/1.1 400 "), (name, answer[:200])
        assert b"application/problem+json" in answer, name
    answer = await exchange(port, DAMAGED_BODIES["a size that is no number"])
    assert b'"code":"body_damaged"' in answer
    assert await still_answers(port)


async def test_a_length_beside_chunks_does_not_cut_them_short(port: int) -> None:
    whole = b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVENT) + 1, EVENT + b"\n")
    for headers in (b"Content-Length: 3\r\n%s", b"%sContent-Length: 3\r\n"):
        head = PLAIN + headers % b"Transfer-Encoding: chunked\r\n" + b"\r\n"
        answer = await exchange(port, head + b"3\r\n   \r\n" + whole)
        assert b'"accepted":1' in answer or answer.startswith(b"HTTP/1.1 400 "), answer


async def test_no_request_makes_the_server_fail(port: int) -> None:
    for name, request in OTHER_REQUESTS.items():
        answer = await exchange(port, request)
        assert not answer.startswith(b"HTTP/1.1 5"), (name, answer[:300])
    assert await still_answers(port)
