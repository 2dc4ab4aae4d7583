import pytest

from rtcdp.answers import row_changes
from rtcdp.answers.fold_rows import told_by
from rtcdp.answers.folds import find_fold
from rtcdp.answers.freshness import open_reading
from rtcdp.answers.row_changes import RowsWatch
from rtcdp.engines import notices
from tests.stories import event
from tests.told import DAY, MINUTE, START


class Watched:
    """A fold of a store that is told events, and looked at."""

    def __init__(self, teller, name="sessions"):
        self.teller = teller
        self.read = teller.installation(START)
        self.watch = RowsWatch(find_fold(teller.folds, name))

    def look(self):
        with open_reading(self.read) as reading:
            return self.watch.look(told_by(self.read, reading, self.watch.fold))

    def tell(self, *events):
        self.teller.tell(events, START)


@pytest.fixture
def watched(make_teller):
    made = Watched(make_teller())
    made.tell(event(START, eventId="1"))
    assert made.look() is None
    return made


def test_a_row_that_changes_is_told_as_it_is_now(watched):
    assert watched.look() is None
    watched.tell(event(START + MINUTE, eventId="2"))
    change = watched.look()
    assert (change.fold, change.number, change.changed_count, change.gone) == ("sessions", 1, 1, [])
    [row] = change.changed
    assert (row["id"], row["event_count"]) == (f"{START}~ann", 2)
    watched.tell(event(START, user="bob", eventId="3"))
    assert [each["userId"] for each in watched.look().changed] == ["bob"]


def test_sessions_that_an_event_joins_are_told_and_the_one_that_is_gone(watched):
    watched.tell(event(START + 50 * MINUTE, eventId="2"))
    watched.look()
    watched.tell(event(START + 25 * MINUTE, eventId="3"))
    change = watched.look()
    assert [each["event_count"] for each in change.changed] == [3]
    assert change.gone == [
        {
            "id": f"{START + 50 * MINUTE}~ann",
            "userId": "ann",
            "session_start": "2026-01-01T00:50:00.000Z",
        }
    ]
    assert (change.number, change.gone_count) == (2, 1)


def test_an_epoch_without_changes_is_not_told(watched):
    watched.tell(event(START, "PAGE_VIEW", user="bob", eventId="2"))
    watched.look()
    other = Watched(watched.teller, "shop_funnel")
    assert other.look() is None
    watched.tell(event(START + 1, "SEARCH", user="bob", eventId="3"))
    assert other.look() is None
    assert watched.look().changed_count == 1


def test_a_row_that_goes_is_told_however_many_began_later(watched):
    old = START - 400 * 24 * 60 * MINUTE
    watched.tell(*(event(old + n * 50 * MINUTE, eventId=f"o{n}") for n in range(2)))
    watched.tell(*(event(START + n, user=f"u{n}", eventId=f"n{n}") for n in range(2_100)))
    watched.look()
    watched.tell(event(old + 25 * MINUTE, eventId="joins"))
    change = watched.look()
    assert [each["event_count"] for each in change.changed] == [3]
    assert [each["id"] for each in change.gone] == [f"{old + 50 * MINUTE}~ann"]
    assert (change.changed_count, change.gone_count, change.missed) == (1, 1, False)


def test_what_changed_in_several_epochs_is_told_as_it_is_now(watched):
    watched.tell(event(START + 50 * MINUTE, eventId="2"))
    watched.tell(event(START + 90 * MINUTE, eventId="3"))
    watched.tell(event(START + 25 * MINUTE, eventId="4"))
    change = watched.look()
    assert [each["event_count"] for each in change.changed] == [1, 3]
    assert [each["id"] for each in change.gone] == [f"{START + 50 * MINUTE}~ann"]
    # The second session came and went meanwhile; it stands among those that are gone.
    assert (change.changed_count, change.gone_count) == (2, 1)


def test_whoever_looks_too_late_is_told_that_something_was_missed(watched, monkeypatch):
    monkeypatch.setattr(notices, "KEPT_EPOCHS", 2)
    for number in range(3):
        watched.tell(event(START, user=f"u{number}", eventId=f"u{number}"))
    change = watched.look()
    assert change.missed
    assert [each["userId"] for each in change.changed] == ["u1", "u2"]
    watched.tell(event(START, user="new", eventId="new"))
    assert not watched.look().missed


def test_more_than_is_told_is_counted(watched, monkeypatch):
    monkeypatch.setattr(row_changes, "TOLD_ROWS", 2)
    watched.tell(*(event(START + n, user=f"u{n}", eventId=f"u{n}") for n in range(5)))
    change = watched.look()
    assert (len(change.changed), change.changed_count) == (2, 5)


def test_what_is_forgotten_is_looked_at_anew(watched):
    watched.watch.forget()
    watched.tell(event(START + MINUTE, eventId="2"))
    assert watched.look() is None


def cart(at, user):
    return event(at, "ADD_TO_CART", user, eventId=f"{user}{at}", productId="kite", value=3.0)


def watched_carts(make_teller):
    """Carts that are followed from when nothing had happened yet; imports are taken in at once."""
    made = Watched(make_teller(), "cart_outcomes")
    made.read = made.teller.installation(START, allowed_lateness_ms=0)
    made.teller.tell([event(START, eventId="0")], START)
    assert made.look() is None
    return made


def test_a_cart_that_was_left_is_told_once_when_that_is_final(make_teller):
    watched = watched_carts(make_teller)
    watched.teller.tell([cart(START, "ann"), cart(START + 1, "bob")], START + MINUTE)
    assert watched.look().final == []
    watched.teller.tell([event(START, "SEARCH", eventId="1")], START + DAY - 1)
    assert watched.look() is None
    # The last moment in which it could be bought has passed.
    watched.teller.tell([event(START, "SEARCH", eventId="2")], START + DAY)
    change = watched.look()
    assert (change.changed, change.missed) == ([], False)
    assert [(row["userId"], row["matched"], row["open"]) for row in change.final] == [
        ("ann", False, False)
    ]
    watched.teller.tell([event(START, "SEARCH", eventId="3")], START + 2 * DAY)
    assert [row["userId"] for row in watched.look().final] == ["bob"]
    watched.teller.tell([event(START, "SEARCH", eventId="4")], START + 3 * DAY)
    assert watched.look() is None


def test_where_too_many_are_final_at_once_some_are_missed(make_teller, monkeypatch):
    monkeypatch.setattr(row_changes, "FINAL_ROWS", 2)
    watched = watched_carts(make_teller)
    watched.teller.tell([cart(START + n, "ann") for n in range(3)], START + MINUTE)
    watched.look()
    watched.teller.tell([event(START, "SEARCH", eventId="1")], START + 2 * DAY)
    change = watched.look()
    assert (len(change.final), change.missed) == (2, True)
