"""Lists of the overview."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any, cast

from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.answers.freshness import Installation
from rtcdp.api.context import ApiContext
from rtcdp.api.manners import with_manners
from rtcdp.api.problem import exception_handlers
from rtcdp.clock import DAY_MS, HOUR_MS
from rtcdp.dashboard.address import PageAddress
from rtcdp.dashboard.overview.buckets import Buckets
from rtcdp.dashboard.overview.lists import Filters, Listed, lists_of, ranked_lists
from rtcdp.dashboard.overview.told import told
from rtcdp.dashboard.page import PageAsked, PageQuestion
from rtcdp.dashboard.routes import dashboard_routes
from rtcdp.dashboard.zone import PageZone
from rtcdp.definitions import Count, Metric, Property, Sum, tumbling
from rtcdp.testing.driver import START_MS, Driver
from tests.unit.dashboard.overview.conftest import NOW, DriversTime

COUNTRIES = Metric(
    "views_by_country", "Countries", tumbling(hours=1), (Count("views"),), (Property("country"),)
)

UTC = PageZone()


def lists(
    installation: Installation,
    buckets: Buckets,
    filters: Filters | None = None,
    zone: PageZone = UTC,
) -> dict[str, Listed]:
    asked: PageAsked[Any] = PageAsked(
        ApiContext(installation),
        cast("Any", None),
        PageQuestion(),
        zone,
        PageAddress("/"),
        NOW,
    )
    found, kept = told(installation, buckets, filters or {}), ranked_lists(installation, buckets)
    return {each.name: each for each in lists_of(asked, buckets, found, filters or {}, kept)}


def labels(listed: Listed) -> list[tuple[str, float]]:
    return [(row.label, row.value) for row in listed.rows]


def test_a_list_says_which_filters_do_not_narrow_it(shop: Installation, hour: Buckets) -> None:
    found = lists(shop, hour, {"entry_page": ("/a",), "exit_page": (), "category": ()})
    assert labels(found["entry-pages"]) == [("/a", 1)]
    assert found["entry-pages"].aside is None
    assert found["types"].aside == "not narrowed by entry page"
    assert "not narrowed by entry page" in (found["pages"].aside or "")
    assert found["categories"].aside == "not narrowed by entry page"
    one = lists(shop, hour, {"category": ("none such",)})
    assert not one["categories"].rows
    assert one["exit-pages"].aside == "not narrowed by category"


def test_a_list_of_longer_windows_says_since_when(shop: Installation, hour: Buckets) -> None:
    assert lists(shop, hour)["pages"].aside is None
    moved = replace(hour, edges=tuple(edge + 60_000 for edge in hour.edges))
    assert lists(shop, moved)["pages"].aside == "since 01:00"


def test_a_list_of_longer_windows_says_until_when(shop: Installation, hour: Buckets) -> None:
    early = replace(hour, edges=tuple(edge - 600_000 for edge in hour.edges[:-1]))
    assert lists(shop, early)["pages"].aside == "since 00:00, until 02:00"
    later = replace(hour, edges=tuple(edge + 60_000 for edge in hour.edges[:-3]))
    assert early.end < later.end < NOW
    assert lists(shop, later)["pages"].aside == "since 01:00, until 02:00"
    late = Buckets("minute", "UTC", (NOW - 12_000, NOW - 6_000), (NOW - 12_000,), NOW)
    assert lists(shop, late)["pages"].aside == "until now"
    # It was read before the window ended, and is shown when that is over.
    earlier = NOW - 13_000
    read = Buckets("minute", "UTC", (earlier - 12_000, earlier - 6_000), (), earlier)
    assert lists(shop, read)["pages"].aside == "since 01:00, until now"
    # In India hours of UTC begin half past: one begins on the day before the one that is shown.
    midnight = START_MS - 5 * HOUR_MS - HOUR_MS // 2
    day = Buckets("day", "Asia/Kolkata", (midnight, midnight + DAY_MS), (midnight,), NOW)
    pages = lists(shop, day, zone=PageZone("Asia/Kolkata"))["pages"]
    assert pages.aside == "since 31 Dec 23:30"


def test_a_row_that_is_no_filter_leads_to_what_explore_tells_of_it(shop: Installation) -> None:
    app = Litestar(
        dashboard_routes(ApiContext(shop)),
        exception_handlers=exception_handlers,
        logging_config=None,
    )
    with TestClient(with_manners(app)) as client:
        client.headers["Accept"] = "text/html"
        page = client.get("/").text
        href = re.search(r'href="(/explore[^"]*PURCHASE[^"]*)"', page)
        assert href is not None
        explored = client.get(unescape(href[1]))
    assert explored.status_code == 200
    assert "where=eventType%3DPURCHASE" in href[1]


def test_a_metric_by_a_property_is_a_list(tmp_path: Path, hour: Buckets) -> None:
    driver = Driver((COUNTRIES,), tmp_path)
    driver.advance(seconds=(NOW - START_MS) // 1000)
    for country in ("de", "fr", "de"):
        view = {"userId": "a", "eventType": "PAGE_VIEW", "timestamp": NOW - 60_000}
        driver.feed({**view, "properties": {"country": country}}, intake="import")
    driver.process()
    shop = Installation(driver.store, (COUNTRIES,), DriversTime(driver), driver.log)
    listed = lists(shop, hour)["of-views_by_country"]
    assert (listed.title, listed.metric, listed.field) == (
        "Countries",
        "views_by_country",
        "country",
    )
    assert labels(listed) == [("de", 2), ("fr", 1)]
    driver.close()


def test_only_the_values_of_events_are_money(tmp_path: Path, hour: Buckets) -> None:
    of_value = replace(COUNTRIES, name="worth", measures=(Sum("worth"),))
    of_grams = replace(COUNTRIES, name="weight", measures=(Sum("grams", Property("grams")),))
    driver = Driver((of_value, of_grams), tmp_path)
    shop = Installation(driver.store, (of_value, of_grams), DriversTime(driver), driver.log)
    found = lists(shop, hour)
    assert (found["of-worth"].kind, found["of-weight"].kind) == ("money", "count")
    driver.close()


def test_rows_that_narrow_nothing_lead_to_the_events_that_they_count(
    shop: Installation, hour: Buckets
) -> None:
    pages = lists(shop, hour)["pages"]
    assert set(pages.behind) == {row.label for row in pages.rows}
    app = Litestar(
        route_handlers=dashboard_routes(ApiContext(shop)),
        exception_handlers=exception_handlers,
        logging_config=None,
    )
    with TestClient(with_manners(app)) as client:
        for row in pages.rows:
            listed = client.get(pages.behind[row.label]).text
            assert listed.count('<tr role="row" data-verdict="admitted">') == row.value, row.label
