"""Retention: of those who came first in a period, who came back in which period after it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from markupsafe import Markup

from rtcdp.answers.fold_people import RetentionPeopleQuestion, retention_people
from rtcdp.answers.folds import RETENTION_PATH
from rtcdp.answers.instant import iso_ms_or_none
from rtcdp.answers.one_state import one_state
from rtcdp.answers.question import INSTANT, NAMES, Cursor
from rtcdp.answers.retention import (
    KIND,
    RetentionCell,
    RetentionCohort,
    RetentionPage,
    RetentionQuestion,
    retention_page,
)
from rtcdp.api.query import Asked
from rtcdp.clock import DAY_MS
from rtcdp.dashboard.address import CURSORS
from rtcdp.dashboard.drawing.grid import GridCell, GridRow, grid
from rtcdp.dashboard.fold_people import FoldPeople, fold_people, href_of_people
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.stories import (
    InTime,
    Tab,
    api_address,
    chosen_fold,
    fold_tabs,
    from_to,
    in_time,
    instant_of,
)
from rtcdp.dashboard.zone import PageZone
from rtcdp.words import count, percent

PATH = "/retention"
_COHORTS = 31
_PEOPLE = 25
_COLUMNS_LEAST = 8
_MODES = (("on", "in that period"), ("on_or_after", "then or later"))


class RetentionPageQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """What counts as coming back."""

    mode: Annotated[
        Literal["on", "on_or_after"],
        msgspec.Meta(description="back in that very period, or in it or any later one"),
    ] = "on"
    list: Annotated[
        Literal["people"] | None,
        msgspec.Meta(description="list those behind one number: of `cohort`, `after` its start"),
    ] = None
    cohort: Annotated[
        int | None,
        msgspec.Meta(description="the cohort that begins then; all, without it", extra=INSTANT),
    ] = None
    after: Annotated[
        int | None,
        msgspec.Meta(description="the period after the start; all, without it", ge=0, le=60),
    ] = None
    cursor: Cursor = None
    people_cursor: Cursor = None


@dataclass(frozen=True)
class CohortShown:
    """A cohort as a row of the table: its people, and those of each cell, where there are some."""

    label: str
    cohort: RetentionCohort
    href: str
    cells: Sequence[tuple[RetentionCell, str | None]]


@dataclass(frozen=True)
class RetentionShown:
    """Cohorts, newest first, as a grid, and the same as a table of `columns` periods."""

    answer: RetentionPage
    description: str
    tabs: tuple[Tab, ...]
    modes: tuple[Tab, ...]
    drawing: Markup
    columns: int
    rows: Sequence[CohortShown]
    people: FoldPeople | None
    api: str


def shown(asked: PageAsked[RetentionPageQuestion]) -> RetentionShown | None:
    """The retention that is asked for, or the first one; None where the catalog has none.

    Raises `BadRequest`, `NotThere` and `StoreUnavailable`.
    """
    fold = chosen_fold(asked, KIND)
    if fold is None:
        return None
    time, mode = in_time(asked), asked.question.mode
    cohorts = RetentionQuestion(mode=mode, limit=_COHORTS, cursor=asked.question.cursor, **time)
    with one_state(asked.installation) as still:
        answer = retention_page(still, fold.name, cohorts)
        listed = _people(asked, time)
        found = None if listed is None else retention_people(still, fold.name, listed)
    zone, columns = PageZone(answer.tz), columns_of(answer)
    rows = [_cohort(asked, zone, each, columns) for each in answer.items]
    return RetentionShown(
        answer=answer,
        description=fold.description,
        tabs=fold_tabs(
            asked.installation, fold, lambda each: asked.address.elsewhere(f"{PATH}/{each.name}")
        ),
        modes=tuple(
            Tab(words, asked.address.but({**dict.fromkeys(CURSORS), "mode": name}), name == mode)
            for name, words in _MODES
        ),
        drawing=grid(
            [str(each) for each in range(columns)], [*_rows(asked, answer, rows, columns)]
        ),
        columns=columns,
        rows=rows,
        people=None
        if found is None
        else fold_people(
            asked,
            fold,
            found,
            _words(asked, zone, answer.unit),
            (f"{RETENTION_PATH}{fold.name}/people", _asked_for(asked, time)),
        ),
        api=api_address(f"{RETENTION_PATH}{fold.name}", {"mode": mode, **from_to(time)}),
    )


def _people(
    asked: PageAsked[RetentionPageQuestion], time: InTime
) -> RetentionPeopleQuestion | None:
    question = asked.question
    if question.list is None:
        return None
    return RetentionPeopleQuestion(
        cohort_start=question.cohort,
        after=question.after,
        mode=question.mode,
        limit=_PEOPLE,
        cursor=question.people_cursor,
        **time,
    )


def _asked_for(asked: PageAsked[RetentionPageQuestion], time: InTime) -> dict[str, object]:
    question = asked.question
    return {
        "cohort_start": iso_ms_or_none(question.cohort),
        "after": question.after,
        "mode": question.mode,
        **from_to(time),
    }


def _words(asked: PageAsked[RetentionPageQuestion], zone: PageZone, unit: str) -> str:
    """What those have done who are listed."""
    question = asked.question
    start = "" if question.cohort is None else f" on {zone.date(question.cohort)}"
    if question.after is None:
        return f"started{start}"
    when = "or later" if question.mode == "on_or_after" else "after it"
    return f"started{start} and came back, {unit} {question.after} {when}"


def _cohort(
    asked: PageAsked[Any], zone: PageZone, cohort: RetentionCohort, columns: int
) -> CohortShown:
    start = cohort.cohort_start
    return CohortShown(
        label=_label(zone, cohort),
        cohort=cohort,
        href=href_of_people(asked, list="people", cohort=start),
        cells=[
            (
                cell,
                href_of_people(asked, list="people", cohort=start, after=cell.after)
                if cell.returned
                else None,
            )
            for cell in cohort.cells[:columns]
        ],
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
    asked: PageAsked[Any], answer: RetentionPage, rows: Sequence[CohortShown], columns: int
) -> Iterator[GridRow]:
    if answer.pooled:
        pooled = {each.after: each for each in answer.pooled}
        cells = [
            GridCell(None, "not over yet")
            if (each := pooled.get(after)) is None
            else GridCell(
                each.rate,
                _says("all", answer.unit, after, each.returned, each.size),
                href_of_people(asked, list="people", after=after) if each.returned else None,
            )
            for after in range(columns)
        ]
        yield GridRow("All", max(each.size for each in answer.pooled), cells, is_total=True)
    for row in rows:
        shown_cells = [
            GridCell(
                cell.rate,
                "not over yet"
                if cell.returned is None
                else _says(row.label, answer.unit, cell.after, cell.returned, row.cohort.size),
                href,
            )
            for cell, href in row.cells
        ]
        yield GridRow(row.label, row.cohort.size, shown_cells, href=row.href)


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
