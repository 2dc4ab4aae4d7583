"""Arithmetic on segments, against loops that anybody reads at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.folds.segments import first_places, numbered, reached, running_max, search_within

rows = st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 40)), min_size=1, max_size=30)


@given(rows)
def test_the_running_max_of_each_segment(pairs):
    pairs.sort(key=lambda pair: pair[0])
    values, begins = np.array([value for _, value in pairs]), begins_of(pairs)
    expected, best = [], {}
    for segment, value in pairs:
        best[segment] = max(value, best.get(segment, value))
        expected.append(best[segment])
    assert running_max(values, begins).tolist() == expected


@given(rows, st.integers(-3, 60))
def test_the_search_stays_in_its_segment(pairs, ahead):
    pairs.sort()
    segments, values = (np.array(column) for column in zip(*pairs, strict=True))
    expected = [
        next(
            (n for n, (s, v) in enumerate(pairs) if s == segment and v >= value + ahead),
            len(pairs),
        )
        for segment, value in pairs
    ]
    assert search_within(segments, values, values + ahead).tolist() == expected


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_what_is_reached_by_jumps(jumps):
    size = len(jumps)
    following = np.minimum(np.arange(size) + np.array(jumps), size)
    place, expected = 0, set()
    while place < size:
        expected.add(place)
        place = int(following[place])
    assert set(np.flatnonzero(reached(np.array([0]), following)).tolist()) == expected


def test_numbers_and_first_places():
    begins = np.array([True, False, True, False, False])
    assert numbered(begins).tolist() == [0, 0, 1, 1, 1]
    assert first_places(begins).tolist() == [0, 0, 2, 2, 2]


def test_nothing_is_searched_in_nothing():
    nothing = np.zeros(0, np.int64)
    assert search_within(nothing, nothing, nothing).tolist() == []
    assert first_places(np.zeros(0, np.bool_)).tolist() == []


def test_times_that_can_not_be_told_apart_are_no_wrong_answer():
    segments, values = np.array([0, 0, 1, 1]), np.array([0, 2**62, 0, 2**62])
    with pytest.raises(OverflowError):
        search_within(segments, values, values)


def begins_of(pairs):
    return np.array([n == 0 or pairs[n][0] != pairs[n - 1][0] for n in range(len(pairs))])
