"""The events themselves, as a page: the same as the API tells, with a way back."""

import re
from collections.abc import Callable
from html import unescape

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.testing.driver import Driver
from rtcdp.testing.memory_log import MemoryLog
from tests.unit.dashboard.pages.conftest import MakeSite, Site

WINDOW = "from=2026-01-01T00:00:00Z&to=2026-01-01T00:01:00Z"


@pytest.fixture
def site(
    driver: Driver, make_site: MakeSite, make_installation: Callable[..., Installation]
) -> Site:
    """Two views of ada, one of which came again, one of eve, and one that came too late."""
    view = {"userId": "ada", "eventType": "PAGE_VIEW", "timestamp": driver.now_ms, "eventId": "1"}
    eve = {**view, "userId": "<b>eve</b>", "eventId": "3", "pageUrl": "/<i>"}
    driver.feed(view, view, {**view, "eventId": "2", "eventType": "SEARCH"}, eve)
    driver.feed({**view, "eventId": "4", "timestamp": driver.now_ms - 3_600_000})
    driver.process()
    return make_site(make_installation())


def verdicts(page: str) -> list[str]:
    return re.findall(r'<tr role="row" data-verdict="([^"]+)"', page)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", ["late", "admitted", "admitted", "duplicate", "admitted"]),
        ("verdict=admitted", ["admitted"] * 3),
        ("where=userId%3Dada&verdict=late", ["late"]),
        (f"{WINDOW}&metric=user_page_view_counts&where=userId%3Dada", ["duplicate", "admitted"]),
    ],
)
def test_the_list_is_that_of_the_api(site: Site, asked: str, found: list[str]) -> None:
    page = site.page(f"/events?{asked}")
    assert verdicts(page) == found
    assert [item["verdict"] for item in site.behind(page)[0]["items"]] == found


def test_the_order_of_several_partitions_is_said(
    site: Site, make_site: MakeSite, make_told: Callable[..., Installation]
) -> None:
    assert "What came last, first" in site.page("/events")
    several = make_site(make_told([], log=MemoryLog(partitions=2)))
    assert "Newest first, partition by partition" in several.page("/events")


def test_names_are_text_and_lead_to_people(site: Site) -> None:
    page = site.page("/events")
    assert "<b>eve</b>" not in page
    assert "/users/%3Cb%3Eeve%3C%2Fb%3E" in page


def test_each_filter_can_be_taken_away_and_there_is_a_way_back(site: Site) -> None:
    asked = "where=userId%3Dada&where=source%3Ddefault&metric=user_page_view_counts"
    page = site.page(f"/events?{asked}&back=/%3Flast%3D1h")
    chips = re.findall(r'<a class="chip" href="([^"]+)"', page)
    assert [len(verdicts(site.page(unescape(chip)))) for chip in chips] == [4, 3, 4]
    assert '<a href="/?last=1h">← Back</a>' in page
    assert "← Back" not in site.page("/events?back=//evil.test")


def test_wrong_turns_and_nothing_say_what_to_do(site: Site, quiet_site: Site) -> None:
    assert "there is no metric" in site.page("/events?metric=nothing", 404)
    assert "send a field and a text" in site.page("/events?where=ada", 400)
    assert "curl -X POST" in site.page("/events?where=userId%3Dnobody")
    assert "ask the one that runs with --log" in quiet_site.page("/events")
