"""What holds for every page of the navigation: axe finds nothing serious, in light and in dark,
nothing sticks out on a phone, and what users send is never run."""

import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from rtcdp.dashboard.navigation import GROUPS
from rtcdp.dashboard.shell import known_pages
from tests.browser.test_quiet_page import NASTY

UP_FLAGS = ["--no-generate"]

KNOWN = {page.paths[0] for page in known_pages()}
PATHS = [path for _, places in GROUPS for path, _, _ in places if path in KNOWN]
HOUR_MS = 3_600_000

BEYOND = """() => [...document.querySelectorAll("body *")]
  .filter((node) => node.checkVisibility() && !node.closest(".scroll *, .skip, label"))
  .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5)
  .map((node) => node.outerHTML.slice(0, 120))"""
"""What is wider than the window, apart from what scrolls in its own box."""

SCROLLED = """() => [...document.querySelectorAll(".stacked")]
  .filter((node) => node.checkVisibility() && node.scrollWidth > node.parentElement.clientWidth)
  .map((node) => node.parentElement.ariaLabel)"""
"""Tables whose rows are stacked, and that have to be scrolled all the same."""

SERIOUS = {"serious", "critical"}


def hostile_visits() -> list[dict[str, object]]:
    """Two days of users, pages and products whose names would be code."""
    now_ms = time.time_ns() // 1_000_000
    fields = [("PAGE_VIEW", {}), ("ADD_TO_CART", {}), ("PURCHASE", {"value": 9.5})]
    return [
        {
            "userId": nasty,
            "eventType": kind,
            "pageUrl": f"/{nasty}",
            "productId": nasty,
            "timestamp": now_ms - hours * HOUR_MS - (20 - 5 * step) * 60_000,
            **more,
        }
        for nasty in NASTY
        for hours in (0, 1, 25)
        for step, (kind, more) in enumerate(fields)
    ]


def serious(page: Page) -> list[str]:
    """What axe takes for serious, with the elements."""
    return [
        f"{found['id']}: {node['html'][:200]}"
        for found in Axe().run(page).response["violations"]
        if found["impact"] in SERIOUS
        for node in found["nodes"]
    ]


@pytest.fixture(scope="module")
def visited(platform):
    platform.import_all(hostile_visits())
    platform.ledger()
    return platform


@pytest.mark.usefixtures("visited")
@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_accessible_fits_and_runs_nothing_that_was_sent(visitor, path):
    page = visitor.open(f"{path}?last=7d" if path != "/docs" else path)
    expect(page.locator("#state-words")).to_have_text("up to date")
    assert page.locator("nav [aria-current=page]").count() == 1
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious(page) == [], scheme
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(BEYOND) == []
    assert page.evaluate(SCROLLED) == []
    assert "taken over" not in page.title()
