"""How fast the overview is with many users in the store, and what open pages cost the intake.

    python -m bench.page [--users N] [--keep DIR]

A platform with a past of visits (`bench.page_past`). A real Chromium opens the overview: when it
first paints, and how long a click on another figure takes until its numbers are painted. The
server's part of a month is asked for over HTTP. Between, `OPEN_PAGES` pages are open, or are not,
in turns, while the collector takes in what it can: each reads the live stream, and asks for its
page again as often as the script of an open page does. A process of its own reads them.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx
import uvloop
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, sync_playwright
from rich.console import Console

from bench.engine import import_lines
from bench.installation import Platform
from bench.page_past import page_past

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPEN_PAGES = 100
TURNS = 3
TURN_S = 4.0
_SENDERS, _BATCH = 8, 100
_CLICKS = 8
_MONTH = "/?last=30d"
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
say = Console(stderr=True).print
_WATCHED = """(title) => {
  window.painted = new Promise((resolve) => {
    let began;
    const begin = (event) => (began = event.timeStamp);
    document.addEventListener("click", begin, { once: true, capture: true });
    document.addEventListener("rtcdp:refreshed", () => {
      if (document.getElementById("chart-title").textContent !== title) return;
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began)));
    });
  });
}"""
"""Tells how long after a click the chart of a title was painted."""

_PATIENCE_S = 60.0
_HTML = {"Accept": "text/html"}
_REFRESH_S = 2.0
_REST, _REST_MAX_S = 10, 20.0
"""How often an open page is asked for again while events come in, and for how many times as long as
the answer took it rests, up to so long (`assets/refresh.js`)."""

_SHARED = {**_HTML, "Cache-Control": "max-age=1", "Accept-Encoding": "gzip, deflate, br, zstd"}


def measure(users: int = 1_000_000, keep: Path | None = None) -> dict[str, float]:
    """Run a platform. Returns milliseconds: of the first paint, of clicks until their numbers are
    painted, of the server for a month (right after the start, once days were read ahead, and then);
    and events/s that were taken in without open pages and beside them."""
    with contextlib.ExitStack() as stack:
        data = keep or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"
        if not (data / "log").exists():
            now = round(time.time() * 1000)
            import_lines(data / "log", page_past(users, now), now)
        with Platform(data) as platform:
            platform.wait_until_caught_up(600)
            found = {"month_at_start_ms": _asked(platform.url, _MONTH, 1)[0]}
        platform = stack.enter_context(Platform(data))
        platform.wait_until_caught_up(600)
        found |= {f"{name}_ms": took for name, took in _painted(platform.url, "/").items()}
        say(found)
        found |= _beside_pages(platform.url)
        say(found)
        first, *others = _asked(platform.url, _MONTH, 10)
        found |= {"month_first_ms": first, "month_ms": median(others)}
        month = _painted(platform.url, _MONTH)
        return found | {f"{name}_month_ms": took for name, took in month.items()}


def _asked(url: str, path: str, times: int) -> list[float]:
    took = []
    with httpx.Client(timeout=120, headers=_HTML) as client:
        for _ in range(times):
            began = time.perf_counter()
            client.get(url + path).raise_for_status()
            took.append((time.perf_counter() - began) * 1000)
    return took


def _painted(url: str, path: str) -> dict[str, float]:
    with sync_playwright() as playwright:
        found_at = next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = playwright.chromium.launch(
            executable_path=found_at, args=["--no-sandbox", "--disable-gpu"]
        )
        paints = []
        for _ in range(5):
            page = browser.new_context().new_page()
            page.goto(url + path)
            paints.append(_first_paint(page))
            page.context.close()
        page = browser.new_page()
        page.goto(url + path)
        clicks = [_clicked(page) for _ in range(_CLICKS)]
        browser.close()
    return {"first_paint": median(paints), "click": median(clicks)}


def _clicked(page: Page) -> float:
    """From a click on a figure that is not shown until the frame with its chart, by the browser's
    own clock."""
    other = page.locator("#figures a:not([aria-current])").first
    title = other.locator(".tab-title").inner_text()
    page.evaluate(_WATCHED, title)
    other.click(no_wait_after=True)
    return float(page.evaluate("window.painted"))


def _first_paint(page: Page) -> float:
    """How long after it was asked for the page was painted first, by the browser's own clock. Asked
    from outside: pages let nobody evaluate texts in them."""
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        with contextlib.suppress(PlaywrightError):
            painted = page.evaluate(f"{_PAINTED} ?? null")
            if painted is not None:
                return float(painted)
        time.sleep(0.01)
    raise TimeoutError("the page was not painted")


def _beside_pages(url: str) -> dict[str, float]:
    rates: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(TURNS):
        for is_open in (False, True):
            rates[is_open].append(_turn(url, OPEN_PAGES if is_open else 0))
    return {"alone_events_per_s": median(rates[False]), "beside_events_per_s": median(rates[True])}


def _turn(url: str, readers: int) -> float:
    """Events a second that are taken in while so many pages are open."""
    with _open_pages(url, readers) if readers else contextlib.nullcontext():
        time.sleep(_REFRESH_S + 1)
        return asyncio.run(_taken_in(url))


async def _taken_in(url: str) -> float:
    sent = [0]
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        began = time.monotonic()
        end = began + TURN_S
        await asyncio.gather(*(_send(client, sent, end, number) for number in range(_SENDERS)))
        return sent[0] / (time.monotonic() - began)


@contextlib.contextmanager
def _open_pages(url: str, count: int) -> Iterator[None]:
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
        asyncio.create_task(part(urlsplit(url), number * _REFRESH_S / count))
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
        await asyncio.sleep(max(0, max(_REFRESH_S, min(_REST * took, _REST_MAX_S)) - took))


def _request(url: SplitResult, path: str, *headers: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", f"Host: {url.netloc}", *headers)
    return "\r\n".join((*lines, "", "")).encode()


async def _head(reader: asyncio.StreamReader) -> int:
    """Reads what comes before an answer's body, and returns how long that is."""
    lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    assert b" 200 " in lines[0], lines[0]
    fields = dict(line.lower().split(b": ", 1) for line in lines[1:] if line)
    return int(fields.get(b"content-length", 0))


async def _send(client: httpx.AsyncClient, sent: list[int], end: float, number: int) -> None:
    while time.monotonic() < end:
        now = round(time.time() * 1000)
        lines = [
            f'{{"userId":"l{number}-{n}","timestamp":{now},"eventType":"PAGE_VIEW","pageUrl":"/"}}'
            for n in range(_BATCH)
        ]
        (await client.post("/v1/events", content="\n".join(lines))).raise_for_status()
        sent[0] += _BATCH


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="a data folder to be kept, and used again")
    chosen = parser.parse_args()
    found: dict[str, Any] = measure(chosen.users, chosen.keep)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
