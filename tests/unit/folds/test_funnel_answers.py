"""The number of people is the length of their list, in each cell, whatever is counted."""

import pytest

from rtcdp.folds.funnel_answers import Cohorts, cells, counted, people
from rtcdp.folds.funnels import Funnel
from tests.stories import event, frame_of, shop_events
from tests.unit.folds.test_funnels import HOUR, SHOP

DAY = 24 * HOUR


@pytest.mark.parametrize("by", ["user", "session", "attempt"])
@pytest.mark.parametrize("unit", ["hour", "day", None])
def test_each_number_is_the_length_of_its_list(by, unit):
    funnel, cohorts = Funnel(SHOP, by=by), Cohorts(unit)
    rows = counted(funnel.rows(shop_events(), "userId"), funnel, "userId", cohorts)
    shown = cells(rows, funnel, cohorts, None).rows(named=True)
    assert len(shown) >= 3
    for cell in shown:
        for outcome in ("reached", "dropped"):
            listed = people(rows, cell["step"], outcome, cell["cohort"])
            assert listed.height == cell[outcome]
        if by == "user":
            listed = people(rows, cell["step"], "reached", cell["cohort"])
            assert listed["userId"].n_unique() == cell["reached"]


def test_somebody_who_enters_twice_counts_once_a_cohort():
    funnel = Funnel(SHOP, within_ms=HOUR)
    events = [event(0), event(2 * HOUR), event(2 * HOUR + 5, "ADD_TO_CART"), event(DAY)]
    rows = funnel.rows(frame_of(events), "userId")
    by_day = counted(rows, funnel, "userId", Cohorts("day"))
    assert by_day.select("cohort", "depth").rows() == [(0, 2), (1, 1)]
    assert counted(rows, funnel, "userId", Cohorts(None))["depth"].to_list() == [2]


@pytest.mark.parametrize(
    ("zone", "midnight"),
    [
        *(("Asia/Kolkata", 18 * HOUR + HOUR // 2), ("Asia/Kathmandu", 18 * HOUR + HOUR // 4)),
        *(
            ("Australia/Eucla", 15 * HOUR + HOUR // 4),
            ("America/St_Johns", 5 * HOUR // 2),
        ),
    ],
)
def test_who_enters_before_and_after_a_midnight_is_counted_on_both_days(zone, midnight):
    """Clocks of some zones go half an hour, or a quarter of one, apart from those of others."""
    day_start = 20_000 * DAY + midnight
    funnel, cohorts = Funnel(SHOP), Cohorts("day", zone)
    events = [event(day_start - 2), event(day_start - 1, "ADD_TO_CART"), event(day_start)]
    rows = funnel.rows(frame_of(events), "userId")
    by_day = counted(rows, funnel, "userId", cohorts)
    assert by_day.select("entered_at", "depth").rows() == [(day_start - 2, 2), (day_start, 1)]
    assert by_day["cohort"].n_unique() == 2


def test_times_between_steps_and_what_is_still_open():
    funnel = Funnel(SHOP, within_ms=HOUR)
    events = [
        one
        for user, wait in (("ann", 10), ("bob", 20), ("eve", 90))
        for one in (event(0, user=user), event(wait, "ADD_TO_CART", user=user))
    ]
    rows = counted(funnel.rows(frame_of(events), "userId"), funnel, "userId", Cohorts())
    for watermark, is_open in ((None, True), (DAY + HOUR - 1, True), (DAY + HOUR, False)):
        first, second, third = cells(rows, funnel, Cohorts(), watermark).rows(named=True)
        assert (first["reached"], second["reached"], third["reached"]) == (3, 3, 0)
        assert (first["median_ms"], second["median_ms"], second["p90_ms"]) == (None, 20, 90)
        assert (second["conversion"], third["conversion"], second["open"]) == (1, 0, is_open)


def test_nobody_drops_at_the_last_step_and_later_than_nine_in_ten_is_not_earlier_than_half():
    funnel, cohorts = Funnel(SHOP), Cohorts(None)
    events = [
        one
        for user, wait in (("ann", 10), ("bob", 30))
        for one in (
            event(0, user=user),
            event(wait, "ADD_TO_CART", user=user),
            event(wait + 1, "PURCHASE", user=user),
        )
    ]
    rows = counted(funnel.rows(frame_of(events), "userId"), funnel, "userId", cohorts)
    _, second, third = cells(rows, funnel, cohorts, None).rows(named=True)
    assert (second["median_ms"], second["p90_ms"]) == (20, 30)
    assert (third["reached"], third["dropped"]) == (2, 0)
    assert people(rows, 3, "dropped").is_empty()


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11, 19, 20, 21])
def test_nine_in_ten_stay_within_the_time_that_is_told_and_within_no_smaller_one(count):
    funnel, cohorts = Funnel(SHOP), Cohorts(None)
    waits = [10 * number for number in range(1, count + 1)]
    events = [
        one
        for wait in waits
        for one in (event(0, user=f"u{wait}"), event(wait, "ADD_TO_CART", user=f"u{wait}"))
    ]
    rows = counted(funnel.rows(frame_of(events), "userId"), funnel, "userId", cohorts)
    told = cells(rows, funnel, cohorts, None)["p90_ms"][1]
    assert told in waits
    assert 10 * sum(wait <= told for wait in waits) >= 9 * count
    assert 10 * sum(wait < told for wait in waits) < 9 * count
