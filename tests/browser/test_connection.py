"""The live page when the server goes, comes back, or falls silent."""

import re

import pytest
from playwright.sync_api import Page, expect

UP_FLAGS = ["--rate", "50"]
AWAY = "not connected; trying again…"


@pytest.fixture
def page(visitor):
    page = visitor.open()
    expect_live(page)
    yield page
    visitor.complaints = [each for each in visitor.complaints if "Failed to load" not in each]


def expect_live(page: Page) -> None:
    expect(page.locator("#state-words")).to_have_text("up to date")
    expect(page.locator("main")).to_have_css("opacity", "1")
    expect(page).to_have_title("Overview · rtcdp")


def expect_away(page: Page) -> None:
    expect(page.locator("#state-words")).to_have_text(AWAY)
    expect(page.locator("main")).to_have_css("opacity", "0.5")
    expect(page).to_have_title(f"{AWAY} · Overview · rtcdp")


def test_the_page_tells_that_the_server_is_gone_and_goes_on_when_it_is_back(page, platform):
    platform.stop()
    expect_away(page)
    before = page.locator("#balance").inner_text()
    platform.start()
    expect_live(page)
    expect(page.locator("#balance")).not_to_have_text(before)
    expect(page.locator("#balance")).to_have_text(re.compile(r"^[1-9]"))


def test_the_page_tells_that_the_server_is_silent(page, platform):
    platform.hold_breath()
    try:
        expect_away(page)
    finally:
        platform.breathe()
    expect_live(page)
