"""What a funnel's rows answer: how many came how far, how long it took them, and who they are.

A number and its list of people are one selection, so that they can't disagree.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from rtcdp.folds.days import Calendar, local_period, period_start
from rtcdp.folds.funnels import Funnel

Outcome = Literal["reached", "dropped"]


@dataclass(frozen=True)
class Cohorts:
    """By when people entered they are told apart: by hours, days, weeks or months of a time zone,
    or not at all. Only those are looked at who entered before `entered_before` (UTC ms), if that is
    given."""

    unit: Calendar | None = "day"
    time_zone: str = "UTC"
    week_start: int = 1
    entered_before: int | None = None

    def of(self, instant: pl.Expr) -> pl.Expr:
        """The number of the cohort that an instant lies in."""
        if self.unit is None:
            return pl.lit(0, pl.Int64)
        return local_period(instant, self.time_zone, self.unit, self.week_start)

    def end(self, cohort: pl.Expr) -> pl.Expr:
        """When nobody can enter a cohort any more (UTC ms); null where that is never."""
        if self.unit is None:
            return pl.lit(self.entered_before, pl.Int64)
        end = self.start(cohort + 1)
        return end if self.entered_before is None else end.clip(upper_bound=self.entered_before)

    def start(self, cohort: pl.Expr) -> pl.Expr:
        """When a cohort begins (UTC ms); null where they are not told apart."""
        if self.unit is None:
            return pl.lit(None, pl.Int64)
        return period_start(cohort, self.time_zone, self.unit, self.week_start)


def counted(rows: pl.DataFrame, funnel: Funnel, key: str, cohorts: Cohorts) -> pl.DataFrame:
    """One row for each that is counted (a user, a session, an attempt) and each `cohort`: of its
    attempts the one that got farthest, of equals the earliest."""
    rows = rows.with_columns(cohorts.of(pl.col("entered_at")).alias("cohort"))
    group = {"user": [key], "session": [key, "session_start"]}.get(funnel.by)
    ranked = rows.sort(
        "cohort",
        key,
        "depth",
        "entered_at",
        *funnel.hold,
        descending=[False, False, True, False, *[False] * len(funnel.hold)],
    )
    if group is None:
        return ranked
    return ranked.unique(["cohort", *group], keep="first", maintain_order=True)


def people(
    counted_rows: pl.DataFrame, step: int, outcome: Outcome, cohort: int | None = None
) -> pl.DataFrame:
    """Those who reached a step (from 1), or got no farther than it. Nobody drops at the last."""
    chosen = counted_rows.filter(_is(step, outcome, _step_count(counted_rows)))
    return chosen if cohort is None else chosen.filter(pl.col("cohort") == cohort)


def cells(
    counted_rows: pl.DataFrame,
    funnel: Funnel,
    cohorts: Cohorts,
    watermark: int | None,
    by: Sequence[str] = ("cohort",),
) -> pl.DataFrame:
    """Of each `cohort` (and what else is told apart `by`) and `step`: how many reached it and how
    many got no farther, the share of the cohort, median and 90th percentile of the time from the
    step before (ms), and whether the cell is still `open`, because the time to get so far is not
    over."""
    found = []
    count = len(funnel.steps)
    for step in range(1, count + 1):
        taken = pl.col(f"at_{step}") - pl.col(f"at_{step - 1}") if step > 1 else pl.lit(None)
        is_reached = _is(step, "reached", count)
        taken = taken.filter(is_reached).cast(pl.Float64)
        reached = is_reached.sum().cast(pl.Int64)
        found.append(
            counted_rows.group_by(by).agg(
                pl.lit(step, pl.Int64).alias("step"),
                pl.len().cast(pl.Int64).alias("entrants"),
                reached.alias("reached"),
                _is(step, "dropped", count).sum().cast(pl.Int64).alias("dropped"),
                (reached / pl.len()).alias("conversion"),
                taken.median().alias("median_ms"),
                # The smallest one that nine in ten don't exceed.
                taken.sort().get((9 * taken.len() + 9) // 10 - 1, null_on_oob=True).alias("p90_ms"),
            )
        )
    end = cohorts.end(pl.col("cohort"))
    is_open = pl.lit(True)
    if watermark is not None and funnel.within_ms is not None:
        is_open = (end + funnel.within_ms > watermark).fill_null(True)
    return pl.concat(found).with_columns(is_open.alias("open")).sort(*by, "step")


def _step_count(counted_rows: pl.DataFrame) -> int:
    return sum(re.fullmatch("at_[0-9]+", name) is not None for name in counted_rows.columns)


def _is(step: int, outcome: Outcome, step_count: int) -> pl.Expr:
    if outcome == "dropped":
        return (pl.col("depth") == step) & (pl.col("depth") < step_count)
    return (pl.col("entered_step") <= step) & (pl.col("depth") >= step)
