"""Funnels by hand, and those of a real shop."""

import random

import polars as pl
import pytest

from rtcdp.definitions import Property, event_type
from rtcdp.errors import UsageError
from rtcdp.folds.funnels import QUARTER_MS, Funnel, FunnelStep
from rtcdp.folds.sessions import Sessions
from tests.stories import event, frame_of, shop_events

VIEW, CART, BUY = (
    FunnelStep(name, event_type(type_))
    for name, type_ in (("view", "PAGE_VIEW"), ("cart", "ADD_TO_CART"), ("buy", "PURCHASE"))
)
SHOP = (VIEW, CART, BUY)
HOUR = 3_600_000


def rows_of(funnel, *events):
    return funnel.rows(frame_of(events), "userId").rows(named=True)


def reached(funnel, depth):
    rows = funnel.rows(shop_events(), "userId")
    return rows.filter(rows["depth"] >= depth)["userId"].n_unique()


def test_the_funnel_of_a_real_shop():
    funnel = Funnel(SHOP, within_ms=None)
    assert [reached(funnel, depth) for depth in (1, 2, 3)] == [4504, 111, 62]
    assert reached(Funnel((VIEW, BUY), within_ms=None), 2) == 192


def test_the_farthest_of_a_quarter_of_an_hour_is_kept_and_of_equals_the_earliest():
    events = [event(0), event(5), event(6, "ADD_TO_CART"), event(QUARTER_MS)]
    rows = rows_of(Funnel(SHOP, within_ms=HOUR), *events)
    told = [(row["entered_at"], row["depth"], row["at_2"], row["at_3"]) for row in rows]
    assert told == [(0, 2, 6, None), (QUARTER_MS, 1, None, None)]


@pytest.mark.parametrize("bought", [False, True])
def test_a_step_that_is_taken_at_once_is_not_taken_later(bought):
    """What comes after it does not change when it was taken."""
    events = [event(7), event(7, "ADD_TO_CART"), event(30, "ADD_TO_CART")]
    events += [event(60, "PURCHASE"), event(90, "PURCHASE")] if bought else []
    [row] = rows_of(Funnel(SHOP, within_ms=HOUR), *events)
    assert (row["at_1"], row["at_2"], row["at_3"]) == (7, 7, 60 if bought else None)


@pytest.mark.parametrize("apart_ms", [0, -1, 7, 2 * QUARTER_MS, QUARTER_MS - 1])
def test_days_begin_between_two_attempts_in_every_time_zone(apart_ms):
    with pytest.raises(UsageError, match="ms apart"):
        Funnel(SHOP, apart_ms=apart_ms)
    assert Funnel(SHOP, apart_ms=60_000).apart_ms == 60_000


def test_what_is_held_stays_the_same():
    events = [event(0, productId="shoe"), event(1, "ADD_TO_CART", productId="sock")]
    rows = rows_of(Funnel(SHOP, hold=("productId",)), *events, event(2))
    assert [(row["productId"], row["depth"]) for row in rows] == [("shoe", 1)]


@pytest.mark.parametrize(
    ("at", "value"), [("first", "/"), ("last", "/done"), (2, "/cart"), (3, "/done")]
)
def test_a_breakdown_has_the_value_of_its_step(at, value):
    events = [
        event(0, pageUrl="/"),
        event(1, "ADD_TO_CART", pageUrl="/cart"),
        event(2, "PURCHASE", pageUrl="/done"),
    ]
    funnel = Funnel(SHOP, breakdown="pageUrl", breakdown_at=at)
    assert [row["breakdown"] for row in rows_of(funnel, *events)] == [value]


def test_a_breakdown_may_be_by_a_property():
    funnel = Funnel(SHOP, breakdown=Property("category"))
    assert "property:category" in funnel.fields
    events = frame_of([event(0)]).with_columns(pl.lit("audio").alias("property:category"))
    assert funnel.rows(events, "userId")["breakdown"].to_list() == ["audio"]


def test_a_step_that_was_not_reached_has_no_value():
    (row,) = rows_of(Funnel(SHOP, breakdown="pageUrl", breakdown_at=2), event(0, pageUrl="/"))
    assert row["breakdown"] is None


def test_attempts_follow_each_other():
    events = [event(0), event(1), event(2, "ADD_TO_CART"), event(3, "PURCHASE"), event(4), event(5)]
    rows = rows_of(Funnel(SHOP, by="attempt"), *events)
    assert [(row["entered_at"], row["depth"]) for row in rows] == [(0, 3), (4, 1)]


@pytest.mark.parametrize(
    "options",
    [
        {"steps": (VIEW,)},
        {"steps": (VIEW, VIEW)},
        {"order_of_steps": "sorted"},
        {"by": "device"},
        {"within_ms": 0},
        {"step_within_ms": 5, "order_of_steps": "any"},
        {"is_open": True, "order_of_steps": "strict"},
        {"hold": ("productId", "pageUrl", "sessionId", "source")},
        {"breakdown_at": 4},
        {"sessions": Sessions(by="client")},
    ],
    ids=str,
)
def test_a_funnel_that_makes_no_sense_is_refused_with_what_to_write(options):
    with pytest.raises(UsageError) as refused:
        Funnel(**{"steps": SHOP, **options})
    assert refused.value.hint.startswith("write ")


def test_events_at_once_without_ids_are_told_alike_whoever_is_beside_them():
    rng = random.Random(1)
    types = ["PAGE_VIEW", "ADD_TO_CART", "PURCHASE"]
    stories = {
        user: [
            event(at // 10, rng.choice(types), user=user, pageUrl=rng.choice("xyz"))
            for at in range(30)
        ]
        for user in ("ann", "bob", "zoe")
    }
    funnel = Funnel(SHOP, "any", breakdown="pageUrl", breakdown_at=2)

    def told(*users):
        rows = funnel.rows(frame_of([each for user in users for each in stories[user]]), "userId")
        return rows.sort("userId", *funnel.order).rows()

    assert told("zoe", "ann", "bob") == [row for user in stories for row in told(user)]
