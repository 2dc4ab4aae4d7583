"""Finds windows in which several series don't go together as they usually do.

Each by itself may be ordinary: more views than usual, and fewer purchases. What the others say of
one series is its conditional mean given them, and how far it usually is from that, its conditional
deviation; both are in the inverse of the covariance (Whittaker 1990, "Graphical Models in Applied
Multivariate Statistics", 5.7), which river's `EmpiricalPrecision` learns online, a day at a time.
What is learned is not the numbers but how surprising they are, so that hours and weekdays are taken
out before. Each day is judged by those before it.

This learns as it goes, and so depends on where history begins and on the version of river: it is no
function of the windows alone, as what `judge` says is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from river.covariance import EmpiricalPrecision

from rtcdp.anomalies.detection import IntArray, Judgement, is_onset, rare_among
from rtcdp.anomalies.expectation import BoolArray
from rtcdp.anomalies.runs import FloatArray
from rtcdp.clock import DAY_MS
from rtcdp.definitions import Alarms

LEARNED_DAYS = 14
"""So many days are learned before anything is said."""

_MOST = 8.0
"""What is farther off is learned as if it were so far: one bad night is not how things are."""


@dataclass(frozen=True)
class Together:
    """What is said of each window (rows) and series (columns).

    `apart` is how far a series is from what the others say, in deviations, and `likely` the number
    that they make likely; NaN while nothing is known. In `compared` windows before it the most that
    any series was apart was as much `rank` times. `is_alarm` marks the windows to tell of.
    """

    apart: FloatArray
    likely: FloatArray
    rank: IntArray
    compared: IntArray
    is_alarm: BoolArray


def judge_together(
    starts: IntArray,
    values: Sequence[FloatArray],
    judged: Sequence[Judgement],
    per_day: int,
    alarms: Alarms,
) -> Together:
    """Judge two or more series with the same windows, which begin at `starts` (UTC ms), by
    `alarms`: `surprise` and `rarity` of being apart, `min_difference` and `min_change` of what is
    likely."""
    surprise = np.stack([each.surprise for each in judged], axis=1)
    apart, residual = _apart(starts, np.clip(surprise, -_MOST, _MOST), surprise)
    observed = np.stack(values, axis=1)
    likely = np.stack(
        [
            each.scale.value_of(surprise[:, place] - residual[:, place])
            for place, each in enumerate(judged)
        ],
        axis=1,
    )
    off = np.abs(observed - likely)
    is_apart = (
        (np.abs(apart) >= alarms.surprise)
        & (off >= alarms.min_difference)
        & (off >= alarms.min_change * np.abs(likely))
    )
    height = np.abs(apart).max(axis=1)
    first = int(np.argmax(~np.isnan(height))) if not np.isnan(height).all() else len(height)
    known = height[first:].round(9)
    is_candidate = is_apart[first:].any(axis=1) & is_onset(known, per_day)
    rank, compared, is_alarm = rare_among(np.nan_to_num(known), is_candidate, per_day, alarms)
    before = np.zeros(first, np.int64)
    return Together(
        apart=apart,
        likely=likely,
        rank=np.concatenate([before, rank]),
        compared=np.concatenate([before, compared]),
        is_alarm=np.concatenate([before.astype(np.bool_), is_alarm]),
    )


def _apart(
    starts: IntArray, learned: FloatArray, surprise: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """How far each is from what the others say, in deviations of that and in those of its own."""
    names = [str(place) for place in range(surprise.shape[1])]
    precision, learned_days = EmpiricalPrecision(), 0
    total, count = np.zeros(len(names)), 0
    apart, residual = np.full(surprise.shape, np.nan), np.full(surprise.shape, np.nan)
    is_known = ~np.isnan(surprise).any(axis=1)
    days = starts // DAY_MS
    for day in np.unique(days).tolist():
        of_day = (days == day) & is_known
        if not of_day.any():
            continue
        if learned_days >= LEARNED_DAYS:
            inverse = np.array([[precision[one, other] for other in names] for one in names])
            pulled = (surprise[of_day] - total / count) @ inverse
            apart[of_day] = pulled / np.sqrt(np.diag(inverse))
            residual[of_day] = pulled / np.diag(inverse)
        precision.update_many(pl.DataFrame(learned[of_day], names))
        total, count = total + learned[of_day].sum(axis=0), count + int(of_day.sum())
        learned_days += 1
    return apart, residual
