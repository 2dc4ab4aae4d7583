"""What rolls along the windows of a series is what plain arithmetic says, from any place on."""

from statistics import fmean, median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.anomalies.runs import Run, Runs, about, before, smoothed

PLAIN = {"max": max, "mean": fmean, "median": median}

whole_numbers = st.lists(st.integers(0, 1_000), min_size=1, max_size=60)


def test_what_is_known_from_a_place_on_is_cut_by_places_of_the_series() -> None:
    run = Run(10, np.arange(5.0))
    assert run.end == 15
    assert run.since(12).tolist() == [2, 3, 4]
    assert (run.between(11, 13).first, run.between(11, 13).numbers.tolist()) == (11, [1, 2])
    assert (run.between(0, 12).first, run.between(0, 12).numbers.tolist()) == (10, [0, 1])
    assert run.between(20, 30).numbers.tolist() == []
    with pytest.raises(AssertionError, match="can't be asked for"):
        run.since(9)


def test_windows_that_leave_the_front_of_a_series_leave_what_is_known() -> None:
    run = Run(10, np.arange(5.0))
    assert (run.without_first(4).first, run.without_first(4).numbers.tolist()) == (
        6,
        [0, 1, 2, 3, 4],
    )
    assert (run.without_first(12).first, run.without_first(12).numbers.tolist()) == (0, [2, 3, 4])


def test_only_what_comes_after_that_which_is_known_is_worked_out() -> None:
    asked: list[int] = []

    def compute(at: int) -> np.ndarray:
        asked.append(at)
        return np.arange(at, 8.0)

    known = {"squares": Run(2, np.arange(2.0, 6.0))}
    runs = Runs(8, known)
    assert runs.get("squares", 3, compute).since(3).tolist() == [3, 4, 5, 6, 7]
    assert runs.get("squares", 5, compute).since(5).tolist() == [5, 6, 7]
    assert asked == [6]
    assert runs.get("squares", 1, compute).since(1).tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert asked == [6, 1]
    assert known["squares"].end == 6


@given(whole_numbers, st.integers(1, 12), st.sampled_from(sorted(PLAIN)), st.data())
@settings(max_examples=60, deadline=None)
def test_the_numbers_before_each_are_those_that_plain_python_takes(
    numbers: list[int], count: int, what: str, data: st.DataObject
) -> None:
    since = data.draw(st.integers(0, len(numbers)))
    found = before(Run(0, np.array(numbers, float)), count, what, since)  # type: ignore[arg-type]
    expected = [
        PLAIN[what](numbers[place - count : place]) if place >= count else np.nan
        for place in range(since, len(numbers))
    ]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)


def test_one_number_that_is_missing_makes_those_after_it_unknown() -> None:
    numbers = np.array([1.0, np.nan, 3.0, 4.0, 5.0])
    found = before(Run(0, numbers), 2, "mean", 0)
    np.testing.assert_array_equal(found, [np.nan, np.nan, np.nan, np.nan, 3.5])


@pytest.mark.parametrize("length", [40, 9_000], ids=["few", "many"])
def test_few_and_many_numbers_are_smoothed_alike(length: int) -> None:
    numbers = np.random.default_rng(3).integers(0, 100, length).astype(float)
    smooth, around = smoothed(numbers, 4), about(numbers, 3, 0, length)
    for place in (0, 2, 3, 17, length - 2, length - 1):
        last = numbers[place - 3 : place + 1]
        assert smooth[place] == pytest.approx(fmean(last) if place >= 3 else np.nan, nan_ok=True)
        assert around[place] == pytest.approx(fmean(numbers[max(0, place - 3) : place + 4]))
    part = about(numbers, 3, length - 9, length - 1)
    np.testing.assert_allclose(part, around[length - 9 : length - 1], rtol=0, atol=1e-8)
