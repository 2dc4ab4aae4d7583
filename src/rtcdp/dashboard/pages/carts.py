"""Carts: what became of what was put into one, and any other join of two kinds of events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from rtcdp.answers.fold_rows import RowsPage
from rtcdp.answers.folds import JOINS_PATH
from rtcdp.answers.join_totals import JoinTotal, JoinTotals, JoinTotalsQuestion, join_totals
from rtcdp.answers.joins import KIND, JoinRowsQuestion, join_page, outcomes_of
from rtcdp.answers.one_state import one_state
from rtcdp.answers.question import NAMES, Cursor
from rtcdp.api.query import Asked
from rtcdp.clock import DAY_MS
from rtcdp.dashboard.address import segment
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.stories import (
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

PATH = "/carts"
_LISTED = 25
_DAYS_MAX = 31


class CartsPageQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """Which rows are listed."""

    outcome: Annotated[
        str | None, msgspec.Meta(description="what became of them: a word of the join's")
    ] = None
    whose: Annotated[str | None, msgspec.Meta(description="only those of this user")] = None
    cursor: Cursor = None


@dataclass(frozen=True)
class OutcomeShown:
    """One outcome: how many, what they were worth, and their list."""

    name: str
    count: int
    value: float
    href: str
    is_chosen: bool


@dataclass(frozen=True)
class CartRow:
    """A left event, and what became of it."""

    whose: str
    whose_href: str | None
    what: str
    left_at: int | None
    right_at: int | None
    href: str
    row: Mapping[str, Any]


@dataclass(frozen=True)
class CartsShown:
    """What a join comes to, by the day, and its rows."""

    totals: JoinTotals
    answer: RowsPage
    description: str
    key: str
    tabs: tuple[Tab, ...]
    outcomes: Sequence[OutcomeShown]
    words: tuple[str, str, str]
    days: Sequence[tuple[int | None, JoinTotal]]
    items: Sequence[CartRow]
    all_href: str
    api: str
    rows_api: str


def shown(asked: PageAsked[CartsPageQuestion]) -> CartsShown | None:
    """The join that is asked for, or the first one; None where the catalog has none.

    Raises `BadRequest`, `NotThere` and `StoreUnavailable`.
    """
    fold = chosen_fold(asked, KIND)
    if fold is None:
        return None
    question, time = asked.question, in_time(asked)
    rows = JoinRowsQuestion(
        outcome=question.outcome,
        equals={} if question.whose is None else {fold.key: (question.whose,)},
        limit=_LISTED,
        cursor=question.cursor,
        **time,
    )
    by_day = JoinTotalsQuestion(tz=asked.zone.name, limit=_DAYS_MAX, **time)
    with one_state(asked.installation) as still:
        totals = join_totals(still, fold.name, by_day)
        answer = join_page(still, fold.name, rows)
    address = f"{JOINS_PATH}{fold.name}"
    return CartsShown(
        totals=totals,
        answer=answer,
        description=fold.description,
        key=fold.key,
        tabs=fold_tabs(
            asked.installation, fold, lambda each: asked.address.elsewhere(f"{PATH}/{each.name}")
        ),
        outcomes=_outcomes(asked, totals),
        words=outcomes_of(fold),
        days=[(instant_of(each.cohort_start), each) for each in totals.items],
        items=[_row(asked, fold, item) for item in answer.items],
        all_href=asked.address.but(outcome=None, whose=None, cursor=None),
        api=api_address(f"{address}/totals", {"tz": asked.zone.name, **from_to(time)}),
        rows_api=api_address(
            address, {"outcome": question.outcome, fold.key: question.whose, **from_to(time)}
        ),
    )


def _outcomes(asked: PageAsked[CartsPageQuestion], totals: JoinTotals) -> list[OutcomeShown]:
    if totals.total is None:
        return []
    return [
        OutcomeShown(
            name=name,
            count=each.count,
            value=each.value,
            href=asked.address.but(outcome=name, cursor=None, whose=None),
            is_chosen=asked.question.outcome == name,
        )
        for name, each in totals.total.outcomes.items()
    ]


def _row(asked: PageAsked[Any], fold: Fold, item: Mapping[str, Any]) -> CartRow:
    whose = str(item[fold.key])
    on: Sequence[str] = getattr(fold.step, "on", ())
    return CartRow(
        whose=whose,
        whose_href=user_href(asked, fold.key, whose),
        what=", ".join(str(item[name]) for name in on),
        left_at=instant_of(item["left_at"]),
        right_at=instant_of(item["right_at"]),
        href=asked.address.elsewhere(f"{PATH}/{fold.name}/{segment(str(item['id']))}"),
        row=item,
    )


PAGE = DashboardPage(
    title="Carts",
    paths=(PATH, f"{PATH}/{{name:str}}"),
    template="carts.html",
    shown=shown,
    asked=Asked(CartsPageQuestion),
    default_period_ms=7 * DAY_MS,
)
"""What stands at `/carts`."""
