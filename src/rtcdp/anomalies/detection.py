"""Finds the windows of a series that are out of the ordinary.

How surprising a window is matters less than when that is worth an alarm. On labelled series (the
Numenta Anomaly Benchmark: Lavin and Ahmad 2015, "Evaluating Real-Time Anomaly Detection
Algorithms") any threshold on a robust score alone tells far too much. Three rules make it
useful: it has to be *rare in the series' own history*; it has to be an *onset*, above all of the
last day; and what goes on is told again only when it is twice as bad. So a series that is always
wild stays silent, and an incident is told once.

Each window is judged by those before it alone. The same numbers give the same alarms, whoever has
counted them, and a window that changes is judged anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from rtcdp.definitions import Alarms

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

COMPARED_DAYS = 60
COMPARED_MAX = 20_000
"""With how many windows before it one is compared: with those of so many days, and no more."""

_RARE_DAYS_UP, _RARE_DAYS_DOWN = 10, 5
"""However short windows are, what comes every day is not rare. Rises have no bound, and on wild
series they come in crowds; a drop ends at nothing, and an outage at night is as deep as a quiet
hour."""

MIN_BASE = 24
"""At least so many windows say what is usual, where a day has fewer."""

_SMOOTHED_PER_DAY = 288
"""Shorter windows are looked at in fives of minutes: one of them alone is mostly noise."""
_WEEKS = range(3, 9)
"""From three weeks on, the same time of the same weekday says what is usual; of eight at most."""
_DAYS = range(3, 8)
_BETTER = 0.5
"""Before that, the same time of the last days says it, where it has been so much closer for a
week: on series that have no such season, it is worse than the last day as a whole. Where a series
grows or falls, weeks say less than days."""
_WORSE = 2.0
_REMEMBERED_DAYS = 7
_SMALL = 30.0
_NEIGHBOURS_PER_DAY = 48
"""What is usual of small counts is taken from the windows of half an hour before and after as well:
a few of them by themselves say it no better than chance allows."""
_ANSCOMBE = 3 / 8
_MAD_TO_DEVIATION = 1.4826
_DAYS_OF_WEEK, _HOURS = 7, 24
_DECIMALS = 9
"""Means that roll along a series differ in their last digits by where it began."""


@dataclass(frozen=True)
class Series:
    """Numbers of consecutive windows, the oldest first, 0 where there was nothing. About `per_day`
    windows make a day. The first `final_count` of them can't change any more."""

    values: FloatArray
    per_day: int
    final_count: int


@dataclass(frozen=True)
class Judgement:
    """What is said of each window of a series.

    `expected` with `low` and `high` is the band that it was expected in (NaN while nothing is
    known). `surprise` says how far it was off, in deviations, negative when below. In `compared`
    windows before it the series was as far off to the same side `rank` times, where windows in a
    row are one time. `is_alarm` marks those to tell of. By `scale` numbers become deviations.
    """

    expected: FloatArray
    low: FloatArray
    high: FloatArray
    surprise: FloatArray
    rank: IntArray
    compared: IntArray
    is_alarm: BoolArray
    scale: "Scale"

    def at(self, places: IntArray) -> "Judgement":
        """What is said of some of the windows."""
        return Judgement(
            expected=self.expected[places],
            low=self.low[places],
            high=self.high[places],
            surprise=self.surprise[places],
            rank=self.rank[places],
            compared=self.compared[places],
            is_alarm=self.is_alarm[places],
            scale=self.scale.at(places),
        )


def reach(per_day: int) -> int:
    """How many windows before it can make a difference to what is said of one, where about
    `per_day` of them make a day."""
    base = max(MIN_BASE, per_day)
    season = max(2 * base, _WEEKS[-1] * _DAYS_OF_WEEK * per_day)
    # A week says whether there is a season, and some days whether something goes on.
    rest = (_DAYS_OF_WEEK + _REMEMBERED_DAYS) * base + _neighbours(per_day)
    return _compared(base) + season + rest


def _neighbours(per_day: int) -> int:
    return per_day // _NEIGHBOURS_PER_DAY


def _compared(base: int) -> int:
    return min(COMPARED_DAYS * base, COMPARED_MAX)


def judge(series: Series, alarms: Alarms) -> Judgement:
    """Judge all windows of a series, by `alarms`.

    A window that is not final may rise further and so is told of when it is high, but never when
    it is low.
    """
    values, base = series.values, max(MIN_BASE, series.per_day)
    expected, has_season = _expected(values, base, series.per_day)
    off = values - expected
    middle = np.where(has_season, expected, np.fmax(expected, _before(values, base, "mean")))
    scale = Scale.of(expected, middle, _deviation(off, expected, base))
    surprise = _smoothed(scale.of_value(values), max(1, round(series.per_day / _SMOOTHED_PER_DAY)))
    surprise = surprise.round(_DECIMALS)
    height = np.abs(surprise)
    is_candidate = (
        (np.nan_to_num(height) >= alarms.surprise)
        & is_onset(height, series.per_day)
        & _is_wanted(off, surprise, series.final_count, alarms)
        & (np.abs(off) >= alarms.min_difference)
        & (np.abs(off) >= alarms.min_change * np.abs(expected))
    )
    is_candidate[: max(alarms.min_windows, 2 * base)] = False
    rank, compared, is_alarm = rare_among(surprise, is_candidate, series.per_day, alarms)
    return Judgement(
        expected=expected,
        low=np.maximum(scale.value_of(-alarms.surprise), np.minimum(expected, 0)),
        high=scale.value_of(alarms.surprise),
        surprise=surprise,
        rank=rank,
        compared=compared,
        is_alarm=is_alarm,
        scale=scale,
    )


def is_onset(height: FloatArray, per_day: int) -> BoolArray:
    """Which are above all of the last day."""
    above: BoolArray = height > _before(height, max(MIN_BASE, per_day), "max")
    return above


def rare_among(
    surprise: FloatArray, is_candidate: BoolArray, per_day: int, alarms: Alarms
) -> tuple[IntArray, IntArray, BoolArray]:
    """How rare each candidate is among the windows before it: how many times these were as far off
    to the same side, how many they are, and whether it is one to tell of."""
    base, height = max(MIN_BASE, per_day), np.abs(surprise)
    rank, compared = np.zeros(len(surprise), np.int64), np.zeros(len(surprise), np.int64)
    rarity_up, rarity_down = (
        max(alarms.rarity, days * per_day) for days in (_RARE_DAYS_UP, _RARE_DAYS_DOWN)
    )
    is_alarm = np.zeros(len(surprise), np.bool_)
    rare: list[int] = []
    for index in np.flatnonzero(is_candidate).tolist():
        first = max(base, index - _compared(base))
        # Rises are compared with rises, and drops with drops.
        earlier = surprise[first:index] * np.sign(surprise[index])
        rank[index] = _times(earlier >= height[index])
        compared[index] = len(earlier)
        rarity = rarity_up if surprise[index] > 0 else rarity_down
        if rank[index] > max(1, compared[index] // rarity):
            continue
        rare.append(index)
        rare = [each for each in rare if index - each <= _REMEMBERED_DAYS * base]
        is_alarm[index] = _is_news(rare, height, base)
    return rank, compared, is_alarm


def _times(is_so: BoolArray) -> int:
    """How many times something was so: a run of windows is once, or one long incident would make
    the next one ordinary."""
    return int(np.count_nonzero(is_so[1:] > is_so[:-1])) + int(is_so[:1].sum())


def _expected(values: FloatArray, base: int, per_day: int) -> tuple[FloatArray, BoolArray]:
    """The median of the last day; of the same time of the last days where that is closer; of the
    same time in the last weeks, once there are three and where that is no farther off. And where it
    is one of the latter two."""
    expected, has_season = _before(values, base, "median"), np.zeros(len(values), np.bool_)

    def usually_off(guess: FloatArray) -> FloatArray:
        # By the hour: of small counts, one window's distance is mere chance.
        off = np.abs(_smoothed(values - guess, max(1, per_day // _HOURS))).round(_DECIMALS)
        return _before(off, _DAYS_OF_WEEK * base, "median")

    if per_day > 1:
        daily = _usual(values, per_day, _DAYS, _neighbours(per_day))
        is_closer = usually_off(daily) < _BETTER * usually_off(expected)
        expected[is_closer] = daily[is_closer]
        has_season |= is_closer
    if per_day >= 1:
        weekly = _usual(values, _DAYS_OF_WEEK * per_day, _WEEKS, _neighbours(per_day))
        is_farther = usually_off(expected) < _BETTER * usually_off(weekly)
        is_known = ~np.isnan(weekly) & ~is_farther
        expected[is_known] = weekly[is_known]
        has_season |= is_known
    return expected, has_season


def _usual(values: FloatArray, period: int, counts: range, neighbours: int) -> FloatArray:
    """What is usual at the same time of earlier periods; of small counts, about that time."""
    then = _at_the_same_time(values, period, counts)
    if not neighbours:
        return then
    around = pl.Series(values).rolling_mean(2 * neighbours + 1, min_samples=1, center=True)
    about_then = _at_the_same_time(around.round(_DECIMALS).to_numpy(), period, counts)
    usual: FloatArray = np.where(then < _SMALL, about_then, then)
    return usual


def _at_the_same_time(values: FloatArray, period: int, counts: range) -> FloatArray:
    """The median of those that lie whole periods back: of the last one in `counts` of them, or of
    as many as there are; NaN where there are fewer than the first."""
    found = np.full(len(values), np.nan)
    for count in counts:
        is_last = count == counts[-1]
        end = len(values) if is_last else min((count + 1) * period, len(values))
        places = np.arange(count * period, end)
        if len(places):
            earlier = np.stack([values[places - period * back] for back in range(1, count + 1)])
            found[places] = np.median(earlier, axis=0)
    return found


def _deviation(off: FloatArray, expected: FloatArray, base: int) -> FloatArray:
    """How far windows usually are from what is expected: robust, and no less than what chance
    alone makes of counts (the root of them)."""
    usual = _MAD_TO_DEVIATION * _before(np.abs(off), base, "median")
    # While too little is known to say, what chance makes would be far too sure of itself.
    usual[np.isnan(usual)] = np.inf
    chance: FloatArray = np.sqrt(np.maximum(np.nan_to_num(np.abs(expected)), 1.0))
    return np.maximum(usual, chance)


@dataclass(frozen=True)
class Scale:
    """Between numbers and how surprising they are, of each window by itself.

    In deviations from what is expected. Small counts have a long tail above: they are measured on
    the scale of their square roots, where they lie about as even as a normal distribution
    (Anscombe 1948, "The Transformation of Poisson, Binomial and Negative-Binomial Data"), and from
    their middle: without a season the mean, where that is above the median.
    """

    centre: FloatArray
    deviation: FloatArray
    is_small: BoolArray

    @classmethod
    def of(cls, expected: FloatArray, middle: FloatArray, deviation: FloatArray) -> "Scale":
        is_small = (expected >= 0) & (middle < _SMALL)
        return cls(np.where(is_small, middle, expected), deviation, is_small)

    def at(self, places: IntArray) -> "Scale":
        """That of some of the windows."""
        return Scale(self.centre[places], self.deviation[places], self.is_small[places])

    def of_value(self, values: FloatArray) -> FloatArray:
        plain: FloatArray = (values - self.centre) / self.deviation
        rooted = (_root(values) - _root(self.centre)) / self._half_step
        return np.where(self.is_small, rooted, plain)

    def value_of(self, surprise: "float | FloatArray") -> FloatArray:
        root = np.maximum(_root(self.centre) + surprise * self._half_step, _root(np.zeros(1)))
        plain: FloatArray = self.centre + surprise * self.deviation
        return np.where(self.is_small, root * root - _ANSCOMBE, plain)

    @property
    def _half_step(self) -> FloatArray:
        """What a deviation is on the scale of roots, near the centre."""
        step: FloatArray = self.deviation / (2 * np.sqrt(np.fmax(self.centre, 1.0)))
        return step


def _root(values: FloatArray) -> FloatArray:
    root: FloatArray = np.sqrt(np.fmax(values, 0.0) + _ANSCOMBE)
    return root


def _is_wanted(
    off: FloatArray, surprise: FloatArray, final_count: int, alarms: Alarms
) -> BoolArray:
    is_up = (surprise > 0) & (off > 0) & (alarms.direction != "down")
    is_down = (surprise < 0) & (off < 0) & (alarms.direction != "up")
    is_down[final_count:] = False
    return is_up | is_down


def _is_news(rare: Sequence[int], height: FloatArray, base: int) -> bool:
    """Whether the last of some rare windows is to be told: not while one goes on that was told in
    the last day, unless this is twice as bad. What was told is worked out from these alone, so that
    it doesn't matter where reading began."""
    told = rare[0]
    for index in rare[1:]:
        if index - told > base or height[index] >= _WORSE * height[told]:
            told = index
    return told == rare[-1]


def _smoothed(values: FloatArray, count: int) -> FloatArray:
    """The mean of each and the ones before it, `count` together."""
    if count == 1:
        return values
    return pl.Series(values).rolling_mean(count, min_samples=count).fill_null(np.nan).to_numpy()


def _before(values: FloatArray, count: int, what: Literal["max", "mean", "median"]) -> FloatArray:
    """The median, mean or maximum of the `count` values before each one; NaN where there are fewer,
    or one of them is NaN."""
    shifted = pl.Series(values, nan_to_null=True).shift(1)
    rolling = getattr(shifted, f"rolling_{what}")(count, min_samples=count).round(_DECIMALS)
    found: FloatArray = rolling.fill_null(np.nan).to_numpy().copy()
    return found
