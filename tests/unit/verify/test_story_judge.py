"""What the independent judge tells of a story, against what one writes down by hand."""

import pytest

from rtcdp.definitions import Fold, event_type
from rtcdp.folds.joins import IntervalJoin
from rtcdp.folds.paths import Paths
from rtcdp.folds.product_sessions import ProductSessions
from rtcdp.folds.retention import Retention
from rtcdp.folds.sessions import Sessions
from rtcdp.verify.plain import plain_fold
from rtcdp.verify.story_judge import rows_of, settled_at, stories_in
from tests.stories import event

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
GAP = 30 * MINUTE


def told(step, *events):
    fold = plain_fold(Fold("told", "", step))
    return rows_of(fold, "ann", [{**each, "source": "shop"} for each in events])


@pytest.mark.parametrize(("pause", "count"), [(GAP - 1, 1), (GAP, 2), (GAP + 1, 2)])
def test_a_pause_as_long_as_the_gap_ends_a_session(pause, count):
    assert len(told(Sessions(), event(0, eventId="a"), event(pause, eventId="b"))) == count


def test_the_values_of_a_session():
    rows = told(
        Sessions(),
        event(9_999, eventId="b", pageUrl="/cart", value=-0.5),
        event(0, eventId="a", pageUrl="/", productId="shoe", sessionId="s"),
        event(20, "SEARCH", eventId="c", value=0.25),
    )
    assert rows == {
        ("ann", 0): {
            "session_end": 9_999,
            "duration_ms": 9_999,
            "event_count": 3,
            "page_view_count": 2,
            "value": -0.25,
            "converted": False,
            "bounce": False,
            "engaged": True,
            "product_count": 1,
            "client_count": 1,
            "entry_page": frozenset(["/"]),
            "exit_page": frozenset(["/cart"]),
        }
    }


def test_the_start_is_no_return_and_weeks_begin_on_their_day():
    thursday = event(0, eventId="a")
    row = told(Retention(unit="week", periods=3), thursday, event(4 * DAY, eventId="b"))
    assert row["ann", 0] == {"cohort": 0, "returned": 2, "last_return": 1}
    row = told(Retention(clock="rolling"), thursday, event(DAY - 1, eventId="b"))
    assert row["ann", 0]["returned"] == 1
    assert told(Retention(), thursday)["ann", 0]["last_return"] is None


def test_a_path_is_cut_and_does_not_tell_the_same_twice():
    pages = ["/", "/", "/a", "/b", "/a"]
    events = [event(n, eventId=f"{n}", pageUrl=page) for n, page in enumerate(pages)]
    row = told(Paths(nodes_max=3), *events)
    assert row["ann", 0] == {"path": ["/", "/a", "/b"], "length": 3, "cut": True}
    way_back = Paths(by="user", to_event=event_type("PAGE_VIEW"), nodes_max=2)
    assert told(way_back, *events)["ann", 0]["path"] == ["/b", "/a"]


def test_of_long_names_fewer_are_told():
    pages = [f"{number:02}" + 2046 * "\1" for number in range(12)]
    events = [event(n, eventId=f"{n:02}", pageUrl=page) for n, page in enumerate(pages)]
    row = told(Paths(nodes_max=20), *events)["ann", 0]
    assert row == {"path": pages[:9], "length": 9, "cut": True}
    way_back = Paths(by="user", to_event=event_type("PAGE_VIEW"), nodes_max=20)
    assert told(way_back, *events)["ann", 0] == {"path": pages[3:], "length": 9, "cut": True}
    names = [f"{number:03}" + 253 * "\1" for number in range(100)]
    events = [event(n, eventId=f"{n:03}", productId=name) for n, name in enumerate(names)]
    row = told(ProductSessions(products_max=200), *events)["ann", 0]
    assert row == {"products": names[25:], "deeds": 75 * "s", "length": 75, "left_out": 25}


def test_a_partner_is_the_nearest_one_and_not_too_late():
    cart, buy = event_type("CART"), event_type("BUY")
    join = IntervalJoin(cart, buy, on=("productId",), within_ms=10)

    def one(at, type_, id_, product="kite"):
        return event(at, type_, eventId=id_, productId=product)

    rows = told(
        join,
        one(0, "CART", "a"),
        one(10, "BUY", "b"),
        one(20, "CART", "c"),
        one(31, "BUY", "d"),
        one(40, "BUY", "a1"),
        one(40, "CART", "z"),
        one(41, "CART", "e", None),
        one(42, "BUY", "f", "lamp"),
    )
    partners = {key[1:]: row["right_at"] for key, row in rows.items()}
    assert partners == {(0, "kite", 0): 10, (20, "kite", 0): None, (40, "kite", 0): 40}


def test_when_nothing_can_change_any_more():
    row = {"session_end": 7, "client": "x"}
    assert settled_at(plain_fold(Fold("s", "", Sessions())), ("ann", 1), {"session_end": 7}) == (
        7 + GAP
    )
    by_client = plain_fold(Fold("s", "", Sessions(by="client")))
    assert settled_at(by_client, ("ann", 1, "x"), row) == 1 + DAY
    assert settled_at(plain_fold(Fold("r", "", Retention())), ("ann", 1), {}) is None


def test_stories_are_told_apart_and_events_without_a_key_are_nobodys():
    events = [event(0, user=user) for user in ("ann", "bob", None, "ann")]
    stories, too_long = stories_in(events, "userId")
    assert {who: len(story) for who, story in stories.items()} == {"ann": 2, "bob": 1}
    assert too_long == []
