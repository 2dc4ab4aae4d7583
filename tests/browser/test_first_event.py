"""The live page before the first event, and how the first one is sent."""

import subprocess

from playwright.sync_api import expect

UP_FLAGS = ["--no-generate"]


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
