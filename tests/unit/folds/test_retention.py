"""Retention by hand: cells, what is not complete yet, and all cohorts together."""

import pytest

from rtcdp.definitions import event_type
from rtcdp.errors import UsageError
from rtcdp.folds.retention import Retention
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
