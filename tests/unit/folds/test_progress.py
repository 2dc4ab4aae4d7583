"""Progress by hand: the best chain, not the nearest one."""

from rtcdp.definitions import event_type
from rtcdp.folds.moments import moments_of
from rtcdp.folds.progress import Limits, any_order_from, attempts_from
from tests.stories import event, frame_of

STEPS = [event_type("A"), event_type("B"), event_type("C")]
FREE = Limits(None, None, is_strict=False)


def depths(events, limits=FREE, *, is_open=False):
    moments = moments_of(frame_of(events), ["userId"], STEPS, None)
    found = attempts_from(moments, 3, limits, is_open=is_open)
    began = moments.times[found.moments].tolist()
    return dict(zip(began, (found.last_steps + 1).tolist(), strict=True))


def test_the_nearest_next_step_may_be_the_wrong_one():
    events = [event(0, "A"), event(1, "B"), event(9, "B"), event(12, "C")]
    assert depths(events, Limits(None, 10, is_strict=False)) == {0: 3}
    assert depths(events, Limits(None, 8, is_strict=False)) == {0: 2}


def test_the_time_for_all_of_it_to_the_millisecond():
    events = [event(0, "A"), event(5, "B"), event(10, "C")]
    assert depths(events, Limits(10, None, is_strict=False)) == {0: 3}
    assert depths(events, Limits(9, None, is_strict=False)) == {0: 2}


def test_equal_times_count_in_either_order():
    assert depths([event(0, "C"), event(0, "B"), event(0, "A")]) == {0: 3}


def test_strictly_nothing_comes_between():
    strict = Limits(None, None, is_strict=True)
    assert depths([event(0, "A"), event(1, "X"), event(2, "B")], strict) == {0: 1}
    assert depths([event(0, "A"), event(1, "B"), event(2, "C")], strict) == {0: 3}
    assert depths([event(0, "A"), event(1, "B"), event(1, "X"), event(2, "C")], strict) == {0: 2}


def test_an_open_list_is_entered_anywhere():
    assert depths([event(0, "B"), event(1, "C")], is_open=True) == {0: 3, 1: 3}
    assert depths([event(0, "B"), event(1, "C")]) == {}


def test_any_order_counts_different_steps():
    moments = moments_of(
        frame_of([event(0, "C"), event(1, "A"), event(2, "A"), event(20, "B")]),
        *(["userId"], STEPS, None),
    )
    found = any_order_from(moments, 3, Limits(10, None, is_strict=False))
    assert (found.last_steps + 1).tolist() == [2, 1, 1, 1]
    assert moments.times[found.places[0][:2]].tolist() == [0, 1]
