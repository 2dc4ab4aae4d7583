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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtcdp.anomalies.expectation import (
    DAYS,
    DAYS_OF_WEEK,
    GUESSED,
    OFF,
    SMALL,
    WEEKS,
    BoolArray,
    Expectation,
    neighbours,
    windows_of_hour,
)
from rtcdp.anomalies.runs import DECIMALS, FloatArray, Run, Runs, before, smoothed
from rtcdp.definitions import Alarms

IntArray = npt.NDArray[np.int64]

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
_WORSE = 2.0
_REMEMBERED_DAYS, _KEPT_DAYS = 7, 9
_ANSCOMBE = 3 / 8
_MAD_TO_DEVIATION = 1.4826


@dataclass(frozen=True)
class Series:
    """Numbers of consecutive windows, the oldest first, 0 where there was nothing. About `per_day`
    windows make a day. The first `final_count` of them can't change any more."""

    values: FloatArray
    per_day: int
    final_count: int


@dataclass(frozen=True)
class Judgement:
    """What is said of each window of a series from the place `first` on.

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
    first: int = 0

    def at(self, places: IntArray) -> "Judgement":
        """What is said of some of the windows, of a series that is judged as a whole."""
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


@dataclass(frozen=True)
class Known:
    """What was worked out of the windows of a series, which had these `values`, to be gone on
    from."""

    values: FloatArray
    runs: Mapping[str, Run]

    @property
    def size_bytes(self) -> int:
        """How many bytes it takes, about."""
        return self.values.nbytes + sum(run.numbers.nbytes for run in self.runs.values())

    def without_first(self, count: int) -> "Known":
        """The same, where so many windows are gone from the front of the series. It holds for
        windows that have `reach` others before them then as well."""
        runs = {name: run.without_first(count) for name, run in self.runs.items()}
        return Known(self.values[count:], runs)

    def of_same(self, values: FloatArray) -> Mapping[str, Run]:
        """What of it holds for a series with these values: up to the first that is another one."""
        count = min(len(values), len(self.values))
        others = np.flatnonzero(values[:count] != self.values[:count])
        end = int(others[0]) if len(others) else count
        return {name: run.between(0, end) for name, run in self.runs.items()}


def reach(per_day: int) -> int:
    """How many windows before it can make a difference to what is said of one, where about
    `per_day` of them make a day."""
    base = max(MIN_BASE, per_day)
    # Those that it is compared with, those that were told some days before, and how far off each
    # was for a day.
    compared = _ranked(base) + _smoothed_windows(per_day) + base
    # A week says which guess is closer, for the nearer ones and then for those of weeks.
    week = DAYS_OF_WEEK * base + windows_of_hour(per_day)
    weeks = WEEKS[-1] * DAYS_OF_WEEK * per_day + neighbours(per_day)
    days = max(base, DAYS[-1] * per_day + neighbours(per_day))
    return compared + week + max(weeks, week + days)


def _compared(base: int) -> int:
    return min(COMPARED_DAYS * base, COMPARED_MAX)


def _ranked(base: int) -> int:
    """How many windows before one it takes to say how rare it is, and whether that is news."""
    return _REMEMBERED_DAYS * base + max(_compared(base), base)


def _smoothed_windows(per_day: int) -> int:
    return max(1, round(per_day / _SMOOTHED_PER_DAY))


def judge(series: Series, alarms: Alarms) -> Judgement:
    """Judge all windows of a series, by `alarms`.

    A window that is not final may rise further and so is told of when it is high, but never when
    it is low.
    """
    return judge_since(series, alarms, 0)[0]


def judge_since(
    series: Series, alarms: Alarms, since: int, known: Known | None = None
) -> tuple[Judgement, Known]:
    """Judge the windows from the place `since` on, as `judge` does. With what is `known` by now,
    which makes no difference to what is said: what was worked out before is taken as it is up to
    the first window that changed."""
    looked = _Looked.at(series, known)
    is_candidate = looked.candidates(since, alarms)
    if is_candidate.any():
        # How rare they are takes a long history, which is seldom needed.
        first = since + int(np.argmax(is_candidate)) - _REMEMBERED_DAYS * looked.base
        is_candidate = looked.candidates(max(0, min(first, since)), alarms)
    return looked.judged(since, is_candidate, alarms), looked.known(since)


@dataclass(frozen=True)
class _Looked:
    """A series that is looked at, as far back as it takes."""

    series: Series
    base: int
    runs: Runs

    @classmethod
    def at(cls, series: Series, known: Known | None) -> "_Looked":
        same = {} if known is None else known.of_same(series.values)
        return cls(series, max(MIN_BASE, series.per_day), Runs(len(series.values), same))

    def known(self, since: int) -> Known:
        """What was worked out, without what nobody will ask for who looks from about there on."""
        end = len(self.series.values)
        # What may change yet is mostly of the last day.
        recent = end - self.base - windows_of_hour(self.series.per_day)
        firsts = dict.fromkeys(GUESSED, recent)
        firsts |= dict.fromkeys(OFF, recent - DAYS_OF_WEEK * self.base)
        others = since - _ranked(self.base) - _KEPT_DAYS * self.base
        runs = {
            name: run.between(firsts.get(name, others), end) for name, run in self.runs.made.items()
        }
        return Known(self.series.values, runs)

    @property
    def _expectation(self) -> Expectation:
        return Expectation(self.series.values, self.base, self.series.per_day, self.runs)

    def _scale(self, since: int) -> "Scale":
        def compute(at: int) -> FloatArray:
            expectation = self._expectation
            day_before = max(0, at - self.base)
            usual = expectation.expected(day_before)
            off = Run(day_before, self.series.values[day_before:] - usual)
            expected, has_season = usual[at - day_before :], expectation.has_season(at)
            mean = before(Run(0, self.series.values), self.base, "mean", at)
            middle = np.where(has_season, expected, np.fmax(expected, mean))
            return Scale.of(expected, middle, _deviation(off, expected, self.base, at)).columns

        return Scale.of_columns(self.runs.get("scale", since, compute).since(since))

    def _surprise(self, since: int) -> FloatArray:
        count = _smoothed_windows(self.series.per_day)

        def compute(at: int) -> FloatArray:
            begin = max(0, at - count + 1)
            raw = self._scale(begin).of_value(self.series.values[begin:])
            return smoothed(raw, count)[at - begin :].round(DECIMALS)

        found: FloatArray = self.runs.get("surprise", since, compute).since(since)
        return found

    def candidates(self, since: int, alarms: Alarms) -> BoolArray:
        """Which of the windows from a place on are far enough off, and an onset."""
        series = self.series
        surprise = self._surprise(max(0, since - self.base))
        height = Run(max(0, since - self.base), np.abs(surprise))
        of_each = height.since(since)
        is_candidate: BoolArray = np.nan_to_num(of_each) >= alarms.surprise
        is_candidate[: max(0, max(alarms.min_windows, 2 * self.base) - since)] = False
        if not is_candidate.any():
            return is_candidate
        expected = self._expectation.expected(since)
        off = series.values[since:] - expected
        final_count = max(0, series.final_count - since)
        is_candidate &= of_each > before(height, self.base, "max", since)
        is_candidate &= _is_wanted(off, surprise[since - height.first :], final_count, alarms)
        is_candidate &= np.abs(off) >= alarms.min_difference
        is_candidate &= np.abs(off) >= alarms.min_change * np.abs(expected)
        return is_candidate

    def judged(self, since: int, is_candidate: BoolArray, alarms: Alarms) -> Judgement:
        """What is said of the windows from a place on, where the last of those that are looked at
        are candidates or not."""
        begin = len(self.series.values) - len(is_candidate)
        first = max(0, begin - max(_compared(self.base), self.base))
        first = first if is_candidate.any() else begin
        padded = np.concatenate([np.zeros(begin - first, np.bool_), is_candidate])
        surprise = self._surprise(min(first, since))
        rank, compared, is_alarm = rare_among(
            surprise[first - min(first, since) :], padded, self.series.per_day, alarms, first
        )
        expected, scale = self._expectation.expected(since), self._scale(since)
        return Judgement(
            expected=expected,
            low=np.maximum(scale.value_of(-alarms.surprise), np.minimum(expected, 0)),
            high=scale.value_of(alarms.surprise),
            surprise=surprise[since - min(first, since) :],
            rank=rank[since - first :],
            compared=compared[since - first :],
            is_alarm=is_alarm[since - first :],
            scale=scale,
            first=since,
        )


def is_onset(height: FloatArray, per_day: int) -> BoolArray:
    """Which are above all of the last day."""
    above: BoolArray = height > before(Run(0, height), max(MIN_BASE, per_day), "max", 0)
    return above


def rare_among(
    surprise: FloatArray, is_candidate: BoolArray, per_day: int, alarms: Alarms, begin: int = 0
) -> tuple[IntArray, IntArray, BoolArray]:
    """How rare each candidate is among the windows before it: how many times these were as far off
    to the same side, how many they are, and whether it is one to tell of. The first of all stands
    at the place `begin` of its series."""
    base, height = max(MIN_BASE, per_day), np.abs(surprise)
    rank, compared = np.zeros(len(surprise), np.int64), np.zeros(len(surprise), np.int64)
    rarity_up, rarity_down = (
        max(alarms.rarity, days * per_day) for days in (_RARE_DAYS_UP, _RARE_DAYS_DOWN)
    )
    is_alarm = np.zeros(len(surprise), np.bool_)
    rare: list[int] = []
    for index in np.flatnonzero(is_candidate).tolist():
        first = max(base - begin, index - _compared(base), 0)
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


def _deviation(off: Run, expected: FloatArray, base: int, since: int) -> FloatArray:
    """How far windows usually are from what is expected: robust, and no less than what chance
    alone makes of counts (the root of them)."""
    usual = _MAD_TO_DEVIATION * before(Run(off.first, np.abs(off.numbers)), base, "median", since)
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
        is_small = (expected >= 0) & (middle < SMALL)
        return cls(np.where(is_small, middle, expected), deviation, is_small)

    @classmethod
    def of_columns(cls, columns: FloatArray) -> "Scale":
        return cls(columns[:, 0], columns[:, 1], columns[:, 2] > 0)

    @property
    def columns(self) -> FloatArray:
        """A row for each window, by which it can be made again."""
        found: FloatArray = np.column_stack([self.centre, self.deviation, self.is_small])
        return found

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
