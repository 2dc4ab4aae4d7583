"""What came of recommendations: names, what counts once, and what makes no sense."""

import pytest

from rtcdp.errors import UsageError
from rtcdp.folds.recommendation_outcomes import RecommendationName, RecommendationOutcomes
from tests.properties.folds.naive_outcomes import in_words, rows_of
from tests.stories import event, frame_of

STEP = RecommendationOutcomes(within_ms=40, early_ms=5)
FIRST, SECOND = (
    RecommendationName("user", "recommended", 10, 1).text,
    RecommendationName("product", "held_out", 30, 3).text,
)


def test_a_name_says_what_it_is():
    assert FIRST == "user-recommended-0000000000010-0000000000000001"


def test_a_purchase_counts_once_for_the_last_click():
    first, second = FIRST, SECOND
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
    late, early = happened(51, "PRODUCT_VIEW", FIRST), happened(4, "PRODUCT_VIEW", FIRST)
    assert rows_by_name([late, early]) == {}
    assert rows_by_name([happened(50, "PRODUCT_VIEW", FIRST)])[FIRST]["click_count"] == 1


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
