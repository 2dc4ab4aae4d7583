import random

import pytest

from rtcdp.answers.sessions import (
    SessionEventsQuestion,
    SessionsQuestion,
    session_events,
    sessions_page,
)
from rtcdp.definitions import Fold
from rtcdp.errors import BadRequest, NotThere
from rtcdp.folds.sessions import Sessions
from tests.stories import event
from tests.told import MINUTE, START
from tests.unit.answers.conftest import NOW

BY_CLIENT = Fold("app", "Visits", Sessions(by="client"))
BY_CAMPAIGN = Fold("campaigns", "Visits", Sessions(campaign="sessionId"))
BY_DAY = Fold("by_day", "Visits", Sessions(midnight="Europe/Berlin", exclude=("PING",)))


def events_of(read, session_id, fold="sessions", limit=1000):
    found, cursor = [], None
    while True:
        question = SessionEventsQuestion(fold=fold, limit=limit, cursor=cursor)
        page = session_events(read, session_id, question)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return page.session, found


def test_the_events_that_make_a_session(told):
    session, events = events_of(told, f"{START}~ada")
    assert session["event_count"] == len(events) == 4
    assert [each["eventId"] for each in events] == ["e01", "e02", "e03", "e04"]
    assert events[3] == {
        "timestamp": "2026-01-01T00:05:00.000Z",
        "eventId": "e04",
        "eventType": "PURCHASE",
        "productId": "1",
        "sessionId": "a",
        "value": 19.99,
    }
    assert events_of(told, f"{START}~ada", limit=1)[1] == events


def test_events_at_once_that_no_id_tells_apart_are_all_paged(make_teller):
    teller = make_teller()
    pages = [f"/{number}" for number in range(7)]
    events = [event(START, pageUrl=page) for page in pages]
    teller.tell([*events, event(START + 1, pageUrl="/last")], START)
    _, found = events_of(teller.installation(NOW), f"{START}~ann", limit=2)
    assert [each["pageUrl"] for each in found] == [*pages, "/last"]


@pytest.mark.parametrize(
    "fold",
    [BY_CLIENT, BY_DAY, BY_CAMPAIGN, None],
    ids=["client", "midnight", "campaign", "gap"],
)
def test_every_session_has_as_many_events_as_it_says_and_no_event_is_told_twice(make_teller, fold):
    rng = random.Random(1)
    users, clients = ["ann", "~-t~", "a/b"], [None, "~", "-t", "a~b"]
    events = [
        event(
            START + rng.randrange(40) * 7 * MINUTE,
            rng.choice(["PAGE_VIEW", "PING"]),
            rng.choice(users),
            sessionId=rng.choice(clients),
            eventId=f"e{n:03d}",
        )
        for n in range(150)
    ]
    teller = make_teller(*(() if fold is None else (fold,)))
    teller.tell(events, START, [40])
    read, name = teller.installation(NOW), "sessions" if fold is None else fold.name
    page = sessions_page(read, SessionsQuestion(fold=name, limit=1000))
    told = []
    for item in page.items:
        session, made_of = events_of(read, item["id"], name, limit=7)
        assert session == item
        assert len(made_of) == item["event_count"]
        told += [each["eventId"] for each in made_of]
    counted = [e["eventId"] for e in events if fold is not BY_DAY or e["eventType"] != "PING"]
    assert sorted(told) == sorted(counted)


@pytest.mark.parametrize("text", ["", "x~ada", "1", f"{10**18}~ada", "1~a\0", "~ada"])
def test_what_is_no_id_is_told(told, text):
    with pytest.raises(NotThere, match="is no id"):
        session_events(told, text, SessionEventsQuestion())


def test_a_session_that_was_joined_by_an_earlier_event_is_gone(told):
    with pytest.raises(NotThere, match="there is no session") as refused:
        session_events(told, f"{START + 1}~ada", SessionEventsQuestion())
    assert "/api/sessions" in refused.value.hint


def test_sessions_are_asked_for_by_their_key(told):
    with pytest.raises(BadRequest, match="by userId"):
        sessions_page(told, SessionsQuestion(equals={"sessionId": ("a",)}))
    with pytest.raises(NotThere):
        sessions_page(told, SessionsQuestion(fold="shop_funnel"))
