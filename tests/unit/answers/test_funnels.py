from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtcdp.answers.funnels import FunnelQuestion, PeopleQuestion, funnel_page, people_page
from rtcdp.answers.instant import read_instant
from rtcdp.definitions import Fold, event_type
from rtcdp.errors import BadRequest, NotThere
from rtcdp.folds.funnels import Funnel, FunnelStep
from tests.stories import event
from tests.told import DAY, HOUR, START
from tests.unit.answers.conftest import NOW

STEPS = tuple(
    FunnelStep(name, event_type(type_))
    for name, type_ in (("view", "PAGE_VIEW"), ("cart", "ADD_TO_CART"), ("pay", "PURCHASE"))
)
BROKEN_DOWN = {
    by: Fold(f"by_{by}", by, Funnel(STEPS, by=by, breakdown="productId", within_ms=DAY))
    for by in ("user", "session", "attempt")
}


def asked_by(address):
    """The question that the address of a list is."""
    names = {"from": "start_from", "to": "start_to"}
    asked = dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))
    for name in ("from", "to", "cohort_start"):
        if name in asked:
            asked[name] = read_instant(name, asked[name])
    return {names.get(name, name): value for name, value in asked.items()}


def listed(read, name, **asked):
    found, cursor = [], None
    while True:
        page = people_page(read, name, PeopleQuestion(limit=7, cursor=cursor, **asked))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            assert page.count == len(found)
            return found


def every(read, name, **asked):
    found, cursor = [], None
    while True:
        page = funnel_page(read, name, FunnelQuestion(limit=2, cursor=cursor, **asked))
        assert len(page.items) <= 2
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


@st.composite
def questions(draw):
    cohort = draw(st.sampled_from(["hour", "day", "week", "month", "none"]))
    asked = {"cohort": cohort, "tz": draw(st.sampled_from(["UTC", "Asia/Kolkata"]))}
    if draw(st.booleans()):
        asked["start_from"] = START + draw(st.integers(0, 30)) * HOUR
    if draw(st.booleans()):
        asked["start_to"] = START + draw(st.integers(30, 60)) * HOUR
    if draw(st.booleans()):
        asked["breakdown"] = "each"
    return asked


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=questions(), seed=st.randoms(use_true_random=False))
def test_every_number_is_the_length_of_its_list(make_teller, asked, seed):
    teller = make_teller(*BROKEN_DOWN.values())
    events = [
        event(
            START + seed.randrange(60) * HOUR + seed.randrange(3),
            seed.choice(["PAGE_VIEW", "PAGE_VIEW", "ADD_TO_CART", "PURCHASE"]),
            f"u{seed.randrange(9)}",
            productId=seed.choice([None, "", "shoe", "sock"]),
            eventId=f"e{n:03d}",
        )
        for n in range(120)
    ]
    teller.tell(events, START + 3 * DAY)
    read = teller.installation(NOW)
    for name in teller.folds:
        cohorts = every(read, name.name, **asked)
        for cohort in cohorts:
            for cell in cohort.steps:
                who = asked_by(cell.people_url)
                assert len(listed(read, name.name, **who)) == cell.reached
                assert len(listed(read, name.name, **who, outcome="dropped")) == cell.dropped
            assert cohort.steps[0].reached == cohort.entrants
        if "breakdown" in asked:
            whole = every(read, name.name, **{**asked, "breakdown": None})
            assert sum(each.entrants for each in cohorts) == sum(e.entrants for e in whole)


def test_the_numbers_of_a_funnel(told):
    page = funnel_page(told, "shop_funnel", FunnelQuestion())
    [all_of_them] = page.items
    assert [(cell.name, cell.reached, cell.dropped) for cell in all_of_them.steps] == [
        ("view", 4, 2),
        ("cart", 2, 1),
        ("purchase", 1, 0),
    ]
    assert all_of_them.steps[2].conversion == 0.25
    assert (all_of_them.cohort_start, all_of_them.open) == (None, True)
    assert (page.by, page.steps, page.tz) == ("user", ["view", "cart", "purchase"], "UTC")


def test_cohorts_are_those_of_the_asker_s_zone_and_open_until_their_time_is_over(told):
    page = funnel_page(told, "shop_funnel", FunnelQuestion(cohort="day", tz="Europe/Berlin"))
    assert [(each.cohort_start, each.entrants) for each in page.items] == [
        ("2026-01-01T23:00:00.000Z", 3),
        ("2025-12-31T23:00:00.000Z", 2),
    ]
    assert all(each.open for each in page.items)


@pytest.mark.parametrize(("received_at", "is_open"), [(25 * HOUR - 1, True), (25 * HOUR, False)])
def test_what_is_open_closes_when_its_time_is_over(make_teller, received_at, is_open):
    teller = make_teller(BROKEN_DOWN["user"])
    teller.tell([event(START)], START + received_at)
    read = teller.installation(NOW, allowed_lateness_ms=0)
    [hour] = funnel_page(read, "by_user", FunnelQuestion(cohort="hour")).items
    assert hour.open is is_open
    [cut] = funnel_page(read, "by_user", FunnelQuestion(start_to=START + HOUR)).items
    assert cut.open is is_open


def test_a_step_that_is_called_like_a_number_has_its_own_list(make_teller):
    steps = tuple(
        FunnelStep(name, event_type(type_)) for name, type_ in (("2", "PAGE_VIEW"), ("1", "SEARCH"))
    )
    teller = make_teller(Fold("odd", "Odd", Funnel(steps)))
    teller.tell([event(START, eventId="e", user="ann")], START)
    read = teller.installation(START)
    cells = funnel_page(read, "odd", FunnelQuestion()).items[0].steps
    assert [cell.reached for cell in cells] == [1, 0]
    for cell in cells:
        assert len(listed(read, "odd", **asked_by(cell.people_url))) == cell.reached


def test_people_are_listed_by_a_step_s_name_or_number(told):
    for step in ("2", "cart"):
        [left] = listed(told, "shop_funnel", step=step, outcome="dropped")
        assert (left["userId"], left["at_2"], left["at_3"]) == (
            "bob",
            "2026-01-01T01:02:00.000Z",
            None,
        )


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ({"step": "4"}, "1 (view), 2 (cart), 3 (purchase)"),
        ({"step": "basket"}, "1 (view)"),
        ({"cohort_start": START}, "cohort=hour"),
        ({"cohort": "day", "cohort_start": START + HOUR}, "cohort_start=2026-01-01T00:00:00.000Z"),
        ({"breakdown": "x"}, "breakdown="),
        ({"has_breakdown": "no"}, "breakdown="),
        ({"tz": "Mars"}, "tz=UTC"),
        ({"start_from": 2, "start_to": 1}, "from"),
    ],
    ids=str,
)
def test_wrong_turns_say_what_to_send(told, asked, hint):
    with pytest.raises(BadRequest) as refused:
        people_page(told, "shop_funnel", PeopleQuestion(**asked))
    assert hint in refused.value.hint


def test_a_funnel_without_a_breakdown_has_none(told):
    with pytest.raises(BadRequest, match="no breakdown"):
        funnel_page(told, "shop_funnel", FunnelQuestion(breakdown="each"))
    with pytest.raises(NotThere):
        funnel_page(told, "sessions", FunnelQuestion())


def test_cohorts_that_miss_events_say_so(told):
    told.store.limit_completeness("shop_funnel", START + DAY)
    page = funnel_page(told, "shop_funnel", FunnelQuestion(cohort="day"))
    assert [each.partial for each in page.items] == [False, True]
    [whole] = funnel_page(told, "shop_funnel", FunnelQuestion(start_from=START + DAY)).items
    assert not whole.partial
