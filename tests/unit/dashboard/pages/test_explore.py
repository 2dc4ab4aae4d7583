"""Explore: what is shown is what the API says at the address that the page names."""

import csv
import io
import re
from collections.abc import Callable
from html import unescape

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.clock import ManualClock
from rtcdp.definitions import Count, Metric, Sum, TopK, tumbling
from rtcdp.testing.driver import START_MS, Driver

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
VIEWS = Metric(
    "views", "Views", tumbling(hours=1), (Count("view_count"), Sum("total")), ("userId",)
)
PAGES = Metric("pages", "Pages", tumbling(hours=1), (TopK("best", "pageUrl"),))
SCRIPT = "<script>alert(1)</script>"

MakeDriver = Callable[..., Driver]


@pytest.fixture
def driver(make_driver: MakeDriver) -> Driver:
    """Ada every hour of a day, Bob once, and somebody with a strange name; 25 hours have gone."""
    made = make_driver(VIEWS, PAGES)
    made.advance(seconds=25.5 * 3600)
    for hour, user in [*((hour, "ada") for hour in range(24)), (3, "bob"), (4, SCRIPT)]:
        view = {
            "userId": user,
            "eventType": "PAGE_VIEW",
            "timestamp": START_MS + hour * HOUR,
            "value": 1.5,
            "pageUrl": "/a",
        }
        made.feed(view, intake="import")
    made.process()
    return made


@pytest.fixture
def site(make_site, driver: Driver):  # type: ignore[no-untyped-def]
    clock = ManualClock(driver.now_ms)
    return make_site(Installation(driver.store, (VIEWS, PAGES), clock, driver.log))


def cells(page: str) -> list[list[str]]:
    """The rows of the table of numbers, as texts."""
    body = re.search(r'<table id="numbers"[^>]*>.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    assert body is not None
    return [
        [
            unescape(re.sub(r"<[^>]+>", "", cell)).strip()
            for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", body[1], re.DOTALL)
    ]


def test_the_first_metric_is_shown_if_nobody_says(site) -> None:  # type: ignore[no-untyped-def]
    page = site.page("/explore")
    assert '<h2 id="chart-1">Views: view count</h2>' in page
    assert len(cells(page)) == 25


def test_the_table_is_what_the_api_says_and_what_is_in_the_file(site) -> None:  # type: ignore[no-untyped-def]
    page = site.page("/explore?metrics=views&group_by=userId&interval=day&limit=1&last=7d")
    (answer,) = site.behind(page)
    counts = [(item["views.view_count"], item["views.total"]) for item in answer["items"]]
    assert [(int(row[2]), float(row[3])) for row in cells(page)] == counts
    assert (24, 36.0) in counts
    assert [row[1] for row in cells(page)][:2] == ["ada", "2 others"]
    file = re.search(r'href="([^"]+format=csv)"', page)
    assert file is not None
    rows = list(csv.DictReader(io.StringIO(site.client.get(unescape(file[1])).text)))
    assert [[row["views.view_count"], row["views.total"]] for row in rows] == [
        [str(item["views.view_count"]), str(item["views.total"])] for item in answer["items"]
    ]


def test_one_number_of_several_groups_has_a_row_for_each_time(site) -> None:  # type: ignore[no-untyped-def]
    page = site.page(
        "/explore?metrics=views.view_count&group_by=userId&limit=1&interval=hour"
        "&from=2026-01-01T03:00:00Z&to=2026-01-01T05:00:00Z"
    )
    assert cells(page) == [["1 Jan, 04:00", "1", "1"], ["1 Jan, 03:00", "1", "1"]]
    assert ">2 others</th>" in page


def test_each_number_stands_below_its_group_also_where_others_have_none(site, driver) -> None:  # type: ignore[no-untyped-def]
    ahead = {"userId": "bob", "eventType": "PAGE_VIEW", "timestamp": driver.now_ms + 40 * MINUTE}
    driver.advance(seconds=2400)
    driver.feed(ahead)
    driver.process()
    page = site.page(
        "/explore?metrics=views.view_count&group_by=userId&interval=hour"
        "&from=2026-01-01T23:00:00Z&to=2026-01-02T03:00:00Z"
    )
    heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', page, re.DOTALL)
    assert [re.sub(r"<[^>]+>", "", head).strip() for head in heads][1:] == ["bob", "ada"]
    assert [row[1:] for row in cells(page)] == [["1", "–"], ["0", "0"], ["0", "0"], ["0", "1"]]


def test_each_number_leads_to_its_events(site) -> None:  # type: ignore[no-untyped-def]
    page = site.page("/explore?metrics=views.view_count&where=userId=bob&interval=none&last=7d")
    (row,) = cells(page)
    assert row == ["1"]
    why = re.search(r'href="(/why\?[^"]+)"', page)
    assert why is not None
    behind = site.page(unescape(why[1]))
    assert '<b id="number">1</b>' in behind
    assert behind.count('data-verdict="admitted"') == 1


def test_names_are_text(site) -> None:  # type: ignore[no-untyped-def]
    page = site.page(f"/explore?metrics=views.view_count&group_by=userId&where=userId={SCRIPT}")
    assert SCRIPT not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_what_can_not_be_answered_is_said_beside_the_choices(site) -> None:  # type: ignore[no-untyped-def]
    page = site.page("/explore?metrics=views.view_count&interval=day&tz=Asia/Kolkata")
    assert "no day of Asia/Kolkata fits" in page
    assert 'id="choose"' in page
    assert "there is no metric" in site.page("/explore?metrics=nothing")
    assert "names no field" in site.page("/explore?where=ada")
    assert "pages is not counted by userId" in unescape(
        site.page("/explore?metrics=pages&group_by=userId")
    )


def test_lists_and_ratios_are_shown(site) -> None:  # type: ignore[no-untyped-def]
    page = site.page("/explore?metrics=pages&interval=none&last=7d")
    assert cells(page) == [["/a 26"]]
    ratio = site.page("/explore?metrics=views.total/views.view_count&interval=none&last=7d")
    assert cells(ratio) == [["1.50"]]
    assert "/why" not in ratio
    turned = site.page("/explore?metrics=views.view_count/views.total&interval=none&last=7d")
    assert cells(turned) == [["0.667"]]


def test_without_events_it_says_how_to_send_one(make_site, make_driver: MakeDriver) -> None:  # type: ignore[no-untyped-def]
    quiet = make_driver(VIEWS)
    installation = Installation(quiet.store, (VIEWS,), ManualClock(quiet.now_ms), quiet.log)
    page = make_site(installation).page("/explore?interval=none")
    assert "Nothing was counted in this time" in page
    assert "/v1/events" in page
    bare = make_site(Installation(quiet.store, (), ManualClock(quiet.now_ms), quiet.log))
    assert "The catalog has no metric" in bare.page("/explore")


def test_weeks_begin_with_the_day_that_was_chosen(site) -> None:  # type: ignore[no-untyped-def]
    week = "/explore?metrics=views.view_count&interval=week&from=2025-12-20&to=2026-01-08"

    def begins(page: str) -> list[str]:
        return [row[0].removesuffix(" …") for row in cells(page)]

    assert begins(site.page(week)) == ["29 Dec", "22 Dec", "20 Dec"]
    page = site.page(f"{week}&week_starts=sunday")
    assert begins(page) == ["28 Dec", "21 Dec", "20 Dec"]
    assert '<option value="sunday" selected>' in page
    (answer,) = site.behind(page)
    assert [item["views.view_count"] for item in answer["items"]] == [26, 0, 0]
