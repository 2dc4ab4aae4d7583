"""Moments: what happens at one time is one, and fills steps with different events."""

import numpy as np

from rtcdp.definitions import event_type
from rtcdp.folds.moments import NEVER, moments_of
from tests.stories import event, frame_of

A, B = event_type("A"), event_type("B")
BOTH = event_type("A", "B")


def of(events, *steps, exclusion=None):
    return moments_of(frame_of(events), ["userId"], steps, exclusion)


def test_events_of_one_time_and_one_user_are_one_moment():
    moments = of([event(1), event(1, user="bob"), event(1), event(2)], A)
    assert moments.units.tolist() == [0, 0, 1]
    assert moments.times.tolist() == [1, 2, 1]
    assert moments.sizes.tolist() == [2, 1, 1]


def test_each_step_needs_an_event_of_its_own():
    moments = of([event(1, "A"), event(2, "A"), event(2, "B"), event(3, "A"), event(3, "A")], A, B)
    assert moments.fills(0, 1).tolist() == [False, True, False]


def test_an_event_that_could_fill_two_steps_fills_one():
    one_each = of([event(1, "A"), event(2, "A"), event(2, "B")], BOTH, A)
    assert one_each.fills(0, 1).tolist() == [False, True]
    crowded = of([event(1, "A"), event(1, "B"), event(2, "A"), event(2, "B"), event(2, "A")], A, A)
    assert crowded.fills(0, 1).tolist() == [False, True]


def test_the_next_moment_is_of_the_same_unit():
    moments = of([event(1, "A"), event(2, "B"), event(3, "B", user="bob")], A, B)
    assert moments.next_of(np.array([False, True, True])).tolist() == [1, 3, 3]
    assert moments.next_of(np.array([True, False, True]), itself=True).tolist() == [0, 3, 2]
    assert moments.end_of_unit().tolist() == [2, 2, 3]


def test_an_exclusion_ends_what_began_before_it():
    moments = of([event(1, "A"), event(5, "B"), event(6, "A")], A, exclusion=B)
    assert moments.exclusion_after().tolist() == [5, NEVER, NEVER]


def test_the_event_that_fills_a_step_is_the_first_by_id():
    moments = of([event(1, "A", eventId="b"), event(1, "A", eventId="a"), event(1, "B")], A, B)
    place = moments.event_filling(np.array([0]), np.array([1]))
    assert moments.events["eventId"].gather(place).to_list() == ["a"]
