"""The rules of admission that look at times, on numbers and on columns alike."""

import numpy as np

from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.steps import (
    STEPS,
    ahead_of_clock,
    assigned_id,
    behind_lateness,
    position_id,
)
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection

RULES = AdmissionRules(max_clock_skew_ms=100, allowed_lateness_ms=1000, dedup_window_ms=5000)


def test_the_steps_come_in_this_order() -> None:
    assert STEPS == ("parse", "validate", "clock", "lateness", "duplicate")


def test_an_event_may_be_ahead_by_the_clock_skew() -> None:
    assert ahead_of_clock(1100, 1000, RULES) == 0
    assert ahead_of_clock(1101, 1000, RULES) == 1


def test_an_event_may_be_behind_by_the_allowed_lateness() -> None:
    assert behind_lateness(0, 1000, RULES) == 0
    assert behind_lateness(0, 1001, RULES) == 1


def test_columns_get_the_same_answers_as_numbers() -> None:
    times = np.array([0, 500, 1100, 1101, 2**47, -(2**45)])
    received = np.array([1000, 1501, 1000, 1000, 0, 0])
    pairs = list(zip(times.tolist(), received.tolist(), strict=True))
    ahead = ahead_of_clock(times, received, RULES)
    behind = behind_lateness(times, received, RULES)
    assert ahead.tolist() == [ahead_of_clock(t, r, RULES) for t, r in pairs]
    assert behind.tolist() == [behind_lateness(t, r, RULES) for t, r in pairs]


def test_a_record_without_an_id_has_its_position_for_one() -> None:
    assert position_id(3, 1234) == "3:1234"


def test_an_assigned_id_is_none_that_a_client_can_give() -> None:
    event = b'{"eventId":"\\u00000:0","userId":"u","timestamp":0,"eventType":"A"}'
    assert assigned_id("0:0") == "\0" + "0:0"
    assert isinstance(decode(event), Rejection)
