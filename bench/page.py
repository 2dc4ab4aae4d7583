"""How fast the overview is with many users in the store, and what open pages cost the intake.

    python -m bench.page [--users N] [--keep DIR [--build]] [--pairs N]

A platform with a past of visits (`bench.page_past`), which is made first, or only that with
`--build`; a folder that was kept is used again. A real Chromium opens the overview: when it first
paints, and how long a click on another figure takes until its numbers are painted. The server's
part of a month is asked for over HTTP. Then `OPEN_PAGES` pages are open, or are not, in turns,
while the collector takes in what it can (`bench.page_readers`): which part of it they cost, and how
much of a processor each part of the platform, and each thread of its server, takes meanwhile.
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, sync_playwright
from prometheus_client.parser import text_string_to_metric_families

from bench.engine import import_lines
from bench.installation import Platform
from bench.page_past import PAST_MS, page_past
from bench.page_readers import REFRESH_S, open_pages, say
from rtcdp.runtime.processes.part import HTTP

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPEN_PAGES = 100
PAIRS = 6
TURN_S = 20.0
_SENDERS, _BATCH = 8, 100
_CLICKS = 8
_MONTH = "/?last=30d"
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
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
_IDLE_S, _IDLE_SHARE = 5.0, 0.05
_LOOK_S = 0.5
_THREAD, _WORTH_TELLING = "server's ", 0.001
_LOOKS = {
    "rtcdp_anomaly_looks_total": "looks for anomalies",
    "rtcdp_anomaly_look_cpu_seconds_total": "processor seconds of looks",
}


@dataclass(frozen=True)
class Turn:
    """What was taken in, and what it took: `shares` are of one processor, by part and, of the
    server, by thread. `pages` has what is counted of open pages, a second."""

    events_per_s: float
    shares: Mapping[str, float]
    pages: Mapping[str, float]


def prepare(data: Path, users: int) -> None:
    """A log with the past of so many users up to now. One that is there gets what would have come
    since it was made."""
    now, kept = round(time.time() * 1000), data / "past-until"
    if kept.exists():
        since = int(kept.read_text())
        some = round(users * (now - since) / PAST_MS)
        past = page_past(some, now, seed=since, span_ms=now - since, name=f"u{since}-")
    else:
        past = page_past(users, now)
    import_lines(data / "log", past, now)
    kept.write_text(str(now))


def measure(data: Path, pairs: int = PAIRS) -> dict[str, Any]:
    """Run a platform on a past. Returns milliseconds: of the first paint, of clicks until their
    numbers are painted (right after a start, and once days were read ahead), of the server for a
    month (right after the start, once days were read ahead, and then); which part of the intake
    open pages cost, in each pair of turns; and of a turn with them and one without the medians."""
    with Platform(data) as platform:
        platform.wait_until_caught_up(600, _LOOK_S)
        found: dict[str, Any] = {"month_at_start_ms": _asked(platform.url, _MONTH, 1)[0]}
    with Platform(data) as platform:
        platform.wait_until_caught_up(600, _LOOK_S)
        at_start = _painted(platform.url, "/")
        found |= {"first_paint_ms": at_start["first_paint"], "click_at_start_ms": at_start["click"]}
        _wait_until_idle(platform)
        found["click_ms"] = _painted(platform.url, "/")["click"]
        first, *others = _asked(platform.url, _MONTH, 10)
        found |= {"month_first_ms": first, "month_ms": median(others)}
        month = _painted(platform.url, _MONTH)
        found |= {f"{name}_month_ms": took for name, took in month.items()}
        say(found)
        return found | _beside_pages(platform, pairs)


def _wait_until_idle(platform: Platform) -> None:
    """Until its server has read days ahead."""
    end, before = time.monotonic() + _PATIENCE_S, platform.cpu_seconds()
    while time.monotonic() < end:
        time.sleep(_IDLE_S)
        now = platform.cpu_seconds()
        if now[HTTP] - before[HTTP] < _IDLE_SHARE * _IDLE_S:
            return
        before = now


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


def _beside_pages(platform: Platform, pairs: int) -> dict[str, Any]:
    """Turns with open pages and without, in pairs; every other pair begins with the pages, so that
    whatever grows meanwhile weighs on both."""
    turns: dict[bool, list[Turn]] = {False: [], True: []}
    costs = []
    for number in range(pairs):
        for is_open in (False, True) if number % 2 == 0 else (True, False):
            turns[is_open].append(_turn(platform, OPEN_PAGES if is_open else 0))
            say(f"{'with' if is_open else 'without'} pages: {turns[is_open][-1]}")
        alone, beside = (turns[is_open][-1].events_per_s for is_open in (False, True))
        costs.append(1 - beside / alone)
        say(f"pair {number + 1} of {pairs}: pages cost {costs[-1]:.1%}")
    found = {"pages_cost": median(costs), "pages_cost_min": min(costs)}
    return {
        **found,
        "pages_cost_max": max(costs),
        "alone": asdict(_usual(turns[False])),
        "beside": asdict(_usual(turns[True])),
    }


def _usual(turns: Sequence[Turn]) -> Turn:
    """The median of each number."""

    def medians(all_of: Sequence[Mapping[str, float]]) -> dict[str, float]:
        names = sorted({name for each in all_of for name in each})
        return {name: round(median(each.get(name, 0) for each in all_of), 4) for name in names}

    return Turn(
        median(turn.events_per_s for turn in turns),
        medians([turn.shares for turn in turns]),
        medians([turn.pages for turn in turns]),
    )


def _turn(platform: Platform, readers: int) -> Turn:
    """What is taken in while so many pages are open."""
    with open_pages(platform.url, readers) if readers else contextlib.nullcontext():
        time.sleep(REFRESH_S + 1)
        began, before, told = time.monotonic(), platform.cpu_seconds(), _told(platform.url)
        rate = asyncio.run(_taken_in(platform.url))
        after, told_after = platform.cpu_seconds(), _told(platform.url)
        lasted_s = time.monotonic() - began
    parts = {name: after[name] - before.get(name, 0) for name in after}
    grown = {name: (told_after[name] - told.get(name, 0)) / lasted_s for name in told_after}
    threads = {name: value for name, value in grown.items() if name.startswith(_THREAD)}
    shares = {name: taken_s / lasted_s for name, taken_s in parts.items()} | threads
    return Turn(
        rate,
        {name: round(share, 4) for name, share in shares.items() if share >= _WORTH_TELLING},
        {name: round(value, 3) for name, value in grown.items() if name not in threads},
    )


def _told(url: str) -> dict[str, float]:
    """What the server tells of its threads, and of what it does for open pages."""
    found = {}
    for family in text_string_to_metric_families(httpx.get(f"{url}/metrics", timeout=60).text):
        for name, labels, value, *_ in family.samples:
            if name == "rtcdp_thread_cpu_seconds_total":
                found[f"{_THREAD}{labels['thread']}"] = value
            elif name == "rtcdp_shared_pages_total":
                found[labels["answer"]] = value
            elif name in _LOOKS:
                found[_LOOKS[name]] = value
    return found


async def _taken_in(url: str) -> float:
    sent = [0]
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        began = time.monotonic()
        end = began + TURN_S
        await asyncio.gather(*(_send(client, sent, end, number) for number in range(_SENDERS)))
        return sent[0] / (time.monotonic() - began)


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
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of turns, with pages and without")
    parser.add_argument("--build", action="store_true", help="make the data folder, and no more")
    chosen = parser.parse_args()
    with contextlib.ExitStack() as stack:
        data = chosen.keep or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"
        prepare(data, chosen.users)
        if chosen.build:
            with Platform(data) as platform:
                platform.wait_until_caught_up(600, _LOOK_S)
        else:
            print(json.dumps(measure(data, chosen.pairs)))


if __name__ == "__main__":
    main()
