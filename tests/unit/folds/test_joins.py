"""Joins by hand: who is whose partner, and joins that make no sense."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from rtcdp.definitions import Fold, event_type
from rtcdp.errors import UsageError
from rtcdp.folds.joins import IntervalJoin, partners_of
from rtcdp.folds.timeline import EVENTS_MAX
from rtcdp.store.sqlite import SqliteStore
from tests.stories import event, frame_of
from tests.told import Teller

CART, BUY = event_type("CART"), event_type("BUY")
SOON = IntervalJoin(CART, BUY, within_ms=10)


def paired(*events, definition=SOON):
    """When each left event happened, and when its partner did."""
    rows = definition.rows(frame_of(events), "userId")
    return [(row["left_at"], row["right_at"]) for row in rows.iter_rows(named=True)]


def cart(at, **fields):
    return event(at, "CART", **fields)


def buy(at, **fields):
    return event(at, "BUY", **fields)


def test_the_nearest_one_before_it_is_the_partner():
    assert paired(cart(1), cart(4), buy(5)) == [(1, None), (4, 5)]
    assert paired(cart(1), cart(4), buy(5), buy(6)) == [(1, 6), (4, 5)]
    assert paired(buy(0), cart(1), buy(5), buy(6)) == [(1, 5)]


def test_the_time_is_over_after_its_last_moment():
    assert paired(cart(0), buy(10)) == [(0, 10)]
    assert paired(cart(0), buy(11)) == [(0, None)]
    # What is too late for the one is so for those before it.
    assert paired(cart(0), cart(1), buy(12), cart(13), buy(14)) == [(0, None), (1, None), (13, 14)]


def test_at_once_the_left_one_comes_first_whichever_came_first():
    for events in ([cart(3, eventId="b"), buy(3, eventId="a")], [buy(3), cart(3)]):
        assert paired(*events) == [(3, 3)]


def test_an_event_that_is_both_is_a_left_one():
    with_itself = IntervalJoin(CART, event_type("CART", "BUY"), within_ms=10)
    assert paired(cart(1), cart(2), buy(3), definition=with_itself) == [(1, None), (2, 3)]


def test_at_once_they_are_numbered_by_their_ids_and_values():
    rows = SOON.rows(
        frame_of([cart(1, eventId="b", value=2.0), cart(1, eventId="a", value=3.0), buy(1)]),
        "userId",
    )
    assert rows.select("number", "left_value", "right_at").rows() == [(0, 3.0, None), (1, 2.0, 1)]


def test_other_users_and_other_products_and_none_are_others():
    by_product = IntervalJoin(CART, BUY, on=("productId",), within_ms=10)
    events = [
        cart(1, productId="shoe"),
        cart(1, user="bob", productId="shoe"),
        buy(2, productId="sock"),
        buy(3, user="bob", productId="shoe"),
        cart(4),
        buy(5),
    ]
    rows = by_product.rows(frame_of(events), "userId").sort("userId")
    assert rows.select("userId", "productId", "right_at").rows() == [
        ("ann", "shoe", None),
        ("bob", "shoe", 3),
    ]


def test_a_large_batch_is_paired_as_one_by_one():
    rng = np.random.default_rng(5)
    size = 20_000
    is_left, segments = rng.random(size) < 0.5, np.sort(rng.integers(0, 40, size))
    times = np.sort(rng.integers(0, 9_000, size) + segments * 10_000) - segments * 10_000
    expected = np.full(size, size)
    stack, segment = [], -1
    for place in range(size):
        if segments[place] != segment:
            stack, segment = [], segments[place]
        if is_left[place]:
            stack.append(place)
        elif stack and times[place] - times[stack[-1]] <= 30:
            expected[stack.pop()] = place
    assert np.array_equal(partners_of(is_left, segments, times, 30), expected)
    assert (expected < size).sum() > 1_000


@pytest.mark.parametrize(
    "options",
    [
        {"within_ms": 0},
        {"within_ms": 400 * 86_400_000},
        {"on": ("productId", "pageUrl", "sessionId", "source")},
        {"on": ("productId", "productId")},
        {"outcomes": ("same", "same")},
        {"outcomes": ("waiting", "left")},
        {"outcomes": ("Bought", "left")},
    ],
    ids=str,
)
def test_joins_that_make_no_sense_are_refused_with_what_to_write(options):
    with pytest.raises(UsageError) as refused:
        IntervalJoin(CART, BUY, **options)
    assert refused.value.hint


@pytest.mark.parametrize("on", [(), ("productId",)])
def test_an_earlier_event_takes_the_row_of_the_last_one_of_a_full_hour(tmp_path, on):
    """Be it one of another product."""
    fold = Fold("outcomes", "Outcomes", replace(SOON, on=on))
    store = SqliteStore(tmp_path / "store.db")
    teller = Teller(store, [fold])
    many = [cart(at, eventId=f"{at}", productId="p") for at in range(5, EVENTS_MAX + 5)]
    teller.tell(many, 0)
    teller.tell([cart(1, eventId="1", productId="q")], 0)
    with store.snapshot() as snapshot:
        rows = snapshot.rows(fold.table, pl.DataFrame({"userId": ["ann"]}))
    assert sorted(rows["left_at"].to_list()) == [1, *range(5, EVENTS_MAX + 4)]
    store.close()
