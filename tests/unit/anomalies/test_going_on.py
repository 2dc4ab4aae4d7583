"""Judging a series goes on from what is known of it, and says what it would say without."""

from collections.abc import Callable
from time import thread_time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.anomalies import Judgement, Series, judge, judge_since, reach
from rtcdp.definitions import Alarms

EAGER = Alarms(surprise=2.0, rarity=20, min_difference=1.0, min_change=0.0)
"""Tells a lot, so that there is much to be different."""


def assert_same(part: Judgement, whole: Judgement) -> None:
    for name in ("expected", "low", "high", "surprise", "rank", "compared", "is_alarm"):
        told = getattr(whole, name)[part.first :]
        np.testing.assert_array_equal(getattr(part, name), told, name)


@st.composite
def counted(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    """Counts or amounts of some weeks, in which not all is as usual."""
    per_day = draw(st.sampled_from([0, 1, 6, 24, 48, 96]))
    length = draw(st.integers(1, 40 * max(per_day, 4)))
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    season = 1 + draw(st.sampled_from([0.0, 0.9])) * np.sin(
        2 * np.pi * np.arange(length) / max(per_day, 7)
    )
    values = chance.poisson(draw(st.sampled_from([0.3, 8.0, 300.0])) * season).astype(float)
    if draw(st.booleans()):
        values = np.round(values * chance.uniform(5, 99, length), 2)
    for place in chance.integers(0, length, 6).tolist():
        values[place : place + 4] *= chance.choice([0.0, 4.0, 9.0])
    return values, per_day


@given(counted(), st.data())
@settings(max_examples=50, deadline=None)
def test_what_is_known_makes_no_difference(
    series: tuple[np.ndarray, int], data: st.DataObject
) -> None:
    values, per_day = series
    known, end = None, data.draw(st.integers(1, len(values)))
    for _ in range(4):
        now = Series(values[:end].copy(), per_day, data.draw(st.integers(0, end)))
        since = data.draw(st.integers(0, end))
        judged, known = judge_since(now, EAGER, since, known)
        assert_same(judged, judge(now, EAGER))
        # New windows, or fewer of them, and some that have changed.
        end = data.draw(st.integers(max(1, end - 2), min(len(values), end + 30)))
        for back in data.draw(st.lists(st.integers(1, 90), max_size=2)):
            values[max(0, end - back)] += 3


def test_a_front_that_moves_on_makes_no_difference_beyond_the_reach() -> None:
    per_day, steps = 24, 40
    chance = np.random.default_rng(2)
    values = chance.poisson(20, reach(per_day) + 60 + steps).astype(float)
    values[-45] = values[-20] = 90
    known = None
    for gone in range(0, steps, 5):
        now = Series(values[gone : reach(per_day) + 60 + gone], per_day, 0)
        if known is not None:
            known = known.without_first(5)
        judged, known = judge_since(now, EAGER, reach(per_day), known)
        assert_same(judged, judge(now, EAGER))
        # With all that there was before, too.
        longer = Series(values[: reach(per_day) + 60 + gone], per_day, 0)
        whole = judge(longer, EAGER)
        np.testing.assert_array_equal(judged.is_alarm, whole.is_alarm[gone + judged.first :])
        np.testing.assert_array_equal(judged.rank, whole.rank[gone + judged.first :])
    assert judged.is_alarm.any()


def test_going_on_takes_a_small_part_of_the_time() -> None:
    per_day, days = 1440, 30
    values = np.random.default_rng(2).poisson(9, days * per_day).astype(float)
    now = Series(values, per_day, len(values))
    since = len(values) - per_day
    _, known = judge_since(now, Alarms(), since)
    values = np.append(values, 8.0)
    values[-3] += 1
    later = Series(values, per_day, len(values))
    whole = _time(lambda: judge(later, Alarms()))
    assert _time(lambda: judge_since(later, Alarms(), since, known)) < whole / 8


def _time(work: Callable[[], object]) -> float:
    """The least that it took of a processor in some goes."""
    taken = []
    for _ in range(5):
        began = thread_time()
        work()
        taken.append(thread_time() - began)
    return min(taken)
