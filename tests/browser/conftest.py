"""Pages of a running platform, in a real browser.

A test module says in `UP_FLAGS` how the platform it looks at is started; `{catalog}` among them is
a folder of its own for metrics, which holds one at first.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.asked import NO_CERTIFICATES

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP evil.test 127.0.0.1, MAP shop.test 127.0.0.1",
]
START_S = 180
OWN_METRIC = """
from rtcdp.definitions import Count, Metric, event_type, tumbling

METRIC = Metric(
    name="searches",
    title="Searches",
    window=tumbling(hours=1),
    measures=(Count("search_count"),),
    predicate=event_type("SEARCH"),
)
"""
PATIENCE_MS = 60_000


class Platform:
    """`rtcdp up` on a port and a data folder that stay the same, however often it is started."""

    def __init__(self, directory: Path, flags: list[str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{port}"
        self._output = directory / "output.txt"
        self.data_dir = directory / "data"
        self.catalog = directory / "catalog"
        self.catalog.mkdir()
        (self.catalog / "searches.py").write_text(OWN_METRIC)
        data_dir = str(self.data_dir)
        self._command = [sys.executable, "-m", "rtcdp", "up", "--port", port]
        self._command += ["--data-dir", data_dir]
        self._command += [flag.format(catalog=self.catalog) for flag in flags]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output)
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, self._output.read_text()
            assert time.monotonic() < deadline, self._output.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(120) == 0, self._output.read_text()

    def hold_breath(self) -> None:
        """The HTTP process goes on to exist, and to hold its connections, but does nothing."""
        os.kill(self._http_process(), signal.SIGSTOP)

    def breathe(self) -> None:
        os.kill(self._http_process(), signal.SIGCONT)

    def send(self, *events: dict[str, Any]) -> None:
        """Events of now, unless one says otherwise."""
        now_ms = time.time_ns() // 1_000_000
        body = [{"timestamp": now_ms, **event} for event in events]
        self._sent("/v1/events", json=body)

    def import_all(self, events: list[dict[str, Any]]) -> None:
        """Events of the past, which are never late."""
        lines = "\n".join(map(json.dumps, events))
        self._sent("/v1/import", content=lines)

    def ledger(self) -> dict[str, int]:
        """The totals, once all that came in is counted."""
        deadline = time.monotonic() + START_S
        while (answer := self._asked("/api/ledger").json())["lag_ms"] > 0:
            assert time.monotonic() < deadline, answer
            time.sleep(0.05)
        return answer["totals"]

    def _answers(self) -> bool:
        try:
            return self._asked("/health/live").is_success
        except httpx.TransportError:
            return False

    def _asked(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, verify=NO_CERTIFICATES, timeout=START_S)

    def _sent(self, path: str, **body: Any) -> None:
        answer = httpx.post(self.url + path, verify=NO_CERTIFICATES, timeout=START_S, **body)
        answer.raise_for_status()

    def _http_process(self) -> int:
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in children:
            if b"http" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                return int(child)
        raise AssertionError(f"none of {children} is the HTTP process")


class Visitor:
    """Opens pages, each like a new visitor, and notes every complaint of the browser."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url
        self.complaints: list[str] = []

    def open(self, path: str = "/", width: int = 1280, height: int = 900, **options: Any) -> Page:
        """A page in a window of that size; `options` are Playwright's for a context."""
        size: Any = {"width": width, "height": height}
        context = self._browser.new_context(base_url=self._url, viewport=size, **options)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        page.on("request", self._on_request)
        page.goto(path)
        return page

    def close(self) -> None:
        for context in self._browser.contexts:
            context.close()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _on_request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self._url).netloc:
            self.complaints.append(f"a request to {request.url}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each module: it keeps an event loop running, and other modules need their own."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail(
            f"These tests look at the pages with a browser, and none of {', '.join(NAMES)} "
            "is on the PATH. Install one (Debian: apt install chromium).",
            pytrace=False,
        )
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def platform(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("up"), request.module.UP_FLAGS)
    platform.start()
    yield platform
    platform.stop()


@pytest.fixture
def visitor(browser: Browser, platform: Platform) -> Iterator[Visitor]:
    """Whatever a test looks at: the browser complains of nothing, and all comes from one origin."""
    visitor = Visitor(browser, platform.url)
    yield visitor
    visitor.close()
    assert visitor.complaints == []
