"""What came of recommendations agrees with what is counted on paper, in any order and batches."""

from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.definitions import Fold
from rtcdp.folds.recommendation_outcomes import RecommendationName, RecommendationOutcomes
from tests.properties.folds.naive_outcomes import in_words, rows_of
from tests.stories import frame_of, stories, told

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


@settings(max_examples=60)
@given(named(st.integers(0, 100)))
def test_they_agree_with_paper(events):
    rows = STEP.rows(frame_of(events), "userId").rows(named=True)
    assert in_words(rows, STEP) == rows_of(events, STEP)


@settings(max_examples=30)
@given(st.data(), cut_sizes, st.frozensets(st.integers(0, 9)))
def test_any_order_and_cut_give_the_same(data, cuts, forget_at):
    events = data.draw(named(st.integers(0, 100)))
    found = told(Fold("outcomes", "Outcomes", STEP), events, cuts, forget_at)
    assert in_words(found.values(), STEP) == rows_of(events, STEP)
