"""Retention: of those who came first in a period, who came back in which period after it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from markupsafe import Markup

from rtcdp.answers.folds import RETENTION_PATH
from rtcdp.answers.question import NAMES, Cursor
from rtcdp.answers.retention import (
    KIND,
    RetentionCohort,
    RetentionPage,
    RetentionQuestion,
    retention_page,
)
from rtcdp.api.query import Asked
from rtcdp.dashboard.drawing.grid import GridCell, GridRow, grid
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.period import DAY_MS
from rtcdp.dashboard.stories import (
    Tab,
    api_address,
    chosen_fold,
    fold_tabs,
    from_to,
    in_time,
    instant_of,
)
from rtcdp.dashboard.words import count, percent
from rtcdp.dashboard.zone import PageZone

PATH = "/retention"
_COHORTS = 31
_COLUMNS_LEAST = 8
_MODES = (("on", "in that period"), ("on_or_after", "then or later"))


class RetentionPageQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """What counts as coming back."""

    mode: Annotated[
        Literal["on", "on_or_after"],
        msgspec.Meta(description="back in that very period, or in it or any later one"),
    ] = "on"
    cursor: Cursor = None


@dataclass(frozen=True)
class RetentionShown:
    """Cohorts, newest first, as a grid, and the same as a table of `columns` periods."""

    answer: RetentionPage
    description: str
    tabs: tuple[Tab, ...]
    modes: tuple[Tab, ...]
    drawing: Markup
    columns: int
    rows: Sequence[tuple[str, RetentionCohort]]
    api: str


def shown(asked: PageAsked[RetentionPageQuestion]) -> RetentionShown | None:
    """The retention that is asked for, or the first one; None where the catalog has none.

    Raises `BadRequest`, `NotThere` and `StoreUnavailable`.
    """
    fold = chosen_fold(asked, KIND)
    if fold is None:
        return None
    time, mode = in_time(asked), asked.question.mode
    answer = retention_page(
        asked.installation,
        fold.name,
        RetentionQuestion(mode=mode, limit=_COHORTS, cursor=asked.question.cursor, **time),
    )
    zone = PageZone(answer.tz)
    rows = [(_label(zone, each), each) for each in answer.items]
    columns = columns_of(answer)
    return RetentionShown(
        answer=answer,
        description=fold.description,
        tabs=fold_tabs(
            asked.installation, fold, lambda each: asked.address.elsewhere(f"{PATH}/{each.name}")
        ),
        modes=tuple(
            Tab(words, asked.address.but(mode=name, cursor=None), name == mode)
            for name, words in _MODES
        ),
        drawing=grid([str(each) for each in range(columns)], [*_rows(answer, rows, columns)]),
        columns=columns,
        rows=rows,
        api=api_address(f"{RETENTION_PATH}{fold.name}", {"mode": mode, **from_to(time)}),
    )


def columns_of(answer: RetentionPage) -> int:
    """So many periods are shown: all of which something is known, and a few more."""
    every = max((len(each.cells) for each in answer.items), default=0)
    known = max(
        (cell.after for each in answer.items for cell in each.cells if cell.complete), default=-1
    )
    return min(every, max(_COLUMNS_LEAST, known + 2))


def _label(zone: PageZone, cohort: RetentionCohort) -> str:
    start = instant_of(cohort.cohort_start)
    return "–" if start is None else zone.date(start)


def _rows(
    answer: RetentionPage, rows: Sequence[tuple[str, RetentionCohort]], columns: int
) -> Iterator[GridRow]:
    if answer.pooled:
        pooled = {each.after: each for each in answer.pooled}
        cells = [
            GridCell(None, "not over yet")
            if (each := pooled.get(after)) is None
            else GridCell(each.rate, _says("all", answer.unit, after, each.returned, each.size))
            for after in range(columns)
        ]
        yield GridRow("All", max(each.size for each in answer.pooled), cells, is_total=True)
    for label, cohort in rows:
        shown_cells = [
            GridCell(
                cell.rate,
                "not over yet"
                if cell.returned is None
                else _says(label, answer.unit, cell.after, cell.returned, cohort.size),
            )
            for cell in cohort.cells[:columns]
        ]
        yield GridRow(label, cohort.size, shown_cells)


def _says(who: str, unit: str, after: int, returned: int, size: int) -> str:
    share = percent(returned / size if size else None)
    return f"{who}, {unit} {after}: {count(returned)} of {count(size)} came back, {share}"


PAGE = DashboardPage(
    title="Retention",
    paths=(PATH, f"{PATH}/{{name:str}}"),
    template="retention.html",
    shown=shown,
    asked=Asked(RetentionPageQuestion),
    default_period_ms=30 * DAY_MS,
)
"""What stands at `/retention`."""
