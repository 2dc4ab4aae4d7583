"""Makes the pictures of the pages in `docs/images`, from a shop whose past a seed has made up.

python -m deploy.screenshots [NAME…]
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
from playwright.sync_api import Browser, sync_playwright

IMAGES = Path(__file__).parents[1] / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

_PORT = "8091"
_URL = f"http://127.0.0.1:{_PORT}"
_PAST = ("--days", "22", "--users", "4000", "--seed", "7")
_PATIENCE_S = 120
_SETTLED_MS = 2500


@dataclass(frozen=True)
class Picture:
    """A page at an address, in a window of some size, and whether it is dark there."""

    name: str
    address: str
    width: int = 1280
    height: int = 1000
    scheme: Literal["light", "dark"] = "light"


PICTURES = (
    Picture("live-page", "/?last=7d&chart=sessions"),
    Picture("live-page-dark", "/?last=24h&chart=views", scheme="dark"),
    Picture("live-page-phone", "/?last=7d&chart=sessions", width=390, height=844),
    Picture("funnel-page", "/funnels?last=7d", height=860),
    Picture("docs-page", "/docs#get-api-metrics-orders", height=1040),
)


@contextmanager
def shop() -> Iterator[None]:
    """A platform with a past, until all of it is counted, and then as long as it is looked at."""
    with tempfile.TemporaryDirectory() as directory:
        rtcdp = [sys.executable, "-m", "rtcdp"]
        place = ["--data-dir", directory]
        subprocess.run([*rtcdp, "generate", *_PAST, *place], check=True)
        command = [*rtcdp, "up", "--port", _PORT, "--rate", "4", "--users", "1500", *place]
        platform = subprocess.Popen(command)
        try:
            _wait_until_counted()
            yield
        finally:
            platform.terminate()
            platform.wait(_PATIENCE_S)


def take(browser: Browser, picture: Picture) -> None:
    """Write the picture, once the page has settled."""
    page = browser.new_page(
        viewport={"width": picture.width, "height": picture.height},
        color_scheme=picture.scheme,
    )
    page.goto(f"{_URL}{picture.address}")
    page.wait_for_timeout(_SETTLED_MS)
    page.screenshot(path=IMAGES / f"{picture.name}.png")
    page.close()


def _wait_until_counted() -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            ledger = httpx.get(f"{_URL}/api/ledger").json()
        except httpx.TransportError:
            ledger = {}
        if ledger.get("lag_ms") is not None and ledger["lag_ms"] < 2000:
            return
        time.sleep(0.5)
    raise TimeoutError(f"{_URL} has not counted the past within {_PATIENCE_S} s")


def main(names: list[str]) -> None:
    """Take the pictures that are named; all, if none is."""
    wanted = [each for each in PICTURES if not names or each.name in names]
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with shop(), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu"]
        )
        for picture in wanted:
            take(browser, picture)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
