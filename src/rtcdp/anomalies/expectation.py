"""What is expected of each window of a series: what was usual before it, and at such a time."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rtcdp.anomalies.runs import DECIMALS, FloatArray, Run, Runs, about, before, smoothed

BoolArray = npt.NDArray[np.bool_]

DAYS_OF_WEEK = 7
WEEKS = range(3, 9)
"""From three weeks on, the same time of the same weekday says what is usual; of eight at most."""
DAYS = range(3, 8)
_BETTER = 0.5
"""Before that, the same time of the last days says it, where it has been so much closer for a
week: on series that have no such season, it is worse than the last day as a whole. Where a series
grows or falls, weeks say less than days."""
SMALL = 30.0
_NEIGHBOURS_PER_DAY = 48
"""What is usual of small counts is taken from the windows of half an hour before and after as well:
a few of them by themselves say it no better than chance allows."""
_HOURS = 24

OFF = ("off_day", "off_daily", "off_nearer", "off_weekly")
"""The runs of how far off guesses were, of which a week is looked back at."""
GUESSED = ("day", "daily", "weekly")
"""The runs of what was guessed, of which an hour is looked back at."""

_Guess = Callable[[int], FloatArray]


def neighbours(per_day: int) -> int:
    """How many windows on both sides say with one of small counts what is usual of it."""
    return per_day // _NEIGHBOURS_PER_DAY


def windows_of_hour(per_day: int) -> int:
    """How many windows are an hour, one at least."""
    return max(1, per_day // _HOURS)


class Expectation:
    """What is expected of the windows of a series with the `numbers`, of which `base` are taken for
    a day and `per_day` make one. What is worked out stands in `runs`."""

    def __init__(self, numbers: FloatArray, base: int, per_day: int, runs: Runs) -> None:
        self._all = Run(0, numbers)
        self._base, self._per_day, self._runs = base, per_day, runs

    def expected(self, since: int) -> FloatArray:
        """The median of the last day; of the same time of the last days where that is closer; of
        the same time in the last weeks, once there are three and where that is no farther off."""

        def compute(at: int) -> FloatArray:
            is_weekly = self._is_weekly(at)
            return np.where(is_weekly, self._weekly(at), self._nearer(at))

        return self._runs.get("expected", since, compute).since(since)

    def has_season(self, since: int) -> BoolArray:
        """Whether what is expected is that of the same time of days or weeks."""
        is_weekly = self._is_weekly(since)
        return self._is_daily(since) | is_weekly

    def _is_weekly(self, since: int) -> BoolArray:
        def compute(at: int) -> BoolArray:
            if self._per_day < 1:
                return np.zeros(len(self._all.numbers) - at, np.bool_)
            nearer = self._usually_off("off_nearer", self._nearer, at)
            is_farther = nearer < _BETTER * self._usually_off("off_weekly", self._weekly, at)
            return ~np.isnan(self._weekly(at)) & ~is_farther

        return self._runs.get("is_weekly", since, compute).since(since)

    def _is_daily(self, since: int) -> BoolArray:
        def compute(at: int) -> BoolArray:
            if self._per_day <= 1:
                return np.zeros(len(self._all.numbers) - at, np.bool_)
            daily = self._usually_off("off_daily", self._daily, at)
            return daily < _BETTER * self._usually_off("off_day", self._day, at)

        return self._runs.get("is_daily", since, compute).since(since)

    def _nearer(self, since: int) -> FloatArray:
        day = self._day(since)
        is_daily = self._is_daily(since)
        return np.where(is_daily, self._daily(since), day) if is_daily.any() else day

    def _day(self, since: int) -> FloatArray:
        def compute(at: int) -> FloatArray:
            return before(self._all, self._base, "median", at)

        return self._runs.get("day", since, compute).since(since)

    def _daily(self, since: int) -> FloatArray:
        def compute(at: int) -> FloatArray:
            return self._usual(self._per_day, DAYS, at)

        return self._runs.get("daily", since, compute).since(since)

    def _weekly(self, since: int) -> FloatArray:
        def compute(at: int) -> FloatArray:
            return self._usual(DAYS_OF_WEEK * self._per_day, WEEKS, at)

        return self._runs.get("weekly", since, compute).since(since)

    def _usually_off(self, name: str, guess: _Guess, since: int) -> FloatArray:
        """How far off a guess usually was in the week before each. By the hour: of small counts,
        one window's distance is mere chance."""
        hour, week = windows_of_hour(self._per_day), DAYS_OF_WEEK * self._base

        def compute(at: int) -> FloatArray:
            begin = max(0, at - hour + 1)
            off = smoothed(self._all.since(begin) - guess(begin), hour)
            far: FloatArray = np.abs(off[at - begin :]).round(DECIMALS)
            return far

        return before(self._runs.get(name, max(0, since - week), compute), week, "median", since)

    def _usual(self, period: int, counts: range, since: int) -> FloatArray:
        """What is usual at the same time of earlier periods; of small counts, about that time."""
        numbers, reach = self._all.numbers, neighbours(self._per_day)
        end = len(numbers)
        then = _at_the_same_time(lambda low, high: numbers[low:high], period, counts, (since, end))
        if not reach:
            return then
        if end - since > period:
            around = about(numbers, reach, 0, end)
            about_then = _at_the_same_time(
                lambda low, high: around[low:high], period, counts, (since, end)
            )
        else:
            about_then = _at_the_same_time(
                lambda low, high: about(numbers, reach, low, high), period, counts, (since, end)
            )
        usual: FloatArray = np.where(then < SMALL, about_then, then)
        return usual


def _at_the_same_time(
    of: Callable[[int, int], FloatArray], period: int, counts: range, span: tuple[int, int]
) -> FloatArray:
    """For each place in `span`, the median of those that lie whole periods back: of the last one in
    `counts` of them, or of as many as there are; NaN where there are fewer than the first. `of`
    gives the numbers of [first, end)."""
    since, end = span
    found = np.full(end - since, np.nan)
    for count in counts:
        is_last = count == counts[-1]
        first = max(count * period, since)
        stop = end if is_last else min((count + 1) * period, end)
        if first < stop:
            backs = [period * back for back in range(1, count + 1)]
            earlier = np.stack([of(first - back, stop - back) for back in backs])
            found[first - since : stop - since] = np.median(earlier, axis=0)
    return found
