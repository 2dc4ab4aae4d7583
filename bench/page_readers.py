"""Pages that are open: each reads the live stream, and is asked for again as often as its script
does. A process of its own reads them."""

import asyncio
import contextlib
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from urllib.parse import SplitResult, urlsplit

import uvloop
from rich.console import Console

say = Console(stderr=True).print
_PATIENCE_S = 60.0
REFRESH_S = 2.0
_REST, _REST_MAX_S = 10, 20.0
"""How often an open page is asked for again while events come in, and for how many times as long as
the answer took it rests, up to so long (`assets/refresh.js`)."""

_SHARED = {
    "Accept": "text/html",
    "Cache-Control": "max-age=1",
    "Accept-Encoding": "gzip, deflate, br, zstd",
}


@contextlib.contextmanager
def open_pages(url: str, count: int) -> Iterator[None]:
    """Pages that are open from when the block begins. A process of its own reads them: what sends
    events meanwhile doesn't wait for it."""
    context = multiprocessing.get_context("spawn")
    begun, over = context.Event(), context.Event()
    reader = context.Process(target=_keep_open, args=(url, count, begun, over))
    reader.start()
    try:
        assert begun.wait(_PATIENCE_S), "the process that reads pages did not begin"
        yield
    finally:
        over.set()
        reader.join()
    assert reader.exitcode == 0, "pages were refused, or have ended"


def _keep_open(url: str, count: int, begun: Event, over: Event) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_all_open(url, count, begun, over))


async def _all_open(url: str, count: int, begun: Event, over: Event) -> None:
    # Nobody opens a hundred pages in one moment.
    streams = [
        asyncio.create_task(part(urlsplit(url), number * REFRESH_S / count))
        for number in range(count)
        for part in (_read, _refresh)
    ]
    begun.set()
    began, worked = time.monotonic(), time.process_time()
    while not over.is_set():
        await asyncio.sleep(0.1)
    share = (time.process_time() - worked) / (time.monotonic() - began)
    say(f"the process that reads pages took {share:.1%} of a processor")
    ended = [stream for stream in streams if stream.done()]
    for stream in streams:
        stream.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
    assert not ended, f"{len(ended)} of {len(streams)} were refused, or have ended"


async def _read(url: SplitResult, after_s: float) -> None:
    await asyncio.sleep(after_s)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(_request(url, "/api/live?anomalies=true", "Accept: text/event-stream"))
    await _head(reader)
    while await reader.read(65_536):
        pass


async def _refresh(url: SplitResult, after_s: float) -> None:
    await asyncio.sleep(after_s)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    while True:
        began = time.monotonic()
        writer.write(_request(url, "/", *(f"{name}: {text}" for name, text in _SHARED.items())))
        await reader.readexactly(await _head(reader))
        took = time.monotonic() - began
        await asyncio.sleep(max(0, max(REFRESH_S, min(_REST * took, _REST_MAX_S)) - took))


def _request(url: SplitResult, path: str, *headers: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", f"Host: {url.netloc}", *headers)
    return "\r\n".join((*lines, "", "")).encode()


async def _head(reader: asyncio.StreamReader) -> int:
    """Reads what comes before an answer's body, and returns how long that is."""
    lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    assert b" 200 " in lines[0], lines[0]
    fields = dict(line.lower().split(b": ", 1) for line in lines[1:] if line)
    return int(fields.get(b"content-length", 0))
