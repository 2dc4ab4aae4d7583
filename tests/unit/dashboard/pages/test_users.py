"""One user, as a page."""

import re
from collections.abc import Callable

from rtcdp.answers.freshness import Installation
from rtcdp.dashboard.pages.users import stretches
from rtcdp.dashboard.stories import EventShown, SessionShown
from tests.stories import event
from tests.told import START
from tests.unit.dashboard.pages.conftest import MakeSite, Site


def test_all_that_the_api_tells_is_there(site: Site) -> None:
    page = site.page("/users/ada")
    advice, answer = site.behind(page)
    types = re.findall(r'<li data-type="(\w+)">', page)
    assert types == [each["eventType"] for each in answer["items"]]
    assert len(types) == 6
    assert len(set(re.findall(r'href="(/sessions/[^"]+)"', page))) == answer["sessions"][0]["count"]
    assert page.count('class="done"') == answer["funnels"][0]["depth"] == 3
    for each in advice["items"]:
        assert f"<b>{each['productId']}</b>" in page


def test_a_user_is_found_by_a_form(site: Site) -> None:
    assert "Find a user" in site.page("/users")
    assert "Find a user" in site.page("/users?whose=")
    assert 'data-type="PAGE_VIEW"' in site.page("/users?whose=a%2Fb")


def test_an_id_with_a_slash_is_one(site: Site) -> None:
    assert site.page("/users/a%2Fb").count("<li data-type") == 2


def test_somebody_unknown_is_said(site: Site) -> None:
    assert "nothing is known of the user" in site.page("/users/nobody", 404)


def test_names_are_text(make_site: MakeSite, make_told: Callable[..., Installation]) -> None:
    user, url = "<img src=x onerror=alert(1)>", "javascript:alert(1)//</script>"
    told = make_told([event(START, user=user, eventId="1", pageUrl=url, productId='"><b>')])
    page = make_site(told).page("/users/%3Cimg%20src=x%20onerror=alert(1)%3E")
    assert user not in page
    assert url not in page
    assert 'href="javascript' not in page


def session(start: int, end: int) -> SessionShown:
    return SessionShown(f"{start}~ada", "/sessions/x", "ada", None, start, end, {})


def test_events_stand_under_their_sessions() -> None:
    events = [EventShown(at, "PAGE_VIEW", ()) for at in (90, 50, 40, 10)]
    newer, older = session(40, 50), session(5, 20)
    found = stretches(events, [newer, older])
    assert [(each.session, [e.at for e in each.events]) for each in found] == [
        *((None, [90]), (newer, [50, 40]), (older, [10]))
    ]


def test_a_story_that_is_gone_leaves_what_else_is_known() -> None:
    assert stretches([], [session(1, 2)]) == []
