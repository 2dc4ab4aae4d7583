"""What came of recommendations agrees with what is counted on paper, in any order and batches."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.definitions import Fold
from rtcdp.errors import UsageError
from rtcdp.folds.recommendation_outcomes import RecommendationName, RecommendationOutcomes
from tests.properties.folds.naive_outcomes import in_words, rows_of
from tests.stories import event, frame_of, stories, told

TYPES = ("PAGE_VIEW", "ADD_TO_CART", "PURCHASE", "RECOMMENDATION_SHOWN")
STEP = RecommendationOutcomes(within_ms=40, early_ms=5)
cut_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=4)
NAMES = [
    RecommendationName(kind, group, at_ms, mark).text
    for kind, group, at_ms, mark in (
        ("user", "recommended", 10, 1),
        ("user", "recommended", 10, 2),
        ("product", "held_out", 30, 3),
        ("basket", "recommended", 55, 4),
    )
]


@st.composite
def named(draw, times):
    """Stories in which some events name a recommendation, or something else."""
    odd = [None, None, "", "user-recommended-10-1", f"{NAMES[0]}\n", f"x{NAMES[0]}"]
    events = draw(stories(times, TYPES))
    names = draw(st.lists(st.sampled_from([*NAMES, *odd]), min_size=len(events)))
    return [
        {**each, "property:recommendationId": name}
        for each, name in zip(events, names, strict=False)
    ]


@settings(max_examples=60, deadline=None)
@given(named(st.integers(0, 100)))
def test_they_agree_with_paper(events):
    rows = STEP.rows(frame_of(events), "userId").rows(named=True)
    assert in_words(rows, STEP) == rows_of(events, STEP)


@settings(max_examples=30, deadline=None)
@given(st.data(), cut_sizes, st.frozensets(st.integers(0, 9)))
def test_any_order_and_cut_give_the_same(data, cuts, forget_at):
    events = data.draw(named(st.integers(0, 100)))
    found = told(Fold("outcomes", "Outcomes", STEP), events, cuts, forget_at)
    assert in_words(found.values(), STEP) == rows_of(events, STEP)


def test_a_purchase_counts_once_for_the_last_click():
    first, second = NAMES[0], NAMES[2]
    events = [
        happened(10, "RECOMMENDATION_SHOWN", first),
        happened(11, "PRODUCT_VIEW", first, productId="shoe"),
        happened(30, "RECOMMENDATION_SHOWN", second),
        happened(31, "PRODUCT_VIEW", second, productId="sock"),
        happened(40, "PURCHASE", None, productId="shoe", value=5.5),
        happened(41, "PURCHASE", None, productId="hat", value=2.0),
        happened(90, "PURCHASE", None, productId="sock", value=1.0),
    ]
    rows = rows_by_name(events)
    assert [rows[name]["click_count"] for name in (first, second)] == [1, 1]
    assert [rows[name]["purchase_count"] for name in (first, second)] == [1, 0]
    assert (rows[first]["revenue_units"], rows[first]["revenue_micros"]) == (5, 500_000)
    # What came after the second one, whatever it was, and not after its time.
    assert [rows[name]["purchase_count_after"] for name in (first, second)] == [0, 2]
    assert rows[second]["revenue_after_units"] == 7


def test_what_names_nothing_that_was_given_in_time_is_no_outcome():
    late, early = happened(51, "PRODUCT_VIEW", NAMES[0]), happened(4, "PRODUCT_VIEW", NAMES[0])
    assert rows_by_name([late, early]) == {}
    assert rows_by_name([happened(50, "PRODUCT_VIEW", NAMES[0])])[NAMES[0]]["click_count"] == 1


@pytest.mark.parametrize("options", [{"within_ms": 0}, {"early_ms": -1}, {"early_ms": 2 * 10**8}])
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises(UsageError, match="recommendations can't have"):
        RecommendationOutcomes(**options)


def rows_by_name(events):
    rows = STEP.rows(frame_of(events), "userId").rows(named=True)
    assert in_words(rows, STEP) == rows_of(events, STEP)
    return {row["recommendation_id"]: row for row in rows}


def happened(at, type_, name, **fields):
    more = {"property:recommendationId": name, "eventId": f"{at}", **fields}
    return event(at, type_, **more)
