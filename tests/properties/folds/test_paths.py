"""Paths agree with what is read on paper, in any order and any batches."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.definitions import Fold, event_type
from rtcdp.folds.paths import Paths
from rtcdp.folds.sessions import Sessions
from tests.properties.folds.naive_paths import in_words, rows_of
from tests.stories import frame_of, stories, told

TYPES = ("PAGE_VIEW", "PURCHASE", "SEARCH")
BUY, SEARCH = event_type("PURCHASE"), event_type("SEARCH")
VISITS = Sessions(gap_ms=10, longest_ms=60)
DEFINITIONS = {
    "plain": Paths(sessions=VISITS),
    "of a user": Paths(by="user", nodes_max=3),
    "every step": Paths(by="user", collapse=False, nodes_max=4),
    "from a search": Paths(node="eventType", from_event=SEARCH, sessions=VISITS),
    "to a purchase": Paths(node="eventType", by="user", to_event=BUY, nodes_max=3),
    "from a search to a purchase": Paths(
        node="eventType", by="user", from_event=SEARCH, to_event=BUY
    ),
    "searches alone": Paths(events=SEARCH, node="productId", sessions=VISITS),
}
cut_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS)
@settings(max_examples=25)
@given(stories(st.integers(0, 80), TYPES))
def test_they_agree_with_paper(definition, events):
    rows = definition.rows(frame_of(events), "userId").rows(named=True)
    assert in_words(rows) == rows_of(events, definition)


@pytest.mark.parametrize("span", [80, 400])
@settings(max_examples=20)
@given(st.data(), cut_sizes, st.frozensets(st.integers(0, 9)))
def test_any_order_and_cut_give_the_same(span, data, cuts, forget_at):
    events = data.draw(stories(st.integers(0, span), TYPES))
    definition = DEFINITIONS["plain"]
    found = told(Fold("ways", "Ways", definition), events, cuts, forget_at)
    assert in_words(found.values()) == rows_of(events, definition)
