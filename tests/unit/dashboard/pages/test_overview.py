"""The overview."""

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.catalog.catalog import load_catalog
from rtcdp.clock import ManualClock
from rtcdp.dashboard.shared_pages import SHARED
from rtcdp.testing.driver import Driver
from tests.unit.dashboard.conftest import Pages
from tests.unit.dashboard.pages.conftest import BROWSER, MakeSite, Site


def test_every_figure_is_a_tab_and_says_what_the_catalog_lacks(pages: Pages) -> None:
    page = pages.get("/").text
    for title in ("Active users", "Page views", "Sessions", "Revenue", "Orders", "Bounce rate"):
        assert f">{title}</span>" in page
    assert page.count('class="card tab"') == 8
    assert "there is no metric &#39;active_users&#39;" in page


def test_nothing_that_came_in_is_a_welcome(pages: Pages) -> None:
    assert 'id="welcome" aria-labelledby="welcome-title" data-live>' in pages.get("/").text


def test_filters_stand_in_the_address_and_can_be_taken_away(pages: Pages) -> None:
    page = pages.get("/?entry_page=/<b>&category=x&last=6h&chart=sessions").text
    assert "Entry page <b>/&lt;b&gt;</b>" in page
    assert 'href="/?category=x&amp;last=6h&amp;chart=sessions"' in page
    assert "/?entry_page=%2F%3Cb%3E&amp;category=x&amp;last=6h&amp;chart=orders" in page


def test_a_chart_that_there_is_none_of_is_refused(pages: Pages) -> None:
    answer = pages.get("/?chart=everything")
    assert answer.status_code == 400
    assert "everything" in answer.text


def test_numbers_of_events_lead_to_as_many(
    make_driver: Callable[..., Driver], make_site: MakeSite
) -> None:
    catalog = load_catalog()
    driver = make_driver(*catalog)
    driver.advance(seconds=3600)
    view = {"eventType": "PAGE_VIEW", "timestamp": driver.now_ms - 60_000}
    driver.feed(*({**view, "userId": f"u{n}", "pageUrl": f"/{n % 2}&"} for n in range(5)))
    driver.feed({**view, "userId": "u0", "eventType": "PURCHASE", "value": 3})
    driver.process()
    driver.advance(seconds=60)
    clock = ManualClock(driver.now_ms)
    site = make_site(Installation(driver.store, catalog, clock, driver.log))
    page = site.page("/?last=6h&chart=views")
    [behind] = re.findall(r'<a id="behind" href="([^"]+)">Why 5\?', page)
    listed = site.page(unescape(behind))
    assert listed.count("data-verdict=") == 5
    assert '<a href="/?last=6h&amp;chart=views">← Back</a>' in listed


def test_another_figure_is_told_of_what_was_just_read(
    make_driver: Callable[..., Driver], make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = load_catalog()
    driver, read = make_driver(*catalog), []
    driver.advance(seconds=3600)
    driver.feed({"userId": "u", "eventType": "PAGE_VIEW", "timestamp": driver.now_ms - 60_000})
    driver.process()
    clock = ManualClock(driver.now_ms)
    site = make_site(Installation(driver.store, catalog, clock, driver.log))
    real = driver.store.snapshot

    def counted() -> object:
        read.append(1)
        return real()

    monkeypatch.setattr(driver.store, "snapshot", counted)
    site.page("/")
    first = len(read)
    assert first > 0
    shared = {**BROWSER, "Cache-Control": SHARED}
    views = site.client.get("/?chart=views", headers=shared).text
    assert len(read) == first
    assert '<h2 id="chart-title">Page views</h2>' in views
    # A click on a figure needs no newer numbers than those that stand there.
    clock.advance(5_000)
    chosen = {**BROWSER, "Cache-Control": "max-age=10"}
    assert "Orders</h2>" in site.client.get("/?chart=orders", headers=chosen).text
    assert len(read) == first
    # Another time, or a page that is opened, is read.
    site.client.get("/?chart=views&last=6h", headers=shared)
    assert len(read) == 2 * first
    site.page("/?chart=views")
    assert len(read) == 3 * first


def test_numbers_of_sessions_lead_to_them(site: Site) -> None:
    for chart, asked in (("sessions", ""), ("bounce", "kind=bounce"), ("conversion", "converted")):
        page = site.page(f"/?last=7d&chart={chart}")
        [behind] = re.findall(r'<a id="behind" href="(/sessions\?[^"]+)"', page)
        assert asked in behind
        assert site.page(unescape(behind)).count("data-session>") > 0
    assert 'id="behind"' not in site.page("/?last=7d&chart=sessions&entry_page=%2F")


def test_what_is_behind_a_number_is_of_the_time_that_is_shown(site: Site) -> None:
    """Of whole pieces, also at its end; on paper as well. Shares are of what is over."""
    page = site.page("/?from=2026-01-01T10:00:10Z&to=2026-01-01T11:00:10Z&chart=bounce")
    [behind] = re.findall(r'<a id="behind" href="(/sessions\?[^"]+)"', page)
    asked = parse_qs(urlsplit(unescape(behind)).query)
    assert (asked["from"], asked["to"]) == (
        ["2026-01-01T10:00:00.000Z"],
        ["2026-01-01T11:01:00.000Z"],
    )
    assert asked["state"] == ["final"]
    printed = re.search(r'only-printed">(.*)</p>', site.page("/?last=30d"))
    assert printed is not None
    # Days of the zone.
    assert re.findall(r'datetime="[^T]+T([^"]+)"', printed[1]) == ["00:00:00.000Z"] * 2


def test_the_chart_is_of_a_figure_that_filters_leave_unless_another_was_chosen(
    make_driver: Callable[..., Driver], make_site: MakeSite
) -> None:
    catalog = load_catalog()
    driver = make_driver(*catalog)
    site = make_site(Installation(driver.store, catalog, ManualClock(driver.now_ms), driver.log))
    for asked, title in (("", "Active users"), ("&category=x", "Revenue")):
        assert f'<h2 id="chart-title">{title}</h2>' in site.page(f"/?last=6h{asked}")
    kept = site.page("/?last=6h&category=x&chart=carts")
    assert '<h2 id="chart-title">Carts</h2>' in kept
