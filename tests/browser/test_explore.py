"""Explore in a real browser: choices, files, the night that clocks are put back, and the events
behind a number."""

import csv
import io
import time
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

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
    platform.import_all(views)
    platform.ledger()


def rows(page: Any) -> list[list[str]]:
    return page.eval_on_selector_all(
        "#numbers tbody tr", "rows => rows.map(r => [...r.cells].map(c => c.innerText.trim()))"
    )


def test_a_day_of_25_hours_has_25_rows_and_the_zone_is_kept(visitor: Any) -> None:
    page = visitor.open(HOURS)
    assert len(rows(page)) == 25
    page.select_option("#tz", "Europe/Berlin")
    page.wait_for_url("**tz=Europe%2FBerlin**")
    names = [row[0].removesuffix(" …") for row in rows(page)]
    assert len(set(names)) == 25
    assert [name for name in names if name.startswith("25 Oct, 02:00")] == [
        "25 Oct, 02:00 UTC+01:00",
        "25 Oct, 02:00 UTC+02:00",
    ]
    page.reload()
    assert [row[0].removesuffix(" …") for row in rows(page)] == names
    page.select_option("select[name=interval]", "day")
    page.wait_for_url("**interval=day**")
    assert [row[0].removesuffix(" …") for row in rows(page)] == ["25 Oct"]
    assert rows(page)[0][1] == "25"


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
    page.get_by_role("link", name="← Back").click()
    page.wait_for_url("**/explore?**")
    assert rows(page)[0][1] == "25"


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
