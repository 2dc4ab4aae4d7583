"""Funnels agree with trying every way, whatever the order, the cuts and the restarts."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.definitions import Fold, event_type
from rtcdp.folds.funnels import Funnel, FunnelStep
from rtcdp.folds.sessions import Sessions
from tests.properties.folds.naive_funnels import in_words, rows_of
from tests.stories import frame_of, stories, told

MINUTE, HOUR = 60_000, 3_600_000
VIEW, CART, BUY = (
    FunnelStep(name, event_type(type_))
    for name, type_ in (("view", "PAGE_VIEW"), ("cart", "ADD_TO_CART"), ("buy", "PURCHASE"))
)
AGAIN = FunnelStep("again", event_type("PAGE_VIEW"))
SHOP = (VIEW, CART, BUY)
TYPES = ("PAGE_VIEW", "ADD_TO_CART", "PURCHASE", "LOGOUT")
LOGOUT = event_type("LOGOUT")
FUNNELS = {
    "plain": Funnel(SHOP, within_ms=2 * HOUR),
    "without limit": Funnel(SHOP, within_ms=None),
    "step by step": Funnel(SHOP, within_ms=3 * HOUR, step_within_ms=HOUR),
    "strict": Funnel(SHOP, "strict", within_ms=2 * HOUR),
    "any order": Funnel(SHOP, "any", within_ms=2 * HOUR),
    "open": Funnel(SHOP, is_open=True, within_ms=2 * HOUR),
    "held": Funnel(SHOP, hold=("productId",), within_ms=2 * HOUR),
    "ended": Funnel(SHOP, exclusion=LOGOUT, within_ms=3 * HOUR),
    "ended in any order": Funnel(SHOP, "any", exclusion=LOGOUT, within_ms=3 * HOUR),
    "by session": Funnel(SHOP, by="session", sessions=Sessions(gap_ms=HOUR)),
    "by attempt": Funnel(SHOP, by="attempt", exclusion=LOGOUT, within_ms=HOUR),
    "the same twice": Funnel((VIEW, AGAIN, BUY), within_ms=2 * HOUR),
    "the same twice, strict": Funnel((VIEW, AGAIN, BUY), "strict", within_ms=2 * HOUR),
    "one or the other": Funnel(
        (FunnelStep("both", event_type("PAGE_VIEW", "ADD_TO_CART")), CART, VIEW), within_ms=None
    ),
}
times = st.integers(0, 30).map(lambda n: n * 10 * MINUTE)
cut_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@pytest.mark.parametrize("funnel", FUNNELS.values(), ids=FUNNELS)
@settings(max_examples=60)
@given(stories(times, TYPES))
def test_a_whole_story_agrees_with_trying_every_way(funnel, events):
    rows = funnel.rows(frame_of(events), "userId").rows(named=True)
    assert in_words(rows, funnel) == rows_of(events, funnel)


@pytest.mark.parametrize("name", ["plain", "held", "by session", "by attempt"])
@settings(max_examples=8)
@given(stories(times, TYPES), cut_sizes, st.frozensets(st.integers(0, 9)))
def test_any_order_cut_and_restart_give_the_same(name, events, cuts, forget_at):
    funnel = FUNNELS[name]
    found = told(Fold("shop", "Shop", funnel), events, cuts, forget_at)
    assert in_words(found.values(), funnel) == rows_of(events, funnel)


@pytest.mark.parametrize("name", ["plain", "step by step", "any order", "open", "the same twice"])
@settings(max_examples=40)
@given(stories(times, TYPES), st.data())
def test_another_event_never_lowers_a_depth(name, events, data):
    funnel = FUNNELS[name]
    more = data.draw(stories(times, TYPES))
    before = depths(funnel, events)
    after = depths(funnel, [*events, *({**e, "eventId": f"x{e['eventId']}"} for e in more)])
    assert all(after[user] >= depth for user, depth in before.items())


def depths(funnel, events):
    rows = funnel.rows(frame_of(events), "userId")
    return dict(rows.group_by("userId").agg(pl.col("depth").max()).rows())
