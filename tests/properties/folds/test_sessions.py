"""Sessions are a function of the set of events: any order, any cut, any restart, the same rows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.definitions import Fold
from rtcdp.folds.sessions import Sessions
from tests.properties.folds.naive_sessions import in_words, rows_of
from tests.stories import frame_of, stories, told

HOUR = 3_600_000
SMALL = {"gap_ms": 10, "longest_ms": 35}
OPTIONS = {
    "plain": Sessions(**SMALL),
    "by the client": Sessions(**SMALL, by="client"),
    "without pings": Sessions(**SMALL, exclude=("PING",)),
    "by campaign": Sessions(**SMALL, campaign="productId"),
    "short days": Sessions(gap_ms=10, longest_ms=10),
    "midnight": Sessions(gap_ms=3 * HOUR, longest_ms=20 * HOUR, midnight="Asia/Kolkata"),
}
TYPES = ("PAGE_VIEW", "PURCHASE", "PING")
cut_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=4)
forgetting = st.frozensets(st.integers(0, 9))


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@settings(max_examples=25)
@given(st.data(), cut_sizes, forgetting)
def test_any_order_cut_and_restart_give_the_naive_rows(options, data, cuts, forget_at):
    step = HOUR if options.midnight else 1
    events = data.draw(stories(st.integers(0, 120).map(lambda n: n * step), TYPES))
    found = told(Fold("visits", "Visits", options), events, cuts, forget_at)
    assert in_words(found.values()) == rows_of(events, options)


@settings(max_examples=25)
@given(stories(st.integers(0, 120), TYPES), st.randoms())
def test_a_whole_story_at_once_is_the_definition(events, random):
    options = OPTIONS["plain"]
    random.shuffle(events)
    rows = options.rows(frame_of(events), "userId").rows(named=True)
    assert in_words(rows) == rows_of(events, options)
