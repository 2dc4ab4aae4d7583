"""Retention agrees with what is counted on paper, in any order and any batches."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.definitions import Fold, event_type
from rtcdp.folds.retention import Retention
from tests.properties.folds.naive_retention import in_words, rows_of
from tests.stories import frame_of, stories, told

HOUR = 3_600_000
SPRING = 1_711_584_000_000  # three days before clocks go forward in Berlin
TYPES = ("PAGE_VIEW", "PURCHASE")
BUY = event_type("PURCHASE")
DEFINITIONS = {
    "plain": Retention(periods=5),
    "in Berlin": Retention(periods=5, time_zone="Europe/Berlin"),
    "each day": Retention(periods=5, cohort="each"),
    "rolling": Retention(periods=5, clock="rolling", start=BUY, returning=BUY),
    "rolling, each": Retention(periods=5, clock="rolling", cohort="each"),
    "weeks from Sunday": Retention(periods=3, unit="week", week_start=7),
    "months": Retention(periods=3, unit="month", start=BUY),
}
times = st.integers(0, 40).map(lambda n: SPRING + n * 6 * HOUR)
cut_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS)
@settings(max_examples=25, deadline=None)
@given(stories(times, TYPES))
def test_it_agrees_with_paper(definition, events):
    rows = definition.rows(frame_of(events), "userId").rows(named=True)
    assert in_words(rows, definition) == rows_of(events, definition)


@pytest.mark.parametrize("name", ["plain", "each day", "rolling", "months"])
@settings(max_examples=15, deadline=None)
@given(stories(times, TYPES), cut_sizes, st.frozensets(st.integers(0, 9)))
def test_any_order_and_cut_give_the_same(name, events, cuts, forget_at):
    definition = DEFINITIONS[name]
    found = told(Fold("back", "Back", definition), events, cuts, forget_at)
    assert in_words(found.values(), definition) == rows_of(events, definition)
