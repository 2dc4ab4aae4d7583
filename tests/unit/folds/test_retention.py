"""Retention by hand: cells, what is not complete yet, and all cohorts together."""

import pytest

from rtcdp.definitions import event_type
from rtcdp.errors import UsageError
from rtcdp.folds.retention import Retention, bracket_cells, pooled, retention_cells
from tests.stories import event, frame_of

DAY = 86_400_000
THREE_DAYS = Retention(periods=3)
EVENTS = [
    *(event(0), event(DAY + 5), event(2 * DAY)),
    *(event(10, user="bob"), event(10, user="bob", eventId="x")),
    event(DAY, user="eve"),
]


def rows_of(definition=THREE_DAYS):
    return definition.rows(frame_of(EVENTS), "userId").sort("userId")


def test_nobody_is_their_own_return():
    assert rows_of()["returned"].to_list() == [0b110, 0b1, 0]


def test_a_rolling_day_begins_with_the_start():
    rolling = Retention(periods=3, clock="rolling")
    events = [event(5), event(DAY + 4), event(2 * DAY + 5)]
    assert rolling.rows(frame_of(events), "userId")["returned"].to_list() == [0b101]


def test_cells_and_those_that_are_not_complete():
    cells = retention_cells(rows_of(), THREE_DAYS, 3 * DAY)
    told = cells.select("cohort", "after", "size", "returned").rows()
    assert told == [
        *((0, 0, 2, 1), (0, 1, 2, 1), (0, 2, 2, 1)),
        *((1, 0, 1, 0), (1, 1, 1, 0), (1, 2, 1, None)),
    ]
    assert pooled(cells).rows() == [(0, 3, 1), (1, 3, 1), (2, 2, 1)]


def test_a_rolling_cohort_is_complete_when_its_last_member_is():
    rolling = Retention(periods=2, clock="rolling")
    cells = retention_cells(rows_of(rolling), rolling, 2 * DAY)
    assert cells.filter("is_complete").select("cohort", "after").rows() == [(0, 0)]


def test_on_or_after():
    cells = retention_cells(rows_of(), THREE_DAYS, 9 * DAY, "on_or_after")
    assert cells.filter(cells["cohort"] == 0)["returned"].to_list() == [2, 1, 1]


def test_brackets_of_periods():
    cells = bracket_cells(rows_of(), THREE_DAYS, 3 * DAY, ((0, 1), (1, 3)))
    told = cells.select("cohort", "after", "returned").rows()
    assert told == [(0, 0, 1), (0, 1, 1), (1, 0, 0), (1, 1, None)]


@pytest.mark.parametrize(
    "options",
    [
        {"cohort": "last"},
        {"clock": "sun"},
        {"unit": "year"},
        {"clock": "rolling", "unit": "month"},
        {"periods": 61},
        {"week_start": 0},
        {"time_zone": "Mars/Olympus"},
    ],
    ids=str,
)
def test_a_retention_that_makes_no_sense_is_refused_with_what_to_write(options):
    with pytest.raises(UsageError) as refused:
        Retention(start=event_type("PURCHASE"), **options)
    assert refused.value.hint
