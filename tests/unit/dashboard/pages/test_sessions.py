"""The list of sessions, as a page."""

import re
from collections.abc import Callable
from html import unescape

from rtcdp.answers.freshness import Installation
from tests.stories import event
from tests.told import MINUTE, START
from tests.unit.dashboard.pages.conftest import MakeSite, Site, cells

WEEK = "/sessions?last=7d"


def test_the_list_is_the_apis(site: Site) -> None:
    page = site.page(WEEK)
    listed, days = site.behind(page)
    rows = cells(page, "sessions")
    assert [row[0] for row in rows] == [each["userId"] for each in listed["items"]]
    assert [row[3] for row in rows] == [str(each["event_count"]) for each in listed["items"]]
    assert f">{days['total']['session_count']}</a></b>" in page
    assert len(rows) == days["total"]["session_count"] == 5


def test_each_leads_to_its_events_and_its_user(site: Site) -> None:
    page = site.page(WEEK)
    for address in re.findall(r'<a href="(/sessions/[^"]+)" data-session', page):
        assert 'class="timeline"' in site.page(address)
    for address in set(re.findall(r'href="(/users/[^"]+)"', page)):
        assert "Timeline" in site.page(address)


def test_filters_are_in_the_address_and_an_empty_field_is_none(site: Site) -> None:
    assert [row[0] for row in cells(site.page(f"{WEEK}&whose=ada&state="), "sessions")] == [
        *("ada", "ada")
    ]
    assert "No session is like that" in site.page(f"{WEEK}&whose=nobody")
    assert "No session is like that" in site.page(f"{WEEK}&state=open")


def test_pages_follow_each_other(
    make_site: MakeSite, make_told: Callable[..., Installation]
) -> None:
    many = [
        event(START + at * MINUTE, user=f"u{at:02d}", eventId=str(at), pageUrl="/")
        for at in range(60)
    ]
    site = make_site(make_told(many))
    users, address = [], WEEK
    while address:
        page = site.page(address)
        users += [row[0] for row in cells(page, "sessions")]
        further = re.findall(r'<a href="([^"]+)" rel="next">', page)
        address = unescape(further[0]) if further else ""
    assert users == [f"u{at:02d}" for at in reversed(range(60))]


def test_days_are_those_of_the_zone(site: Site) -> None:
    days = re.compile(r'<time datetime="([^"]+)"[^>]*>\d+ \w+</time>')
    assert days.findall(site.page(f"{WEEK}&tz=Asia/Kolkata"))[0] == "2026-01-01T18:30:00.000Z"


def test_nobody_and_no_story_say_what_to_do(quiet_site: Site, bare_site: Site) -> None:
    assert "curl -X POST" in quiet_site.page("/sessions")
    assert "No sessions are told" in bare_site.page("/sessions")


def test_each_figure_leads_to_as_many_and_filters_are_said_to_be_the_lists(site: Site) -> None:
    page = site.page(WEEK)
    assert "figures, and those by the day" not in page
    found = re.findall(r'<a href="([^"#]+)#list">(\d+)[^<]*</a>', page)
    assert len(found) > 5
    for address, number in found:
        listed = site.page(unescape(address))
        assert len(cells(listed, "sessions") if int(number) else []) == int(number), address
    assert "figures, and those by the day" in site.page(f"{WEEK}&whose=ann")
