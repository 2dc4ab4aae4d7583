"""What is expected is what was usual: of the last day, of the time of day, of the time of week."""

import numpy as np
import pytest

from rtcdp.anomalies.expectation import Expectation, windows_of_hour
from rtcdp.anomalies.runs import Runs

PER_DAY = 24
"""Of windows of an hour; some are too large for neighbours to have a say."""
BY_HOUR = np.where(np.arange(PER_DAY) < 12, 100.0, 900.0)


def of(numbers: np.ndarray, per_day: int = PER_DAY) -> Expectation:
    return Expectation(numbers, per_day or 24, per_day, Runs(len(numbers), {}))


def test_nothing_is_expected_before_there_was_a_day() -> None:
    expected = of(np.full(30, 50.0)).expected(0)
    assert np.isnan(expected[:24]).all()
    assert expected[24:].tolist() == [50.0] * 6


def test_where_the_hours_of_a_day_are_alike_the_last_day_says_it() -> None:
    numbers = np.random.default_rng(5).poisson(400, 10 * PER_DAY).astype(float)
    expectation = of(numbers)
    assert not expectation.has_season(0).any()
    place = 9 * PER_DAY + 7
    assert expectation.expected(place)[0] == np.median(numbers[place - PER_DAY : place])


def test_after_days_with_a_season_the_same_time_of_the_last_ones_says_it() -> None:
    growing = np.concatenate([BY_HOUR + day for day in range(12)])
    expectation, place = of(growing), 11 * PER_DAY + 15
    assert expectation.has_season(place).all()
    # Of the last seven days, 4 to 10, the one in the middle.
    assert expectation.expected(place)[0] == 900 + 7


def test_after_three_weeks_the_same_time_of_the_same_weekday_says_it() -> None:
    week = np.concatenate([BY_HOUR * (0.2 if day >= 5 else 1.0) for day in range(7)])
    expectation = of(np.tile(week, 5))
    saturday = 4 * len(week) + 5 * PER_DAY + 13
    assert expectation.has_season(saturday)[0]
    assert expectation.expected(saturday)[0] == pytest.approx(180.0)


def test_what_follows_a_place_is_expected_alike_from_wherever_it_is_asked_for() -> None:
    numbers = np.random.default_rng(8).poisson(60 + np.tile(BY_HOUR, 30) / 9).astype(float)
    whole = of(numbers).expected(0)
    for place in (1, 24, 200, len(numbers) - 1):
        np.testing.assert_array_equal(of(numbers).expected(place), whole[place:])


def test_an_hour_is_one_window_at_least() -> None:
    assert (windows_of_hour(0), windows_of_hour(24), windows_of_hour(1_440)) == (1, 1, 60)
