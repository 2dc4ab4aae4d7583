"""The pages of stories in a browser: a number and its list, what people say, and hostile names."""

import re
import time
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

UP_FLAGS = ["--no-generate"]

MINUTE_MS = 60_000
HOSTILE = "<img src=x onerror=alert(1)>"
LISTS = ("funnels", "sessions", "retention", "anomalies", "pipeline", "paths", "carts")


def history(now_ms: int) -> list[dict[str, Any]]:
    """Two quiet days and a half with a visitor every twenty minutes, some of whom fill a cart, and
    then a crowd for a quarter of an hour."""
    start = now_ms // MINUTE_MS * MINUTE_MS - 3_600 * MINUTE_MS
    events: list[dict[str, Any]] = []

    def happened(at: int, type_: str, user: str, **fields: object) -> None:
        number = str(len(events))
        events.append(
            {"timestamp": at, "eventType": type_, "userId": user, "eventId": number, **fields}
        )

    for number in range(170):
        at, user = start + number * 20 * MINUTE_MS, f"u{number % 40}"
        happened(at, "PAGE_VIEW", user, pageUrl=f"/p/{number % 7}")
        if number % 5 == 0:
            happened(at + 1_000, "ADD_TO_CART", user, productId="kite", value=20)
        if number % 10 == 0:
            happened(at + 2_000, "PURCHASE", user, productId="kite", value=20)
    for number in range(300):
        at = start + 3_510 * MINUTE_MS + number * 3_000
        happened(at, "PAGE_VIEW", f"c{number % 40}", pageUrl="/sale")
    happened(start, "PAGE_VIEW", HOSTILE, pageUrl="</script><script>alert(2)</script>")
    return events


@pytest.fixture(scope="module", autouse=True)
def told(platform) -> None:
    platform.import_all(history(time.time_ns() // 1_000_000))
    platform.ledger()


def serious(page: Page) -> list[str]:
    """What axe finds that keeps people out."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}"
        for each in found
        if each["impact"] in {"serious", "critical"}
    ]


def test_a_click_on_a_bar_lists_as_many_people_and_back_takes_it_away(visitor) -> None:
    page = visitor.open("/funnels?last=7d")
    number = page.locator("[data-dropped='1']").inner_text()
    page.locator("svg.funnel a:has(.lost)").first.click()
    expect(page.locator("#people-count")).to_have_text(number)
    listed = page.locator("#people tbody tr").count()
    while page.locator("a[rel=next]").count():
        page.locator("a[rel=next]").click()
        expect(page.locator("#people-count")).to_have_text(number)
        listed += page.locator("#people tbody tr").count()
    assert listed == int(number)
    page.goto("/funnels?last=7d&step=2")
    page.go_back()
    expect(page.locator("#people-count")).to_have_text(number)


def test_without_script_all_of_it_is_there(visitor) -> None:
    page = visitor.open("/funnels?last=7d&step=1", java_script_enabled=False)
    expect(page.locator("svg.funnel .reached")).to_have_count(3)
    expect(page.locator("#people tbody tr")).to_have_count(25)


def test_an_anomaly_is_seen_and_taken_back(visitor) -> None:
    page = visitor.open("/anomalies?last=7d")
    page.locator("#anomalies a").first.click()
    expect(page.locator("svg.band .mark")).to_have_count(1)
    page.get_by_label("Your name").fill(HOSTILE)
    page.get_by_label("What there is to say").fill("a sale")
    page.get_by_role("button", name="I have seen it").click()
    expect(page.locator("#seen-by")).to_have_text(HOSTILE)
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_label("Your name")).to_have_value(HOSTILE)


def test_a_dead_letter_is_mended_and_counted(visitor, platform) -> None:
    platform.send({"userId": "ada", "eventType": "search", "eventId": "m1"})
    before = platform.ledger()
    page = visitor.open("/pipeline")
    page.locator("#uncounted summary").first.click()
    event, send = (
        page.get_by_label("The event as it should"),
        page.get_by_role("button", name="Send"),
    )
    event.fill(event.input_value().replace("search", ""))
    send.click()
    expect(page.locator("form.mend [role=status]").first).to_contain_text("dead letter again")
    assert ["400" in said for said in visitor.complaints] == [True]
    visitor.complaints.clear()
    event.fill(event.input_value().replace('""', '"SEARCH"'))
    send.click()
    expect(page.locator("form.mend [role=status]").first).to_have_text("It is counted.")
    expect(page.locator("#equation b").nth(1)).to_have_text(f"{before['admitted'] + 1}")
    page.reload()
    expect(page.locator("#uncounted tr").nth(1)).to_contain_text("replayed")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_one_thing_keep_nobody_out(visitor, scheme) -> None:
    page = visitor.open("/users/u0", color_scheme=scheme)
    found = serious(page)
    page.locator(".stretch a").first.click()
    expect(page.locator(".timeline li").first).to_be_visible()
    found += serious(page)
    page.goto("/anomalies?last=7d")
    page.locator("#anomalies a").first.click()
    expect(page.locator("svg.band")).to_be_visible()
    assert found + serious(page) == []


def test_names_are_text_and_phones_are_wide_enough(visitor) -> None:
    page = visitor.open("/users", width=390, height=844)
    page.get_by_label("User id").fill(HOSTILE)
    page.get_by_role("button", name="Show").click()
    expect(page.locator("h1")).to_have_text(HOSTILE)
    for name in LISTS:
        page.goto(f"/{name}?last=7d")
        expect(page.locator("h1")).to_have_text(re.compile(name, re.IGNORECASE))
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name


def test_a_user_is_erased_by_whoever_types_their_id(visitor) -> None:
    page = visitor.open("/users/c39")
    page.locator("#tz").select_option("Asia/Kolkata")
    expect(page.locator(".foot")).to_contain_text("Times in Asia/Kolkata")
    button = page.get_by_role("button", name="Erase")
    expect(button).to_be_disabled()
    page.get_by_label("Erase this user for good").fill("c39")
    assert not serious(page)
    button.click()
    status = page.locator("form[data-erase] [role=status]")
    expect(status).to_contain_text("Erased 7 records", timeout=30_000)
    page.get_by_role("link", name="The receipt").click()
    expect(page.locator("body")).to_contain_text('"state":"done"')
