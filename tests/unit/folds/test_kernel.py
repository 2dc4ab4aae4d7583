"""The kernel asks for no more than what a batch can change, and says what is known after it."""

import polars as pl

from rtcdp.clock import DAY_MS, EARLIEST_MS, LATEST_MS
from rtcdp.definitions import Fold, event_type
from rtcdp.folds.joins import IntervalJoin
from rtcdp.folds.kernel import touched
from rtcdp.folds.paths import Paths
from rtcdp.folds.sessions import Sessions
from tests.stories import RowsInMemory, event, frame_of

FOLD = Fold("visits", "Visits", Sessions(gap_ms=10, longest_ms=100))
BY_USER = Fold("ways", "Ways", Paths(by="user"))


def test_each_key_is_touched_where_its_events_are():
    events = frame_of([event(5), event(900), event(7, user="bob")])
    found = touched(FOLD, events).sort("userId")
    assert found.rows() == [("ann", 5 - 110, 911), ("bob", 7 - 110, 18)]


def test_a_story_that_hangs_on_everything_is_read_as_a_whole():
    spans = touched(BY_USER, frame_of([event(5)]))
    assert spans.rows() == [("ann", EARLIEST_MS, LATEST_MS)]


def test_of_sessions_no_more_is_read_than_it_takes_to_see_their_ends():
    """Ten milliseconds without an event end a session; here nothing lasts 100."""
    fold = Fold("ways", "Ways", Paths(sessions=Sessions(gap_ms=10, longest_ms=100)))
    store, asked = RowsInMemory(fold), []
    told = RowsInMemory(fold)
    told.events = lambda spans: (asked.extend(spans.rows()), store.events(spans))[1]
    page = {"pageUrl": "/"}
    calm = [event(500 + n, eventId=f"e{n}", **page) for n in (0, 3, 30)]
    folded = store.folded(calm, story=told)
    assert [(row[1], row[2]) for row in asked] == [(500 - 110, 541 + 110)]
    assert folded.spans.rows() == [("ann", 0, 531)]  # rows are known from the hour on
    store.commit(folded)
    asked.clear()
    busy = [event(n * 9, eventId=f"b{n}", **page) for n in range(52)]
    store.commit(store.folded(busy[:-1]))
    folded = store.folded(busy[-1:], story=told)
    assert [(row[1], row[2]) for row in asked][-1] == (EARLIEST_MS, LATEST_MS)
    store.commit(folded)
    whole = fold.step.rows(frame_of([*calm, *busy]), "userId").sort("started_at")
    found = sorted(store.by_key.values(), key=lambda row: row["started_at"])
    assert found == whole.rows(named=True)


def test_of_what_a_user_put_into_carts_only_what_came_again_is_looked_at(monkeypatch):
    """Products know nothing of each other; what was known of all stays known."""
    fold = Fold(
        "carts", "Carts", IntervalJoin(event_type("CART"), event_type("BUY"), ("productId",))
    )
    paired, looked_at = IntervalJoin.rows, []
    monkeypatch.setattr(
        IntervalJoin,
        "rows",
        lambda step, events, key: (looked_at.append(events), paired(step, events, key))[1],
    )
    store = RowsInMemory(fold)
    carts = [event(n, "CART", eventId=f"e{n}", productId=f"p{n}") for n in range(9)]
    store.commit(store.folded(carts))
    folded = store.folded([event(10, "BUY", eventId="b", productId="p3")])
    assert sorted(looked_at[-1]["eventId"]) == ["b", "e3"]
    assert folded.difference.replace["right_at"].to_list() == [10]
    assert folded.rows.height == 9


def test_a_batch_without_anything_to_fold_changes_nothing():
    fold = Fold("visits", "Visits", Sessions(exclude=("PING",)))
    store = RowsInMemory(fold)
    folded = store.folded([event(1, "PING")])
    assert folded.difference.replace.is_empty()
    assert folded.difference.delete.is_empty()


def test_an_event_without_the_key_is_not_looked_at():
    fold = Fold("devices", "Devices", Sessions(), key="sessionId")
    store = RowsInMemory(fold)
    folded = store.folded([event(1), event(2, sessionId="s")])
    assert folded.difference.replace["sessionId"].to_list() == ["s"]


def test_where_a_stored_row_would_have_to_be_cut_the_events_are_asked():
    """A run of 26 hours, whose first event comes last: the stored rows can't say where to cut."""
    fold = Fold("visits", "Visits", Sessions())
    minutes = [20 * n for n in range(1, 79)]
    store = RowsInMemory(fold)
    events = [event(minute * 60_000, eventId=f"e{minute:04d}") for minute in minutes]
    store.commit(store.folded(events))
    assert sorted(start for _, start in store.by_key) == [20 * 60_000, DAY_MS + 20 * 60_000]
    asked = []
    past = RowsInMemory(fold)
    past.events = lambda spans: (asked.append(spans), store.events(spans))[1]
    store.commit(store.folded([event(0, eventId="first")], story=past))
    assert sorted(start for _, start in store.by_key) == [0, DAY_MS]
    assert pl.concat(asked)["userId"].to_list() == ["ann"]
