"""Numbers of the windows of a series from some place on, and what rolls along them.

Each window is judged by those before it alone. So what was worked out of windows is as it was, up
to the first one that changed, and only what comes after that is worked out again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

FloatArray = npt.NDArray[np.float64]

DECIMALS = 9
"""Means that roll along a series differ in their last digits by where it began."""

_FEW_WINDOWS, _FEW_NUMBERS = 16, 25_000
"""So few are looked at window by window, which takes less than to roll along them."""

_ROLLED: Mapping[str, Callable[..., Any]] = {"max": np.max, "mean": np.mean, "median": np.median}


@dataclass(frozen=True)
class Run:
    """Numbers of the windows of a series, one after the other, from the place `first` on."""

    first: int
    numbers: npt.NDArray[Any]

    @property
    def end(self) -> int:
        return self.first + len(self.numbers)

    def since(self, place: int) -> npt.NDArray[Any]:
        """Those from a place on, which is not before the first one."""
        assert place >= self.first, "what was not worked out can't be asked for"
        return self.numbers[place - self.first :]

    def between(self, first: int, end: int) -> "Run":
        """Those of them that lie in [`first`, `end`)."""
        first = min(max(first, self.first), self.end)
        return Run(first, self.numbers[first - self.first : max(0, end - self.first)])

    def without_first(self, count: int) -> "Run":
        """The same, where so many windows are gone from the front of the series."""
        first = self.first - count
        return Run(max(0, first), self.numbers[max(0, -first) :])


class Runs:
    """What is worked out of a series of `count` windows, by name: `known` is what was worked out
    before of windows that are the same."""

    def __init__(self, count: int, known: Mapping[str, Run]) -> None:
        self._count = count
        self.made = dict(known)

    def get(self, name: str, first: int, compute: Callable[[int], npt.NDArray[Any]]) -> Run:
        """What stands under the name, from `first` on at least. `compute` gives it from a place on:
        of all that is asked for, or of what comes after that which is known."""
        run = self.made.get(name)
        if run is None or run.first > first or run.end < first:
            run = Run(first, compute(first))
        elif run.end < self._count:
            run = Run(run.first, np.concatenate([run.numbers, compute(run.end)]))
        self.made[name] = run
        return run


def before(run: Run, count: int, what: Literal["max", "mean", "median"], since: int) -> FloatArray:
    """The median, mean or maximum of the `count` numbers before each place from `since` on; NaN
    where there are fewer, or one of them is NaN."""
    lead = min(count, since)
    part = run.since(since - lead).astype(np.float64)
    if len(part) == lead:
        return np.empty(0)
    if lead == count and len(part) - lead <= _FEW_WINDOWS:
        # A median of two whole numbers may have one more digit than these.
        return _rounded(_ROLLED[what](sliding_window_view(part[:-1], count), axis=1))
    shifted = pl.Series(part, nan_to_null=True).shift(1)
    rolling: pl.Series = getattr(shifted, f"rolling_{what}")(count, min_samples=count)
    return _rounded(rolling.fill_null(np.nan).to_numpy()[lead:])


def smoothed(numbers: FloatArray, count: int) -> FloatArray:
    """The mean of each and the ones before it, `count` together; NaN where there are fewer."""
    if count == 1:
        return numbers
    if count <= len(numbers) and len(numbers) * count <= _FEW_NUMBERS:
        means = sliding_window_view(numbers, count).mean(axis=1)
        return np.concatenate([np.full(count - 1, np.nan), means])
    rolling = pl.Series(numbers).rolling_mean(count, min_samples=count)
    return rolling.fill_null(np.nan).to_numpy()


def about(numbers: FloatArray, reach: int, first: int, end: int) -> FloatArray:
    """The mean of each of those in [`first`, `end`) and of `reach` on both sides, or as many as
    there are."""
    low, high = first - reach, end + reach
    if low >= 0 and high <= len(numbers) and 0 < (end - first) * reach <= _FEW_NUMBERS:
        return _rounded(sliding_window_view(numbers[low:high], 2 * reach + 1).mean(axis=1))
    low = max(0, low)
    part = pl.Series(numbers[low:high])
    rolled = part.rolling_mean(2 * reach + 1, min_samples=1, center=True).to_numpy()
    return _rounded(rolled[first - low : end - low])


def _rounded(numbers: FloatArray) -> FloatArray:
    found: FloatArray = numbers.round(DECIMALS)
    return found
