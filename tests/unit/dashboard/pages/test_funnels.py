"""Funnels and their people, as pages."""

import re
from html import unescape

from tests.stories import event
from tests.told import START
from tests.unit.dashboard.pages.conftest import MakeSite, Site, cells

PEOPLE = re.compile(r'id="people-count">([\d,]+)</b>')
LISTED = re.compile(r'<a class="name" href="/users/([^"?]*)')


def test_the_numbers_are_those_of_the_api(site: Site) -> None:
    page = site.page("/funnels/shop_funnel")
    [answer] = site.behind(page)
    [whole] = answer["items"]
    told = [(f"{each['step']}. {each['name']}", str(each["reached"])) for each in whole["steps"]]
    assert [(row[0], row[1]) for row in cells(page, "steps")] == told
    assert told == [("1. view", "4"), ("2. cart", "2"), ("3. purchase", "1")]


def test_each_number_leads_to_as_many_people(site: Site) -> None:
    page = site.page("/funnels/shop_funnel")
    numbers = re.findall(r'<a href="([^"]+)#people" data-(?:reached|dropped)="\d">(\d+)</a>', page)
    assert [number for _, number in numbers] == ["4", "2", "2", "1", "1"]
    for address, number in numbers:
        listed = site.page(unescape(address))
        assert PEOPLE.findall(listed) == [number]
        assert len(LISTED.findall(listed)) == int(number)
        assert site.behind(listed)[1]["count"] == int(number)


def test_the_bars_lead_there_as_well(site: Site) -> None:
    page = site.page("/funnels")
    assert 'href="/funnels?step=2&amp;outcome=dropped#people"' in page
    assert LISTED.findall(site.page("/funnels?step=2&outcome=dropped")) == ["bob"]


def test_a_step_may_be_called_by_its_name(site: Site) -> None:
    page = site.page("/funnels?step=purchase")
    assert LISTED.findall(page) == ["ada"]
    assert "reached purchase" in page


def test_what_is_no_step_is_said(site: Site) -> None:
    assert "is no step of this funnel" in site.page("/funnels?step=9", 400)
    assert "there is no funnel" in site.page("/funnels/none", 404)


def test_a_time_without_anybody_says_what_to_do(site: Site, quiet_site: Site) -> None:
    for page in (site.page("/funnels?from=2025-01-01&to=2025-01-02"), quiet_site.page("/funnels")):
        assert "Nobody entered it in this time" in page
        assert "curl -X POST" in page


def test_a_catalog_without_funnels_says_so(bare_site: Site) -> None:
    assert "There is no funnel" in bare_site.page("/funnels")


def test_days_are_those_of_the_zone(site: Site) -> None:
    assert "2 Jan" in site.page("/funnels?tz=UTC")
    berlin = site.page("/funnels?tz=Europe/Berlin")
    # Eve came at 23:30 UTC, which is the next day there.
    rows = re.findall(r'<time datetime="([^"]+)"[^>]*>(\d+ \w+)</time>', berlin)
    assert ("2026-01-01T23:00:00.000Z", "2 Jan") in rows


def test_names_are_text(make_site: MakeSite, make_told) -> None:
    user = "<script>alert(1)</script>"
    hostile = make_site(make_told([event(START, user=user, eventId="1", pageUrl="/")]))
    page = hostile.page("/funnels?step=1")
    assert user not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
