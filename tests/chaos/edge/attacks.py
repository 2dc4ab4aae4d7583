"""What a hostile or careless client does. Each attack holds on until its block ends.

An attack takes the port and how many connections it may use, and gives back the statuses and
content types that it was answered with.
"""

import gzip
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeAlias

import httpx

Answers: TypeAlias = list[tuple[int, str]]
Attack: TypeAlias = Callable[[int, int], "contextmanager[Answers]"]

GET_EVENTS = b"GET /api/events?limit=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
GET_LIVE = b"GET /api/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HALF_HEADERS = b"GET /api/ledger HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: " + b"a" * 8_000
HALF_POST = b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{"
LARGE = 4 * 2**20
HALF_LARGE = (
    b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % LARGE
    + b" " * (LARGE - 1)
)
BAD_CHUNK = (
    b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"11111111111111111\r\nabc\r\n0\r\n\r\n"
)
BOMB = gzip.compress(b"{}\n" * 10_000)
EVENT = b'{"userId":"u","timestamp":1767225600000,"eventType":"PAGE_VIEW"}'


@contextmanager
def _connections(port: int, count: int, sent: bytes, window: int = 0) -> Iterator[Answers]:
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.socket())
            if window:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            connection.settimeout(10)
            connection.connect(("127.0.0.1", port))
            try:
                connection.sendall(sent)
            except OSError:
                continue  # refused before all of it was sent
        yield []


@contextmanager
def _requests(send: Callable[[httpx.Client, int], httpx.Response], port: int) -> Iterator[Answers]:
    """One request after the other, as fast as they are answered."""
    answers: Answers = []
    over = threading.Event()

    def run() -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as http:
            for number in itertools.count():
                if over.is_set():
                    return
                answer = send(http, number)
                answers.append((answer.status_code, answer.headers.get("content-type", "")))
                over.wait(0.05)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join()


def idle(port: int, count: int) -> "contextmanager[Answers]":
    """Connections that say nothing."""
    return _connections(port, count, b"")


def half_headers(port: int, count: int) -> "contextmanager[Answers]":
    return _connections(port, count, HALF_HEADERS)


def half_posts(port: int, count: int) -> "contextmanager[Answers]":
    return _connections(port, count, HALF_POST)


def half_large_bodies(port: int, count: int) -> "contextmanager[Answers]":
    """Bodies of four megabytes, all but the last byte of them."""
    return _connections(port, min(count, 32), HALF_LARGE)


def slow_readers(port: int, count: int) -> "contextmanager[Answers]":
    """Clients that ask for much and read nothing of it."""
    return _connections(port, min(count, 110), GET_EVENTS, window=4_096)


def live_pages(port: int, count: int) -> "contextmanager[Answers]":
    """More live pages than are allowed, none of which reads."""
    return _connections(port, min(count, 200), GET_LIVE, window=4_096)


def damaged_chunks(port: int, count: int) -> "contextmanager[Answers]":
    return _connections(port, min(count, 500), BAD_CHUNK)


def bad_events(port: int, count: int) -> "contextmanager[Answers]":
    """Ten thousand bad events in 68 bytes, again and again."""
    del count
    headers = {"content-encoding": "gzip"}
    return _requests(lambda http, _: http.post("/v1/events", content=BOMB, headers=headers), port)


def many_sources(port: int, count: int) -> "contextmanager[Answers]":
    """Every event from a source of its own."""
    del count
    return _requests(lambda http, n: http.post(f"/v1/import?source=x{n}", content=EVENT), port)


ATTACKS = (
    idle,
    half_headers,
    half_posts,
    half_large_bodies,
    slow_readers,
    live_pages,
    damaged_chunks,
    bad_events,
    many_sources,
)
