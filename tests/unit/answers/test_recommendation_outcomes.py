"""What came of recommendations, by audience and kind, from what a store tells."""

import pytest

from rtcdp.answers.recommendation_outcomes import OutcomesQuestion, outcomes_page
from rtcdp.catalog.catalog import load_folds
from rtcdp.definitions import Fold
from rtcdp.errors import NotThere
from rtcdp.folds.recommendation_outcomes import RecommendationName, RecommendationOutcomes
from tests.stories import event
from tests.told import DAY, HOUR, MINUTE, START

FOLD = Fold("recommendation_outcomes", "Outcomes", RecommendationOutcomes())
NOW = START + 30 * DAY


def given(kind, audience, at, mark=0):
    return RecommendationName(kind, audience, START + at, mark).text


ADVISED, OTHER = given("user", "recommended", HOUR), given("product", "recommended", 2 * HOUR)
LATER, HELD = given("user", "recommended", 20 * DAY, 1), given("user", "held_out", HOUR)


def did(user, at, type_, name=None, **fields):
    more = {"property:recommendationId": name, "eventId": f"{user}{at}{type_}", **fields}
    return event(START + at, type_, user, **more)


SHOP = [
    did("ann", HOUR, "RECOMMENDATION_SHOWN", ADVISED),
    did("ann", HOUR + MINUTE, "PRODUCT_VIEW", ADVISED, productId="shoe"),
    did("ann", 2 * HOUR, "PRODUCT_VIEW", OTHER, productId="sock"),
    did("ann", 3 * HOUR, "PURCHASE", productId="shoe", value=19.99),
    did("ann", 4 * HOUR, "PURCHASE", productId="hat", value=0.01),
    did("bob", 20 * DAY, "RECOMMENDATION_SHOWN", LATER),
    did("cay", HOUR, "RECOMMENDATION_SHOWN", HELD),
    did("cay", 5 * HOUR, "PURCHASE", productId="hat", value=7.5),
]


@pytest.fixture
def teller(make_teller):
    teller = make_teller(FOLD)
    teller.tell(SHOP, NOW, (3, 2, 3))
    return teller


def told(teller, **question):
    page = outcomes_page(teller.installation(NOW), OutcomesQuestion(**question))
    return [
        (item.audience, item.recommendations, item.users, item.clicked, item.bought, item.revenue)
        for item in page.items
    ]


def test_what_came_of_those_who_get_them_and_of_those_who_are_held_out(teller):
    assert told(teller) == [
        ("recommended", 3, 2, 2, 1, 19.99),
        ("held_out", 1, 1, 0, 0, 0.0),
    ]
    page = outcomes_page(teller.installation(NOW), OutcomesQuestion())
    assert [item.click_through for item in page.items] == [2 / 3, 0.0]
    # All that was bought is compared, clicked or not.
    assert [item.purchases_after for item in page.items] == [2, 1]
    assert [item.revenue_after_per_user for item in page.items] == [10.0, 7.5]
    assert (page.within_ms, page.incomplete, page.lag_ms) == (7 * DAY, False, 0)


def test_kinds_and_times_are_told_apart(teller):
    page = outcomes_page(teller.installation(NOW), OutcomesQuestion(by="kind"))
    assert [(item.audience, item.kind, item.recommendations) for item in page.items] == [
        ("recommended", "product", 1),
        ("recommended", "user", 2),
        ("held_out", "user", 1),
    ]
    # By when they were given: the first moment counts, the last one doesn't.
    assert told(teller, start_from=START + HOUR, start_to=START + 2 * HOUR)[0][1] == 1
    assert told(teller, start_from=START + HOUR + 1, start_to=START + 2 * HOUR + 1)[0][1] == 1
    assert told(teller, since=15 * DAY) == [("recommended", 1, 1, 0, 0, 0.0)]
    assert told(teller, start_from=NOW) == []


def test_who_asks_too_early_is_told_that_it_is_open(teller):
    soon = outcomes_page(teller.installation(NOW), OutcomesQuestion(since=11 * DAY))
    assert [item.open for item in soon.items] == [False]
    teller.tell(
        [did("dan", 30 * DAY, "RECOMMENDATION_SHOWN", given("user", "held_out", 30 * DAY))], NOW
    )
    found = outcomes_page(teller.installation(NOW), OutcomesQuestion())
    assert [item.open for item in found.items] == [False, True]


def test_without_the_fold_nothing_is_told(make_teller):
    teller = make_teller(*load_folds())
    with pytest.raises(NotThere, match="nothing is told of what came of recommendations"):
        outcomes_page(teller.installation(NOW), OutcomesQuestion())
