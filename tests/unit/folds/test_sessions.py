"""Sessions by hand: the gap to the millisecond, the cap, and what a row tells."""

import random

import pytest

from rtcdp.definitions import Fold, in_polars
from rtcdp.errors import UsageError
from rtcdp.folds.sessions import Sessions
from tests.stories import RowsInMemory, event, frame_of, shop_events

MINUTE, HOUR = 60_000, 3_600_000
GAP = 30 * MINUTE
PLAIN = Sessions()


def rows_of(events, options=PLAIN):
    frame = frame_of([{**e, "eventId": e["eventId"] or f"e{n}"} for n, e in enumerate(events)])
    return options.rows(frame, "userId").sort("userId", "start").rows(named=True)


@pytest.mark.parametrize(("pause", "count"), [(GAP - 1, 1), (GAP, 2), (GAP + 1, 2)])
def test_the_gap_to_the_millisecond(pause, count):
    assert len(rows_of([event(0), event(pause)])) == count


@pytest.mark.parametrize(("pause", "count"), [(GAP - 1, 1), (GAP, 2), (GAP + 1, 2)])
def test_the_gap_to_the_millisecond_from_a_stored_row(pause, count):
    fold = Fold("visits", "Visits", Sessions())
    store = RowsInMemory(fold)
    for one in (event(0, eventId="a"), event(pause, eventId="b")):
        store.commit(store.folded([one]))
    assert len(store.by_key) == count


def test_a_session_never_lasts_a_day():
    events = [event(n * 20 * MINUTE) for n in range(100)]
    starts = [row["start"] for row in rows_of(events)]
    assert starts == [0, 24 * HOUR]


def test_a_late_event_joins_two_sessions_and_one_row_goes():
    fold = Fold("visits", "Visits", Sessions())
    store = RowsInMemory(fold)
    for time in (0, 50 * MINUTE):
        store.commit(store.folded([event(time)]))
    folded = store.folded([event(25 * MINUTE)])
    assert folded.difference.delete.rows() == [("ann", 50 * MINUTE)]
    assert folded.difference.replace["event_count"].to_list() == [3]


def test_what_a_row_tells():
    (row,) = rows_of(
        [
            event(5, pageUrl="/b", eventId="b", value=0.25),
            event(5, pageUrl="/a", eventId="a", productId="shoe", sessionId="s"),
            event(9, "PURCHASE", productId="shoe", value=1.5, sessionId="t", eventId="c"),
        ]
    )
    told = {name: row[name] for name in row if not name.startswith(("products", "clients"))}
    assert told == {
        **{"userId": "ann", "start": 5, "end": 9, "event_count": 3, "page_view_count": 2},
        **{"value_units": 1, "value_micros": 750_000, "converted": 1},
        **{"entry_at": 5, "entry_id": "a", "entry_page": "/a"},
        **{"exit_at": 5, "exit_id": "b", "exit_page": "/b"},
        **{"product_count": 1, "client_count": 2},
    }


def test_midnight_ends_a_session_where_that_is_asked_for():
    events = [event(24 * HOUR - MINUTE), event(24 * HOUR)]
    assert len(rows_of(events)) == 1
    assert len(rows_of(events, Sessions(midnight="UTC"))) == 2
    assert len(rows_of(events, Sessions(midnight="Europe/Berlin"))) == 1


def test_the_sessions_of_a_real_shop():
    assert Sessions().rows(shop_events(), "userId").height == 4518


@pytest.mark.parametrize(
    "options",
    [
        {"gap_ms": 0},
        {"gap_ms": 2 * HOUR, "longest_ms": HOUR},
        {"longest_ms": 8 * 24 * HOUR},
        {"by": "device"},
        {"midnight": "Mars/Olympus"},
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_refused_with_what_to_write(options):
    with pytest.raises(UsageError) as refused:
        Sessions(**options)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("values", "sum_"),
    [
        ([-0.000001], -0.000001),
        ([0.1, 0.2], 0.3),
        ([-0.000001, -1.5, 0.1], -1.400001),
        ([8_589_934_592.0, -0.000001], 8_589_934_591.999999),
        ([8_589_934_592.0] * 1500, 12_884_901_888_000.0),
        ([-8_589_934_592.0] * 1500, -12_884_901_888_000.0),
    ],
)
def test_the_value_of_a_session_is_the_sum_rounded_once(values, sum_):
    events = [event(number, value=value) for number, value in enumerate(values)]
    fold = Fold("sessions", "", Sessions())
    [shown] = [each for each in fold.table.view.columns if each.name == "value"]
    rows = fold.step.rows(frame_of(events), "userId")
    assert rows.select(in_polars(shown.sql)).item() == sum_


def test_events_at_once_without_ids_are_told_alike_whoever_is_beside_them():
    rng = random.Random(1)
    stories = {
        user: [
            event(at // 10, user=user, sessionId=rng.choice([None, "a", "b"])) for at in range(30)
        ]
        for user in ("ann", "bob", "zoe")
    }
    step = Sessions(campaign="sessionId")

    def told(*users):
        rows = step.rows(frame_of([each for user in users for each in stories[user]]), "userId")
        return rows.sort("userId", *step.order).rows()

    assert told("zoe", "ann", "bob") == [row for user in stories for row in told(user)]
