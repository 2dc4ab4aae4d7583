"""Joins agree with what is paired on paper, in any order and any batches."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.definitions import Fold, event_type
from rtcdp.folds.joins import IntervalJoin
from tests.properties.folds.naive_joins import in_words, rows_of
from tests.stories import frame_of, stories, told

TYPES = ("CART", "CART", "BUY", "BUY", "A")
CART, BUY = event_type("CART"), event_type("BUY")
DEFINITIONS = {
    "by product": IntervalJoin(CART, BUY, on=("productId",), within_ms=9),
    "by nothing else": IntervalJoin(CART, BUY, within_ms=20),
    "by two": IntervalJoin(CART, BUY, on=("productId", "sessionId"), within_ms=200),
    "with itself": IntervalJoin(CART, event_type("CART", "BUY"), within_ms=30),
}
HOUR = 3_600_000
times = st.integers(0, 40) | st.sampled_from([HOUR - 5, HOUR - 1, HOUR, HOUR + 3])
cut_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS)
@settings(max_examples=40)
@given(stories(times, TYPES))
def test_they_agree_with_paper(definition, events):
    rows = definition.rows(frame_of(events), "userId").rows(named=True)
    assert in_words(rows, definition) == rows_of(events, definition)


@pytest.mark.parametrize("name", ["by product", "by nothing else"])
@settings(max_examples=30)
@given(st.data(), cut_sizes, st.frozensets(st.integers(0, 9)))
def test_any_order_and_cut_give_the_same(name, data, cuts, forget_at):
    events = data.draw(stories(times, TYPES))
    definition = DEFINITIONS[name]
    found = told(Fold("outcomes", "Outcomes", definition), events, cuts, forget_at)
    assert in_words(found.values(), definition) == rows_of(events, definition)


@settings(max_examples=40)
@given(stories(times, TYPES))
def test_nobody_has_two_partners_and_none_comes_before(events):
    definition = DEFINITIONS["by nothing else"]
    told, lefts, rights = definition.pairs(frame_of(events), "userId")
    paired = [(a, b) for a, b in zip(lefts, rights, strict=True) if b < told.height]
    assert len({b for _, b in paired}) == len(paired)
    instants, ids = told["timestamp"].to_list(), told["eventId"].to_list()
    for a, b in paired:
        assert 0 <= instants[b] - instants[a] <= definition.within_ms
        assert ids[a] != ids[b]
