"""The live page when only what the test sends comes in."""

import time

from playwright.sync_api import expect

UP_FLAGS = ["--no-generate"]

NASTY = [
    "<script>document.title = 'taken over'</script>",
    "<img src=/nowhere onerror=\"document.title = 'taken over'\">",
    '"><svg onload="document.title = \'taken over\'">',
    "javascript:document.title='taken over'//&amp;%22%3E",
    "&lt;b&gt; ${1+1} {{1+1}} \u202e right to left",
]

STICKING_OUT = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  await frame();
  await frame();
  return [...document.querySelectorAll("body *")]
    .filter((node) => node.checkVisibility())
    .filter((node) => {
      const { overflowX, textOverflow } = getComputedStyle(node);
      const holdsMore = overflowX !== "visible" && node.scrollWidth > node.clientWidth;
      const beyond = node.getBoundingClientRect().right > innerWidth + 0.5;
      return beyond || (holdsMore && textOverflow !== "ellipsis");
    })
    .map((node) => node.outerHTML.slice(0, 80));
}"""
"""What is wider than the window, or than the part of it where it can be seen. Charts are drawn
anew in the frame after the window changed, so the one after that is looked at."""


def row_of(page, user):
    cell = page.get_by_role("cell", name=user, exact=True)
    return page.locator("#windows tr").filter(has=cell).first


def test_the_ledger_is_that_of_the_api(visitor, platform):
    page = visitor.open()
    view = {"userId": "ada", "eventType": "PAGE_VIEW", "eventId": "ada-1"}
    hour_ago_ms = time.time_ns() // 1_000_000 - 3_600_000
    platform.send(view, view, {**view, "eventId": "ada-2", "timestamp": hour_ago_ms})
    platform.send({"userId": "did nothing"})
    totals = platform.ledger()
    parts = ["admitted", "duplicate", "late", "dead_letter"]
    assert all(totals[part] for part in parts)
    for part in parts:
        shown = page.locator(f"#legend [data-part={part}] dd span")
        expect(shown).to_have_text(str(totals[part]))
        expect(page.locator(f"#parts [data-part={part}]")).to_be_visible()
    expect(page.locator("#balance")).to_have_text(
        f"{totals['received']} received, every one accounted for"
    )


def test_a_window_counts_on_in_its_row(visitor, platform):
    page = visitor.open()
    view = {"userId": "babbage", "eventType": "PAGE_VIEW", "timestamp": time.time_ns() // 1_000_000}
    platform.send(view)
    row = row_of(page, "babbage")
    expect(row.locator("b")).to_have_text("1")
    row.get_by_role("link").focus()
    platform.send(view, view)
    expect(row.locator("b")).to_have_text("3")
    expect(row.get_by_role("link")).to_be_focused()


def test_a_users_name_is_shown_and_never_run(visitor, platform):
    page = visitor.open()
    platform.send(*({"userId": user, "eventType": "PAGE_VIEW"} for user in NASTY))
    for user in NASTY:
        row = row_of(page, user)
        expect(row.locator("td").first).to_have_text(user)
        events = page.request.get(row.get_by_role("link").get_attribute("href"))
        assert events.text().count('data-verdict="admitted"') == 1
    assert page.locator("#windows :is(script, img, svg)").count() == 0
    row_of(page, NASTY[0]).get_by_role("link").click()
    page.wait_for_url("**/events?*")
    expect(page.locator("#events tbody td").nth(1)).to_have_text(NASTY[0])
    assert page.title() != "taken over"


def test_what_is_out_of_the_ordinary_comes_by_itself_and_somebody_sees_it(visitor, platform):
    page = visitor.open()
    expect(page.locator("#no-anomalies")).to_have_text("Nothing in the last day.")
    hour_ms, now_ms = 3_600_000, time.time_ns() // 1_000_000
    last = now_ms // hour_ms - 2
    orders = [
        {"userId": f"u{number}", "eventType": "PURCHASE", "timestamp": hour * hour_ms + number}
        for hour in range(last - 50, last + 1)
        for number in range(90 if hour == last else 10)
    ]
    platform.import_all(orders)
    row = page.locator("#anomalies tr").filter(has_text="orders")
    expect(row.locator("td").nth(2)).to_have_text("▲ 90")
    for width in (320, 390, 768, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate(STICKING_OUT) == [], width
        assert row.locator("td").first.evaluate("(cell) => cell.clientWidth") > 45, width
    row.get_by_role("button", name="I have seen it").click()
    page.keyboard.type("ada <b>")
    page.keyboard.press("Enter")
    expect(row.locator("td").nth(4)).to_have_text("ada <b>")
    told = page.request.get("/api/anomalies?acknowledged=true").json()["items"]
    assert [each["acknowledged"]["by"] for each in told] == ["ada <b>"]
    link = row.get_by_role("link", name="events").element_handle()
    page.evaluate(
        "() => document.dispatchEvent(new CustomEvent('rtcdp:anomalies', { detail: {} }))"
    )
    assert link.evaluate("(link) => link.isConnected"), "a click that began on it would be lost"
    row.get_by_role("link", name="events").click()
    expect(page.locator("h1")).to_contain_text("orders")
    expect(page.locator("#events-title")).to_be_in_viewport()
    expect(page.locator("#main")).to_contain_text("PURCHASE")
    page.go_back()
    expect(row).to_be_visible()
    page.evaluate("() => { const now = Date.now; Date.now = () => now() + 86_400_000; }")
    expect(page.locator("#no-anomalies")).to_have_text("Nothing in the last day.")
    expect(page.locator("#no-anomalies")).to_be_visible()


def test_nothing_is_wider_than_the_window(visitor, platform):
    user = "0" * 256
    platform.send({"userId": user, "eventType": "PAGE_VIEW"})
    page = visitor.open()
    expect(row_of(page, user)).to_be_visible()
    for width in (320, 390, 768, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate(STICKING_OUT) == [], width


def test_the_docs_fit_on_a_phone(visitor):
    page = visitor.open("/docs", width=390)
    expect(page.locator(".operation").first).to_be_visible()
    page.locator(".operation").evaluate_all("(all) => all.forEach((each) => (each.open = true))")
    assert [each for each in page.evaluate(STICKING_OUT) if not each.startswith("<pre")] == []
