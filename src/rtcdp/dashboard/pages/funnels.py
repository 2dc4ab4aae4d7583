"""Funnels: how many came how far, and who they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from markupsafe import Markup

from rtcdp.answers.folds import FUNNELS_PATH
from rtcdp.answers.funnels import (
    KIND,
    FunnelCell,
    FunnelCohort,
    FunnelPage,
    FunnelQuestion,
    PeoplePage,
    PeopleQuestion,
    funnel_page,
    people_page,
)
from rtcdp.answers.one_state import one_state
from rtcdp.answers.question import NAMES, Cursor
from rtcdp.api.query import Asked
from rtcdp.clock import DAY_MS
from rtcdp.dashboard.drawing.funnel import FunnelBar, funnel
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
    user_href,
)
from rtcdp.definitions import Fold

PATH = "/funnels"
_DAYS_MAX = 31
_PEOPLE = 25


class FunnelPageQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """Who is listed beside the numbers."""

    step: Annotated[
        str | None, msgspec.Meta(description="list the people of this step, by number or name")
    ] = None
    outcome: Annotated[
        Literal["reached", "dropped"],
        msgspec.Meta(description="those who reached it, or got no farther"),
    ] = "reached"
    cursor: Cursor = None


@dataclass(frozen=True)
class StepShown:
    """One step: its numbers, the share of those of the step before, and who they are."""

    cell: FunnelCell
    of_before: float | None
    reached_href: str
    dropped_href: str


@dataclass(frozen=True)
class PersonShown:
    """One of those who are counted: how far they came, and when."""

    whose: str
    href: str | None
    entered_at: int | None
    depth: int
    last_at: int | None
    is_open: bool


@dataclass(frozen=True)
class PeopleShown:
    """Those behind one number."""

    answer: PeoplePage
    step: str
    outcome: str
    items: Sequence[PersonShown]
    api: str
    close_href: str


@dataclass(frozen=True)
class DayShown:
    """Those who entered on one day."""

    start: int | None
    cohort: FunnelCohort


@dataclass(frozen=True)
class FunnelShown:
    """A funnel with its steps and days, and the people of one number if they are asked for."""

    answer: FunnelPage
    key: str
    description: str
    tabs: tuple[Tab, ...]
    whole: FunnelCohort | None
    drawing: Markup
    steps: Sequence[StepShown]
    days: Sequence[DayShown]
    people: PeopleShown | None
    api: str


def shown(asked: PageAsked[FunnelPageQuestion]) -> FunnelShown | None:
    """The funnel that is asked for, or the first one; None where the catalog has none.

    Raises `BadRequest`, `NotThere` and `StoreUnavailable`.
    """
    fold = chosen_fold(asked, KIND)
    if fold is None:
        return None
    time = in_time(asked)
    by_day = FunnelQuestion(**time, cohort="day", tz=asked.zone.name, limit=_DAYS_MAX)
    with one_state(asked.installation) as still:
        answer = funnel_page(still, fold.name, FunnelQuestion(**time))
        days = funnel_page(still, fold.name, by_day)
        people = (
            _people(asked, fold, time, people_page(still, fold.name, question))
            if (question := _question(asked, time))
            else None
        )
    whole = answer.items[0] if answer.items else None
    steps = _steps(asked, whole)
    return FunnelShown(
        answer=answer,
        key=fold.key,
        description=fold.description,
        tabs=fold_tabs(
            asked.installation, fold, lambda each: asked.address.elsewhere(f"{PATH}/{each.name}")
        ),
        whole=whole,
        drawing=funnel([_bar(step) for step in steps]),
        steps=steps,
        days=[DayShown(instant_of(each.cohort_start), each) for each in days.items],
        people=people,
        api=api_address(f"{FUNNELS_PATH}{fold.name}", from_to(time)),
    )


def _question(asked: PageAsked[FunnelPageQuestion], time: InTime) -> PeopleQuestion | None:
    question = asked.question
    if question.step is None:
        return None
    return PeopleQuestion(
        step=question.step,
        outcome=question.outcome,
        limit=_PEOPLE,
        cursor=question.cursor,
        **time,
    )


def _steps(asked: PageAsked[Any], whole: FunnelCohort | None) -> list[StepShown]:
    cells = [] if whole is None else whole.steps
    found = []
    for place, cell in enumerate(cells):
        before = cells[place - 1].reached if place else None
        listed = {"step": cell.step, "cursor": None}
        found.append(
            StepShown(
                cell,
                cell.reached / before if before else None,
                asked.address.but({**listed, "outcome": None}),
                asked.address.but({**listed, "outcome": "dropped"}),
            )
        )
    return found


def _bar(step: StepShown) -> FunnelBar:
    cell = step.cell
    return FunnelBar(
        cell.name,
        cell.reached,
        cell.dropped,
        f"{step.reached_href}#people",
        f"{step.dropped_href}#people",
        cell.median_ms,
    )


def _people(
    asked: PageAsked[FunnelPageQuestion], fold: Fold, time: InTime, answer: PeoplePage
) -> PeopleShown:
    question = asked.question
    step = str(question.step)
    name = answer.steps[int(step) - 1] if step.isdigit() and int(step) else step
    return PeopleShown(
        answer=answer,
        step=name,
        outcome=question.outcome,
        items=[_person(asked, fold, item) for item in answer.items],
        api=api_address(
            f"{FUNNELS_PATH}{fold.name}/people",
            {"step": step, "outcome": question.outcome, **from_to(time)},
        ),
        close_href=asked.address.but(step=None, outcome=None, cursor=None),
    )


def _person(asked: PageAsked[Any], fold: Fold, item: dict[str, Any]) -> PersonShown:
    whose, depth = str(item[fold.key]), int(item["depth"])
    return PersonShown(
        whose=whose,
        href=user_href(asked, fold.key, whose),
        entered_at=instant_of(item["entered_at"]),
        depth=depth,
        last_at=instant_of(item.get(f"at_{depth}")),
        is_open=bool(item["open"]),
    )


PAGE = DashboardPage(
    title="Funnels",
    paths=(PATH, f"{PATH}/{{name:str}}"),
    template="funnels.html",
    shown=shown,
    asked=Asked(FunnelPageQuestion),
    default_period_ms=7 * DAY_MS,
)
"""What stands at `/funnels`."""
