"""Rows of a fold, read once."""

import polars as pl

from rtcdp.answers.fold_rows import open_told
from rtcdp.answers.folds import find_fold
from rtcdp.answers.freshness import Installation
from rtcdp.answers.kept_rows import rows_kept
from rtcdp.clock import DAY_MS
from rtcdp.definitions import Fold
from rtcdp.testing.driver import START_MS, Driver
from tests.unit.answers.days import DAYS, END, HOUR_MS


def starts(fold: Fold, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col(fold.step.order[0]).alias("start"))


def test_rows_that_begin_in_a_time_whether_its_days_are_whole_or_not(
    shop: tuple[Driver, Installation],
) -> None:
    _, installation = shop
    fold = find_fold(installation.folds, "sessions")

    def found(start: int, end: int) -> list[int]:
        with open_told(installation, fold) as told:
            return rows_kept(installation.days, told, (start, end), (), starts)["start"].to_list()

    every = sorted(found(START_MS, END))
    assert len(every) == 6 * DAYS
    for start, end in (
        (START_MS + HOUR_MS, END - HOUR_MS),
        (START_MS + 1, START_MS + 2),
        (START_MS + DAY_MS, START_MS + 2 * DAY_MS),
    ):
        assert sorted(found(start, end)) == [each for each in every if start <= each < end]
