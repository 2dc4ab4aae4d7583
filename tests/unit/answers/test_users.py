import pytest

from rtcdp.answers.users import UserQuestion, user_page
from rtcdp.errors import NotThere
from rtcdp.folds import timeline
from tests.stories import event
from tests.told import START
from tests.unit.answers.conftest import NOW


def test_one_user_s_story_sessions_and_positions(told):
    page = user_page(told, "ada", UserQuestion())
    assert [each["eventId"] for each in page.items] == ["e12", "e11", "e04", "e03", "e02", "e01"]
    [sessions] = page.sessions
    assert (sessions.fold, sessions.count) == ("sessions", 2)
    assert [each["event_count"] for each in sessions.items] == [2, 4]
    [funnel] = page.funnels
    assert (funnel.funnel, funnel.depth, funnel.step, funnel.converted) == (
        "shop_funnel",
        3,
        "purchase",
        True,
    )
    assert funnel.row["at_3"] == "2026-01-01T00:05:00.000Z"


def test_events_are_paged(told):
    found, cursor = [], None
    while True:
        page = user_page(told, "ada", UserQuestion(limit=4, cursor=cursor))
        found.append([each["eventId"] for each in page.items])
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [["e12", "e11", "e04", "e03"], ["e02", "e01"]]


@pytest.mark.parametrize("event_id", [None, "again"])
def test_of_events_at_once_that_no_id_tells_apart_each_is_told(make_teller, event_id):
    teller = make_teller()
    pages = [f"/{number}" for number in range(7)]
    events = [event(START, pageUrl=page, eventId=event_id) for page in pages]
    teller.tell([*events, event(START - 1, pageUrl="/first")], START)
    found, cursor = [], None
    while True:
        question = UserQuestion(limit=2, cursor=cursor)
        page = user_page(teller.installation(NOW), "ann", question)
        found += [each["pageUrl"] for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [*reversed(pages), "/first"]


def test_nobody_is_told_apart_from_silence(told):
    with pytest.raises(NotThere, match="nothing is known"):
        user_page(told, "Ada", UserQuestion())


def test_what_the_story_has_no_room_for_is_counted(make_teller):
    teller = make_teller()
    count = timeline.EVENTS_MAX + 3
    teller.tell([event(START + n, eventId=f"{n:05d}") for n in range(count)], START, [1000])
    page = user_page(teller.installation(NOW), "ann", UserQuestion(limit=1))
    assert page.not_told == 3
