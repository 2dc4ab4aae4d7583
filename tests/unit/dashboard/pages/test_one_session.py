"""One session, as a page."""

import re

from tests.unit.dashboard.pages.conftest import Site

SESSION = "/sessions/1767225600000~ada"


def test_its_events_are_those_of_the_api(site: Site) -> None:
    page = site.page(SESSION)
    [answer] = site.behind(page)
    types = re.findall(r'<li data-type="(\w+)">', page)
    assert types == [each["eventType"] for each in answer["items"]]
    assert types == ["PAGE_VIEW", "PAGE_VIEW", "ADD_TO_CART", "PURCHASE"]
    assert "19.99" in page
    assert 'href="/users/ada"' in page


def test_an_id_with_a_slash_is_one(site: Site) -> None:
    assert "Session of a/b" in site.page("/sessions/1767312000000~a%2Fb")


def test_times_are_those_of_the_zone(site: Site) -> None:
    assert "1 Jan, 05:33:00" in site.page(f"{SESSION}?tz=Asia/Kolkata")


def test_what_is_none_is_said(site: Site) -> None:
    assert "there is no session" in site.page("/sessions/1~ada", 404)
    page = site.page("/sessions/nonsense", 404)
    assert "Nothing is here" in page
    assert 'Go back to the <a href="/">overview</a>' in page
