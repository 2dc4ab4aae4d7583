"""Explore in a real browser: choices, files, the night that clocks are put back, and the events
behind a number."""

import csv
import io
import re
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.scale import IS_CHAOS

UP_FLAGS = ["--no-generate", "--catalog", "{catalog}"]

RANGE = "from=2026-10-24T22:00:00Z&to=2026-10-25T23:00:00Z"
HOURS = f"/explore?metrics=events_by_type.event_count&interval=hour&{RANGE}"

PATIENCE_S = 60
OWN_METRIC = """
from rtcdp.definitions import Count, Metric, event_type, tumbling

METRIC = Metric(
    name="night_views",
    title="Views at night",
    window=tumbling(hours=1),
    measures=(Count("seen", where=event_type("PAGE_VIEW")),),
)
"""


ODD_DAYS = (
    ("Australia/Lord_Howe", "2026-04-05"),  # of 24.5 hours
    ("Asia/Kolkata", "2026-05-05"),  # begins at half past an hour of UTC
    *((("Europe/Berlin", "2026-03-29"), ("America/New_York", "2025-11-02")) if IS_CHAOS else ()),
)
"""With those of 23 and of 25 hours in `make chaos`."""


def half_hours_of(zone: str, day: str) -> list[int]:
    """The half hours of a local day, in UTC ms, found by looking at each of three days."""
    begin = datetime.fromisoformat(f"{day}T00:00Z") - timedelta(days=1)
    instants = (begin + timedelta(minutes=30 * number) for number in range(3 * 48))
    local = ((each, each.astimezone(ZoneInfo(zone))) for each in instants)
    return [int(at.timestamp() * 1000) for at, here in local if f"{here:%Y-%m-%d}" == day]


@pytest.fixture(scope="module", autouse=True)
def told(platform: Any) -> None:
    """One view of a page with a hostile name in each of the 25 hours of that day in Berlin."""
    start = 1_792_879_200_000  # 2026-10-25T00:00+02:00
    views = [
        {
            "userId": "ada",
            "eventType": "PAGE_VIEW",
            "timestamp": start + hour * 3_600_000,
            "pageUrl": "/<script>alert(1)</script>",
        }
        for hour in range(25)
    ]
    half_hours = [
        {"userId": f"u{number % 7}", "eventType": "PAGE_VIEW", "timestamp": instant, "pageUrl": "/"}
        for zone, day in ODD_DAYS
        for number, instant in enumerate(half_hours_of(zone, day))
    ]
    platform.import_all([*views, *half_hours])
    platform.ledger()


def rows(page: Any) -> list[list[str]]:
    return page.eval_on_selector_all(
        "#numbers tbody tr", "rows => rows.map(r => [...r.cells].map(c => c.innerText.trim()))"
    )


def names(page: Any) -> list[str]:
    """What the times of the table are called."""
    return [row[0].removesuffix(" …") for row in rows(page)]


def test_a_day_of_25_hours_has_25_rows_and_the_zone_is_kept(visitor: Any) -> None:
    page = visitor.open(HOURS)
    assert len(rows(page)) == 25
    page.select_option("#tz", "Europe/Berlin")
    page.wait_for_url("**tz=Europe%2FBerlin**")
    hours = names(page)
    assert len(set(hours)) == 25
    assert [name for name in hours if name.startswith("25 Oct, 02:00")] == [
        "25 Oct, 02:00 UTC+01:00",
        "25 Oct, 02:00 UTC+02:00",
    ]
    page.reload()
    assert names(page) == hours
    page.select_option("select[name=interval]", "day")
    page.wait_for_url("**interval=day**")
    assert names(page) == ["25 Oct"]
    assert rows(page)[0][1] == "25"


@pytest.mark.parametrize(("zone", "day"), ODD_DAYS)
def test_an_odd_day_is_the_same_in_chart_table_file_api_and_list(
    visitor: Any, zone: str, day: str
) -> None:
    hours: Counter[str] = Counter()
    for instant in half_hours_of(zone, day):
        local = datetime.fromtimestamp(instant / 1000, ZoneInfo(zone))
        hours[f"{local:%Y-%m-%dT%H:00%z}"] += 1
    counts = [str(number) for number in hours.values()]
    following = f"{datetime.fromisoformat(day) + timedelta(days=1):%Y-%m-%d}"
    time = f"from={day}T00:00&to={following}T00:00"
    page = visitor.open(
        f"/explore?metrics=events_by_type.event_count&interval=hour&{time}&tz={zone}"
    )
    assert [row[1] for row in rows(page)[::-1]] == counts
    assert page.locator("svg.lines title").count() == len(hours)
    api = page.locator(".behind > a").first.get_attribute("href")
    items = page.request.get(api).json()["items"][::-1]
    assert [str(item["events_by_type.event_count"]) for item in items] == counts
    starts = [datetime.fromisoformat(item["local_start"]) for item in items]
    assert [f"{start:%Y-%m-%dT%H:00%z}" for start in starts] == list(hours)
    file = csv.DictReader(io.StringIO(page.request.get(f"{api}&format=csv").text()))
    assert [row["events_by_type.event_count"] for row in file][::-1] == counts
    page.select_option("select[name=interval]", "day")
    page.wait_for_url("**interval=day**")
    assert [row[1] for row in rows(page)] == [str(hours.total())]
    # Half hours are further apart for each user than a session lasts.
    page.goto(f"/sessions?{time}&tz={zone}")
    listed = page.locator(".behind > a").first.get_attribute("href")
    file = csv.DictReader(io.StringIO(page.request.get(f"{listed}&format=csv").text()))
    assert len(list(file)) == hours.total()
    days = listed.replace("/api/sessions?", f"/api/sessions/days?tz={zone}&")
    (told,) = page.request.get(days).json()["items"]
    assert (told["day"], told["session_count"]) == (day, hours.total())


def test_time_filters_and_zone_survive_reload_back_and_forward(visitor: Any) -> None:
    page = visitor.open("/explore?metrics=events_by_type.event_count&interval=hour&tz=Asia/Kolkata")
    page.locator("summary", has_text="From – to").press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.labels[0].innerText.trim()") == "From"
    page.get_by_label("From", exact=True).fill("2026-10-25T03:30")
    page.get_by_label("To", exact=True).fill("2026-10-25T06:30")
    page.get_by_label("To", exact=True).press("Enter")
    page.wait_for_url("**from=2026-10-25T03**")
    in_kolkata = [f"25 Oct, {time}" for time in ("06:00", "05:00", "04:00", "03:30")]
    assert names(page) == in_kolkata
    page.get_by_label("only").fill("eventType=PAGE_VIEW")
    page.get_by_label("only").press("Enter")
    page.wait_for_url("**where=eventType**")
    page.select_option("#tz", "Europe/Berlin")
    page.wait_for_url("**tz=Europe%2FBerlin**")
    in_berlin = ["25 Oct, 02:00", "25 Oct, 01:00", "25 Oct, 00:00"]

    def shows(times: list[str], chips: int) -> None:
        # A time that may still change has three dots behind it.
        called = [re.compile(rf"^{each}( …)?$") for each in times]
        expect(page.locator("#numbers tbody tr td:first-child")).to_have_text(called)
        expect(page.locator(".chip")).to_have_count(chips)

    def is_in_berlin() -> None:
        shows(in_berlin, 1)
        assert page.locator(".chip").inner_text().startswith("eventType=PAGE_VIEW")
        assert page.locator(".from-to [name=from]").input_value() == "2026-10-25T00:00"
        assert page.locator(".from-to [name=to]").input_value() == "2026-10-25T02:00"

    is_in_berlin()
    page.reload()
    is_in_berlin()
    page.go_back()
    shows(in_kolkata, 1)
    page.go_back()
    shows(in_kolkata, 0)
    page.go_forward()
    page.go_forward()
    is_in_berlin()


def test_a_time_is_chosen_without_script_and_mended_where_it_is_none(visitor: Any) -> None:
    page = visitor.open("/sessions?state=final", java_script_enabled=False)
    page.locator("summary", has_text="From – to").click()
    page.get_by_label("From", exact=True).fill("2026-10-26T00:00")
    page.get_by_label("To", exact=True).fill("2026-10-25T00:00")
    with page.expect_response(lambda each: each.status == 400):
        page.get_by_role("button", name="Show this time").click()
    expect(page.locator("main")).to_contain_text("choose a From that is earlier than To")
    visitor.complaints = [each for each in visitor.complaints if "400 (Bad Request)" not in each]
    page.get_by_label("From", exact=True).fill("2026-10-24T00:00")
    page.get_by_role("button", name="Show this time").click()
    expect(page.locator(".period")).to_contain_text("24 Oct 2026, 00:00:00 – 25 Oct 2026")
    assert page.locator("select[name=state]").input_value() == "final"


def test_the_file_holds_what_the_table_shows(visitor: Any) -> None:
    page = visitor.open(f"{HOURS}&group_by=eventType&tz=Europe/Berlin")
    shown = [row[1] for row in rows(page)]
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    text = download.value.path().read_text()
    saved = list(csv.DictReader(io.StringIO(text)))
    assert [row["events_by_type.event_count"] for row in saved] == shown
    assert len(shown) == 25


def test_a_number_leads_to_its_events_and_back(visitor: Any) -> None:
    page = visitor.open(f"{HOURS}&interval=day&tz=Europe/Berlin".replace("interval=hour&", ""))
    page.locator("#numbers td a").first.click()
    page.wait_for_url("**/why?**")
    assert page.locator("#number").inner_text() == "25"
    assert page.locator("#events tbody tr").count() == 25
    assert page.locator("script:has-text('alert')").count() == 0
    api = page.locator(".behind > a").last.get_attribute("href")
    told = [each["event"]["timestamp"] for each in page.request.get(api).json()["items"]]
    shown = page.eval_on_selector_all("#events time", "all => all.map(each => each.dateTime)")
    assert [datetime.fromisoformat(each).timestamp() * 1000 for each in shown] == told
    page.get_by_role("link", name="← Back").click()
    page.wait_for_url("**/explore?**")
    assert rows(page)[0][1] == "25"


def test_a_file_of_a_list_is_all_that_its_pages_show(visitor: Any) -> None:
    page = visitor.open("/sessions?from=2026-05-04&to=2026-05-06&tz=Asia/Kolkata")
    with page.expect_download() as download:
        page.locator(".behind", has_text="/api/sessions?").get_by_role("link", name="CSV").click()
    saved = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    shown: list[list[str]] = []
    while True:
        shown += page.eval_on_selector_all(
            "#sessions tbody tr",
            "rows => rows.map(r => [r.cells[0].innerText.trim(), r.cells[3].innerText.trim()])",
        )
        if not page.locator("a[rel=next]").count():
            break
        page.locator("a[rel=next]").click()
    assert shown == [[row["userId"], row["event_count"]] for row in saved]
    assert len(shown) > 25


def test_a_metric_file_appears_without_a_restart(visitor: Any, platform: Any) -> None:
    page = visitor.open(HOURS)
    own = page.locator("select[name=metrics] >> nth=0").get_by_role(
        "option", name="Views at night: seen"
    )
    assert own.count() == 0
    (platform.catalog / "night_views.py").write_text(OWN_METRIC)
    deadline = time.monotonic() + PATIENCE_S
    while not own.count():
        assert time.monotonic() < deadline
        page.wait_for_timeout(200)
        page.reload()
    page.select_option("select[name=metrics] >> nth=0", "night_views.seen")
    page.wait_for_url("**metrics=night_views.seen**")
    # What came before the file is in it as well, as soon as it was read again.
    while [row[1] for row in rows(page)] != ["1"] * 25:
        assert time.monotonic() < deadline, rows(page)
        page.wait_for_timeout(200)
        page.reload()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visitor: Any, scheme: str) -> None:
    page = visitor.open(HOURS, color_scheme=scheme)
    for address in (HOURS, f"/why?metrics=events_by_type.event_count&{RANGE}"):
        page.goto(address)
        found = Axe().run(page).response["violations"]
        assert [each["id"] for each in found if each["impact"] in {"serious", "critical"}] == []
