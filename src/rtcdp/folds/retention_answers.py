"""What a retention's rows answer: of each cohort, how many came back in each period after it.

People of one cohort who came back in the same periods are told together, as `people` of them: so
what is counted is small, however many rows there are.
"""

from collections.abc import Sequence
from typing import Literal

import polars as pl

from rtcdp.folds.retention import Retention

Mode = Literal["on", "on_or_after"]
Brackets = Sequence[tuple[int, int]]

_PEOPLE = "people"
_ALIKE = ("cohort", "returned", "last_return")


def alike(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows, or rows that were told together, with those of a cohort that came back in the same
    periods told together as one, which says of how many `people`."""
    if _PEOPLE in rows.columns:
        return rows.group_by(_ALIKE).agg(pl.col(_PEOPLE).sum())
    return rows.group_by(_ALIKE).agg(pl.len().cast(pl.Int64).alias(_PEOPLE))


def retention_cells(
    rows: pl.DataFrame, definition: Retention, watermark: int | None, mode: Mode = "on"
) -> pl.DataFrame:
    """The cells of the table: of each `cohort`, how many people (`size`), and how many of them came
    back in the period `after` it, or in that or a later one.

    A cell is complete when its time is over for everybody in the cohort; until then `returned` is
    null. "On or after" is over with the last period.
    """
    periods = range(definition.periods)
    if mode == "on":
        return bracket_cells(rows, definition, watermark, [(n, n + 1) for n in periods])
    last = definition.periods
    return bracket_cells(rows, definition, watermark, [(n, last) for n in periods])


def came_back(
    rows: pl.DataFrame, definition: Retention, watermark: int | None, after: int, mode: Mode = "on"
) -> pl.DataFrame:
    """The rows behind the cells of one period: the people who are counted there, of the cohorts for
    which it is over."""
    end = after + 1 if mode == "on" else definition.periods
    is_over = _is_over(definition, watermark, end)
    return rows.filter(_returned_within(after, end) & is_over)


def _returned_within(first: int, end: int) -> pl.Expr:
    mask = sum(1 << period for period in range(first, end))
    return (pl.col("returned") & pl.lit(mask, pl.Int64)) != 0


def _is_over(definition: Retention, watermark: int | None, end: int) -> pl.Expr:
    """Whether the periods before `end` are over for everybody in a cohort."""
    if watermark is None:
        return pl.lit(False)
    return definition.period_end(pl.col("cohort"), pl.lit(end - 1)) <= watermark


def bracket_cells(
    rows: pl.DataFrame, definition: Retention, watermark: int | None, brackets: Brackets
) -> pl.DataFrame:
    """The same, with half-open brackets of periods in the place of single ones; `after` is the
    first period of each."""
    people = pl.col(_PEOPLE)
    cohorts = (
        alike(rows)
        .group_by("cohort")
        .agg(
            people.sum().alias("size"),
            *(
                people.filter(_returned_within(*bracket)).sum().alias(f"{number}")
                for number, bracket in enumerate(brackets)
            ),
        )
    )
    found = []
    for number, (first, end) in enumerate(brackets):
        is_complete = _is_over(definition, watermark, end)
        cells = cohorts.select(
            "cohort",
            pl.lit(first, pl.Int64).alias("after"),
            "size",
            pl.col(f"{number}").alias("returned"),
            is_complete.alias("is_complete"),
        )
        shown = pl.when("is_complete").then(pl.col("returned")).alias("returned")
        found.append(cells.with_columns(shown))
    return pl.concat(found).sort("cohort", "after")


def pooled(cells: pl.DataFrame) -> pl.DataFrame:
    """All cohorts together, of each period those whose cell is complete."""
    complete = cells.filter("is_complete").group_by("after")
    return complete.agg(pl.col("size").sum(), pl.col("returned").sum()).sort("after")
