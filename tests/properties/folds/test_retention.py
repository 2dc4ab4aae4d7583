"""Retention agrees with what is counted on paper, in any order and any batches."""

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rtcdp.definitions import Fold, event_type
from rtcdp.folds.retention import Retention
from tests.properties.folds.naive_retention import in_words, rows_of
from tests.stories import RowsInMemory, event, frame_of, stories, told

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
@settings(max_examples=25)
@given(stories(times, TYPES))
def test_it_agrees_with_paper(definition, events):
    rows = definition.rows(frame_of(events), "userId").rows(named=True)
    assert in_words(rows, definition) == rows_of(events, definition)


@pytest.mark.parametrize("name", ["plain", "each day", "rolling", "months", "rolling, each"])
@settings(max_examples=15)
@given(stories(times, TYPES), cut_sizes, st.frozensets(st.integers(0, 9)))
def test_any_order_and_cut_give_the_same(name, events, cuts, forget_at):
    definition = DEFINITIONS[name]
    found = told(Fold("back", "Back", definition), events, cuts, forget_at)
    assert in_words(found.values(), definition) == rows_of(events, definition)


LONG = {
    "each day": Retention(periods=2, cohort="each", time_zone="Europe/Berlin"),
    "each hour": Retention(periods=1, cohort="each", unit="hour"),
    "each week": Retention(periods=1, cohort="each", unit="week", week_start=7),
    "each month": Retention(periods=1, cohort="each", unit="month", time_zone="America/St_Johns"),
    "rolling": Retention(periods=2, cohort="each", clock="rolling"),
}
half_years = st.integers(0, 400).map(lambda n: SPRING + n * 11 * HOUR)


@pytest.mark.parametrize("name", LONG)
@settings(max_examples=15)
@given(stories(half_years, TYPES), cut_sizes, st.frozensets(st.integers(0, 9)))
@example([event(SPRING, eventId="e0"), event(SPRING + 11 * HOUR, eventId="e1")], [1], frozenset())
def test_of_a_long_story_what_lies_near_is_enough(name, events, cuts, forget_at):
    definition = LONG[name]
    found = told(Fold("back", "Back", definition), events, cuts, forget_at)
    assert in_words(found.values(), definition) == rows_of(events, definition)


def test_each_cohort_asks_for_the_near_part_of_a_story_only():
    asked = []

    class Watched(RowsInMemory):
        def events(self, spans):
            asked.extend(spans.select(pl.col("to") - pl.col("from")).to_series())
            return super().events(spans)

    store = Watched(Fold("back", "Back", LONG["each day"]))
    for number in range(50):
        at = SPRING + number * 20 * HOUR
        store.commit(store.folded([event(at, eventId=f"e{number:02d}")]))
    assert max(asked) < 20 * 24 * HOUR
