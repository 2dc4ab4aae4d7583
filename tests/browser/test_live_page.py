"""The live page while events come in."""

import re
import shlex
from datetime import datetime
from urllib.parse import urljoin
from zoneinfo import ZoneInfo

from playwright.sync_api import expect

UP_FLAGS = ["--rate", "200", "--users", "40"]

CONTRASTS = """() => {
  const parsed = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = parsed(colour).slice(0, 3).map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    const colour = getComputedStyle(node).backgroundColor;
    return parsed(colour)[3] === 0 ? behind(node.parentElement) : colour;
  };
  const ownText = (node) =>
    [...node.childNodes].some((each) => each.nodeType === 3 && each.data.trim());
  return [...document.body.querySelectorAll("*")]
    .filter((node) => ownText(node) && node.checkVisibility() && node.localName !== "noscript")
    .map((node) => {
      const style = getComputedStyle(node);
      const ink = luminance(node.ownerSVGElement ? style.fill : style.color);
      const paper = luminance(behind(node));
      return [node.textContent, (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)];
    });
}"""
"""Each text with its contrast to what is behind it, as WCAG 2 computes it."""

PAGE_VIEWS = """Object.fromEntries([...document.getElementById("windows").rows].map(
  ({ cells }) => [cells[0].textContent + cells[1].textContent, Number(cells[2].textContent)]
))"""
"""The number of each window that is shown."""

LOAD_FROM_ELSEWHERE = """async () => {
  const stopped = new Set();
  const note = (event) => stopped.add(event.effectiveDirective);
  document.addEventListener("securitypolicyviolation", note);
  const elsewhere = "http://127.0.0.1:1/elsewhere";
  const add = (name, attributes) => {
    try {
      document.body.append(Object.assign(document.createElement(name), attributes));
    } catch {}
  };
  await fetch(elsewhere).catch(() => {});
  add("img", { src: elsewhere });
  add("script", { src: elsewhere });
  add("style", { textContent: "* { display: none }" });
  await new Promise((done) => setTimeout(done, 100));
  return [...stopped];
}"""
"""Which directives of the page's policy stopped what it tried."""


RECEIVED = "Number(balance.textContent.split(' ')[0].replaceAll(',', ''))"


def test_numbers_grow_by_themselves(visitor):
    page = visitor.open()
    expect(page.locator("#balance")).to_have_text(re.compile("received, every one accounted for$"))
    expect(page.locator("#state-words")).to_have_text("up to date")
    expect(page.locator("#state-lag")).to_have_text(re.compile(r"^\d+\.\d s ago$"))
    page.wait_for_function(f"(before) => {RECEIVED} > before", arg=page.evaluate(RECEIVED))
    expect(page.locator("#rate")).to_have_text(re.compile(r"^[1-9]"))


def test_figures_and_their_chart_are_there_at_once_and_grow_by_themselves(visitor):
    page = visitor.open("/?chart=views")
    expect(page.locator("#canvas canvas")).to_have_count(1)
    assert page.locator("#chart-table tbody tr").count() == 61
    views = "Number(document.querySelector('#figure-views b').title.replaceAll(',', ''))"
    page.wait_for_function(f"(before) => {views} > before", arg=page.evaluate(views))
    assert page.locator("#canvas canvas").count() == 1
    page.locator("#canvas .u-over").hover(position={"x": 400, "y": 100})
    expect(page.locator("#canvas .u-legend")).to_contain_text("Page views")


def test_the_newest_windows_fill_up(visitor):
    page = visitor.open()
    expect(page.locator("#windows tr")).to_have_count(12)
    # Compared with the last look: on a busy machine, those of the first may have gone by.
    page.wait_for_function(
        f"""() => {{
          const now = {PAGE_VIEWS}, last = window.lastLook ?? {{}};
          window.lastLook = now;
          return Object.entries(now).some(([key, views]) => views > last[key]);
        }}"""
    )


def test_choices_are_shown_without_leaving_the_page_and_can_be_gone_back_to(visitor):
    page = visitor.open("/?last=30m")
    expect(page.locator("#list-entry-pages li").first).to_be_visible()
    page.locator("#figure-sessions").focus()
    page.evaluate("window.stays = true; scrollTo(0, 150)")
    page.keyboard.press("Enter")
    expect(page.locator("#figure-sessions")).to_have_attribute("aria-current", "true")
    expect(page.locator("#chart-title")).to_have_text("Sessions")
    expect(page.locator("#figure-sessions")).to_be_focused()
    assert page.evaluate("scrollY") == 150
    row = page.locator("#list-entry-pages li a").first
    entry = row.inner_text()
    row.click()
    expect(page.locator(".chip b")).to_have_text(entry)
    page.keyboard.press("3")
    expect(page.locator(".times [aria-current]")).to_have_text("6 h")
    expect(page.locator("#chart-table tbody tr")).to_have_count(361)
    expect(page.locator("#canvas canvas")).to_have_count(1)
    assert page.evaluate("window.stays") is True
    expect(page.locator("#balance")).to_have_text(re.compile("received, every one accounted for$"))
    page.reload()
    expect(page.locator(".chip b")).to_have_text(entry)
    expect(page.locator("#chart-title")).to_have_text("Sessions")
    for chips in (1, 0):
        page.go_back()
        expect(page.locator(".times [aria-current]")).to_have_text("30 min")
        expect(page.locator(".chip")).to_have_count(chips)
        expect(page.locator("#chart-title")).to_have_text("Sessions")
    page.go_back()
    expect(page.locator("#chart-title")).to_have_text("Active users")
    page.go_forward()
    expect(page.locator("#chart-title")).to_have_text("Sessions")


def test_forward_before_the_answer_of_back_came_shows_what_it_says(visitor):
    page = visitor.open("/?last=30m")
    page.locator("#figure-sessions").click()
    expect(page.locator("#chart-title")).to_have_text("Sessions")
    held = []

    def hold(route):
        held.append(route)

    page.route(re.compile(r"/\?last=30m$"), hold)
    page.go_back()
    expect(page.locator("main")).to_have_attribute("aria-busy", "true")
    page.go_forward()
    page.wait_for_url("**chart=sessions**")
    for route in held:
        route.continue_()
    expect(page.locator("main")).not_to_have_attribute("aria-busy", "true")
    assert page.locator("#chart-title").inner_text() == "Sessions"


def test_another_zone_is_shown_everywhere_without_leaving_the_page(visitor):
    page = visitor.open("/")
    expect(page.locator("#windows tr")).to_have_count(12)
    page.evaluate("window.stays = true")
    page.locator("#tz").select_option("Asia/Kolkata")
    expect(page.locator(".foot")).to_contain_text("Times in Asia/Kolkata")
    expect(page.locator("#tz")).to_have_value("Asia/Kolkata")
    shown = page.locator("#chart-table time").first.get_attribute("datetime")
    local = datetime.fromisoformat(shown).astimezone(ZoneInfo("Asia/Kolkata"))
    assert f"{local:%H:%M}" in page.locator("#chart-table time").first.text_content()
    hour = "new Date().toLocaleTimeString('en-GB', {timeZone: 'Asia/Kolkata'}).slice(0, 2)"
    shown = "document.querySelector('#windows td + td').innerText"
    page.wait_for_function(f"() => {shown}.startsWith({hour})")
    assert page.evaluate("window.stays") is True
    page.locator("#tz").select_option("UTC")
    expect(page.locator(".foot")).to_contain_text("Times in UTC")


def test_every_link_leads_somewhere(visitor):
    page = visitor.open()
    expect(page.locator("#windows tr")).to_have_count(12)
    hrefs = page.evaluate("[...document.links].map((link) => link.getAttribute('href'))")
    assert {"/docs", "/api/ledger", "/api/metrics", "/metrics"} <= set(hrefs)
    for href in set(hrefs) - {"#main"}:
        assert page.request.get(href).ok, href


def test_a_window_leads_to_its_events(visitor):
    page = visitor.open()
    row = page.locator("#windows tr").first
    user = row.locator("td").first.inner_text()
    row.get_by_role("link", name="events").click()
    page.wait_for_url("**/events?*")
    users = page.locator("#events tbody td:nth-child(2)").all_inner_texts()
    assert set(users) == {user}
    page.get_by_role("link", name="← Back").click()
    expect(page.locator("#windows tr")).to_have_count(12)


def test_every_text_stands_out_in_light_and_dark(visitor):
    page = visitor.open()
    expect(page.locator("#canvas canvas")).to_have_count(1)
    papers = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 50
        assert [(text, ratio) for text, ratio in contrasts if ratio < 4.5] == []
        papers.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    light, dark = (sum(map(int, re.findall(r"\d+", colour))) for colour in papers)
    assert light > 600
    assert dark < 150


def test_the_docs_list_every_route(visitor):
    page = visitor.open("/docs")
    expect(page.locator(".operation").first).to_be_visible()
    titles = page.locator(".docs-group h2").all_inner_texts()
    assert titles == ["Send", "Ask", "Look", "Operate", "Errors"]
    assert not page.locator("#get-api-metrics-revenue").is_visible()
    page.goto("/docs#get-api-metrics-revenue")
    expect(page.locator("#get-api-metrics-revenue form")).to_be_visible()
    described = page.request.get("/schema/openapi.json").json()["paths"]
    shown = page.locator(".operation summary").evaluate_all(
        "(all) => all.map((each) => [...each.children].slice(0, 2).map((part) => part.textContent))"
    )
    assert sorted(map(tuple, shown)) == sorted(
        (verb.upper(), path) for path, verbs in described.items() for verb in verbs
    )


def test_names_in_the_docs_are_those_of_the_catalog_and_keys_are_real_fields(visitor):
    page = visitor.open("/docs")
    expect(page.locator(".operation").first).to_be_attached()
    folds = page.request.get("/api/folds").json()["items"]
    for kind, path in (("funnel", "funnels"), ("retention", "retention"), ("paths", "paths")):
        names = [fold["name"] for fold in folds if fold["kind"] == kind]
        offered = page.locator(f"#get-api-{path}-name select[aria-label=name] option")
        assert names
        assert offered.all_text_contents() == names
    every = page.locator("#get-api-folds-name select[aria-label=name] option")
    assert every.all_text_contents() == [fold["name"] for fold in folds]
    for metric in page.request.get("/api/metrics").json()["items"]:
        fields = page.locator(f"#get-api-metrics-{metric['name']} .fields label")
        assert set(metric["key"]) <= set(fields.all_text_contents()), metric["name"]
    commands = page.locator(".operation .snippet pre").all_text_contents()
    assert len(commands) == page.locator(".operation").count()
    assert all(command.startswith("curl ") for command in commands)
    operation = page.locator("#get-api-funnels-name-people")
    operation.evaluate("(node) => (node.open = true)")
    operation.get_by_role("button", name="Try it").click()
    expect(operation.locator(".answer h3")).to_contain_text("200 OK")


def test_a_route_can_be_tried_in_the_docs(visitor):
    page = visitor.open("/docs#get-api-analytics-user-userId-page-views")
    page.get_by_role("textbox", name="userId").fill("it's; rm")
    command = page.locator("details[open] .snippet pre")
    asked = f"{urljoin(page.url, '/api/analytics/user/')}it's%3B%20rm/page-views"
    assert shlex.split(command.inner_text()) == ["curl", asked]
    page.get_by_role("textbox", name="userId").fill("user_0001")
    page.locator("details[open]").get_by_role("button", name="Try it").click()
    answer = page.locator("details[open] .answer")
    expect(answer.locator("h3")).to_contain_text("200 OK")
    expect(answer.locator("pre")).to_contain_text('"page_view_count"')


def test_nothing_can_be_loaded_from_elsewhere(browser, platform):
    page = browser.new_page(base_url=platform.url)
    page.goto("/")
    stopped = page.evaluate(LOAD_FROM_ELSEWHERE)
    page.context.close()
    assert sorted(stopped) == [
        *("connect-src", "img-src", "require-trusted-types-for", "style-src-elem")
    ]
