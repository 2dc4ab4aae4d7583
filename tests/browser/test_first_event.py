"""The live page before the first event, and how the first one is sent."""

import subprocess

from playwright.sync_api import expect

from tests.browser.test_every_page import BEYOND, PATHS

UP_FLAGS = ["--no-generate"]


def test_every_page_fits_and_says_what_to_do_next_while_there_are_no_events(visitor, platform):
    page = visitor.open("/")
    for path in PATHS:
        if path == "/docs":
            continue
        page.goto(path)
        command = page.locator(".snippet:visible pre").first
        expect(command).to_contain_text(platform.url)
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 844})
            # The chart takes its new width a moment later.
            page.wait_for_function(f"() => ({BEYOND})().length === 0")


def test_the_page_says_how_to_send_the_first_event_and_shows_it(visitor):
    page = visitor.open(width=390, permissions=["clipboard-read", "clipboard-write"])
    welcome = page.get_by_role("region", name="No events yet")
    expect(welcome).to_be_visible()
    expect(page.locator("#no-windows")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    command = page.evaluate("navigator.clipboard.readText()")
    assert command == page.locator("#curl").inner_text()

    answer = subprocess.run(  # noqa: S602 - pasted as a visitor pastes it
        f"{command} --silent --show-error", shell=True, check=True, capture_output=True
    )

    assert b'"accepted":1' in answer.stdout
    expect(welcome).to_be_hidden()
    expect(page.locator("#balance")).to_have_text("1 received, every one accounted for")
    expect(page.get_by_role("cell", name="user_1").first).to_be_visible()
