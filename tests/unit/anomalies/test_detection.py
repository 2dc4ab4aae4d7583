"""What is an anomaly, and what isn't, on made-up series and on labelled ones of real sites."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.anomalies import Judgement, Series, judge, reach
from rtcdp.definitions import USUAL, Alarms
from tests.unit.anomalies.scorer import Labelled, labelled_series, points_of, score

PER_DAY = 288


def poisson(mean: float, days: int, season: float = 0.0, per_day: int = PER_DAY) -> np.ndarray:
    """Counts with a daily season."""
    time = np.arange(days * per_day)
    rates = mean * (1 + season * np.sin(2 * np.pi * time / per_day))
    return np.random.default_rng(7).poisson(rates).astype(float)


def judged(values: np.ndarray, alarms: Alarms = USUAL, **changes: int) -> Judgement:
    series = {"per_day": PER_DAY, "final_count": len(values)} | changes
    return judge(Series(values, **series), alarms)


def places(values: np.ndarray, alarms: Alarms = USUAL, **changes: int) -> list[int]:
    return judged(values, alarms, **changes).is_alarm.nonzero()[0].tolist()


def detected(series: Labelled) -> np.ndarray:
    return judge(Series(series.values, series.per_day, len(series.values)), USUAL).is_alarm


def test_labelled_series_score_63_of_100() -> None:
    assert score(detected) >= 63


def test_labelled_series_have_few_alarms_outside_of_their_spans() -> None:
    outside = {}
    for series in labelled_series():
        alarms = detected(series)
        for first, last in series.spans:
            alarms[first : last + 1] = False
        outside[series.name] = alarms.sum() / series.weeks
    assert sum(outside.values()) / len(outside) < 0.5
    assert max(outside.values()) <= 1


def test_the_scorer_knows_silence_and_perfection() -> None:
    def nothing(series: Labelled) -> np.ndarray:
        return np.zeros(len(series.values), bool)

    def beginnings(series: Labelled) -> np.ndarray:
        found = nothing(series)
        found[[first for first, _ in series.spans]] = True
        return found

    def every_one(series: Labelled) -> np.ndarray:
        return ~nothing(series)

    assert score(nothing) == 0
    # A span that begins in the probation is found when that is over.
    assert 97 < score(beginnings) <= 100
    assert score(every_one) < 0
    series = next(labelled_series())
    late = nothing(series)
    late[[last for _, last in series.spans]] = True
    assert points_of(series, late)[0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("mean", [0.2, 3.0, 50.0, 2_000.0])
@pytest.mark.parametrize("season", [0.0, 0.8])
@pytest.mark.parametrize("per_day", [24, 288, 1440])
def test_mere_chance_is_no_alarm(mean: float, season: float, per_day: int) -> None:
    days = 28
    values = poisson(mean, days, season, per_day)
    assert len(places(values, per_day=per_day)) <= days / 7 / 2


@pytest.mark.parametrize(("factor", "direction"), [(5.0, "up"), (0.0, "down")])
def test_an_incident_is_told_once_at_its_beginning(factor: float, direction: str) -> None:
    values = poisson(400, 16, 0.3)
    start = 14 * PER_DAY + 17
    values[start : start + 40] = np.round(values[start : start + 40] * factor)
    (place,) = places(values)
    assert place == start
    found = judged(values)
    assert (found.surprise[place] > 0) == (direction == "up")
    assert not found.low[place] <= values[place] <= found.high[place]
    assert (found.rank[place], found.compared[place]) == (0, 13 * PER_DAY + 17)


def test_what_is_twice_as_bad_is_told_again() -> None:
    values = poisson(400, 12)
    start = 10 * PER_DAY
    values[start] = 700
    values[start + 50] = 750
    assert places(values) == [start]
    values[start + 50] = 1_400
    assert places(values) == [start, start + 50]


def test_what_a_series_always_does_is_hardly_ever_told() -> None:
    """It leaps twice a day. A leap that is smaller is none, and records are rare."""
    values = poisson(400, 20)
    leaps = np.arange(0, len(values), PER_DAY // 2)
    values[leaps] *= 8
    smaller = 10 * PER_DAY + 5
    values[smaller] = 2_000
    found = places(values)
    assert smaller not in found
    assert len(found) <= len(leaps) // 6


def test_a_season_is_nothing_out_of_the_ordinary() -> None:
    """A shop that is closed at night opens every morning, and is closed on Sundays."""
    values = poisson(300, 35)
    hours = np.arange(len(values)) // (PER_DAY // 24)
    values[hours % 24 < 8] = 0
    first_sunday = 3 * PER_DAY
    values[(np.arange(len(values)) - first_sunday) % (7 * PER_DAY) < PER_DAY] = 0
    after_weeks = 22 * PER_DAY
    assert [place for place in places(values) if place >= after_weeks] == []


def test_a_window_that_may_still_grow_is_never_low() -> None:
    values = poisson(400, 10)
    last = len(values) - 1
    values[last] = 12
    assert places(values) == [last]
    assert places(values, final_count=last) == []
    values[last] = 1_000
    assert places(values, final_count=last) == [last]


def test_settings_say_what_is_told() -> None:
    values = poisson(400, 12)
    rise, drop = 10 * PER_DAY, 11 * PER_DAY + 50
    values[rise], values[drop] = 700, 100
    assert places(values) == [rise, drop]
    for changes, expected in (
        ({"direction": "up"}, [rise]),
        ({"direction": "down"}, [drop]),
        ({"min_difference": 299.0}, [rise, drop]),
        ({"min_difference": 350.0}, []),
        ({"min_change": 0.9}, []),
        ({"surprise": 100.0}, []),
        ({"min_windows": rise + 1}, [drop]),
    ):
        assert places(values, replace(USUAL, **changes)) == expected, changes


@given(st.lists(st.integers(0, 50), max_size=120), st.sampled_from([0, 1, 6, 24]))
@settings(max_examples=60)
def test_any_series_is_judged_by_what_came_before(counts: list[int], per_day: int) -> None:
    values = np.array(counts, float)
    whole = judge(Series(values, per_day, len(values)), USUAL)
    for end in range(0, len(values), 7):
        part = judge(Series(values[:end], per_day, end), USUAL)
        np.testing.assert_array_equal(part.is_alarm, whole.is_alarm[:end])
        np.testing.assert_array_equal(part.expected, whole.expected[:end])


def test_what_lies_beyond_the_reach_makes_no_difference() -> None:
    per_day = 24
    values = poisson(80, 130, 0.5, per_day)
    values[-1] = 400
    part = values[-reach(per_day) - 1 :]
    whole, cut = (judge(Series(each, per_day, len(each)), USUAL) for each in (values, part))
    assert cut.is_alarm[-1]
    assert (cut.expected[-1], cut.rank[-1]) == (whole.expected[-1], whole.rank[-1])
    assert cut.compared[-1] == whole.compared[-1]


def test_a_season_of_small_counts_is_seen_and_a_drop_at_its_height_told() -> None:
    """Eight purchases are usual on the whole, and fifteen at this time of the day."""
    values = poisson(8, 16, 0.9)
    at = 14 * PER_DAY + PER_DAY // 4
    values[at : at + 2] = 0
    assert at in places(values)
    assert judged(values).expected[at] > 11
    night = [place for place in places(values) if values[place] < 8 and place not in (at, at + 1)]
    assert night == []


def test_one_long_incident_does_not_make_the_next_one_ordinary() -> None:
    values = poisson(400, 20)
    long_one, short_one = 10 * PER_DAY, 15 * PER_DAY + 40
    values[long_one : long_one + 36] = 0
    values[short_one] = 0
    assert places(values) == [long_one, short_one]
    assert judged(values).rank[short_one] == 1


@pytest.mark.parametrize("seed", range(6))
def test_two_empty_windows_are_told_where_fifteen_are_usual(seed: int) -> None:
    """Three weeks say of one window of the week no more than chance allows."""
    time = np.arange(26 * PER_DAY)
    rates = 8 * (1 + 0.9 * np.sin(2 * np.pi * time / PER_DAY))
    values = np.random.default_rng(seed).poisson(rates).astype(float)
    at = 25 * PER_DAY + PER_DAY // 4
    values[at : at + 2] = 0
    assert {at, at + 1} & set(places(values))
    usual = judged(values).expected[at - 6 : at + 6]
    assert np.abs(usual - rates[at - 6 : at + 6]).max() < 3


def test_a_series_that_grows_is_compared_with_its_days() -> None:
    growing = poisson(400, 35, 0.5) * np.linspace(1, 3, 35 * PER_DAY)
    at = 33 * PER_DAY
    assert judged(growing).expected[at] > 1.1 * growing[at - 21 * PER_DAY]
    growing[at : at + 6] = 0
    assert at in places(growing)


def test_what_goes_on_is_told_the_same_wherever_reading_began() -> None:
    """Each is more than all of the day before it, but not twice as much."""
    per_day = 24
    values = poisson(80, 250, 0.0, per_day)
    for number in range(14):
        values[-15 * 14 + 14 * number] = 400 + 60 * number
    part = values[-reach(per_day) - 24 :]
    assert len(part) < len(values)
    whole, cut = (judge(Series(each, per_day, len(each)), USUAL) for each in (values, part))
    np.testing.assert_array_equal(whole.is_alarm[-24:], cut.is_alarm[-24:])
