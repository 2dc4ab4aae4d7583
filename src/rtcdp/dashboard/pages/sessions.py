"""Sessions: what they come to, and each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from rtcdp.answers.fold_rows import RowsPage
from rtcdp.answers.folds import SESSIONS_PATH
from rtcdp.answers.instant import iso_ms
from rtcdp.answers.one_state import one_state
from rtcdp.answers.question import NAMES, Cursor, Texts
from rtcdp.answers.session_days import SessionDays, SessionDaysQuestion, SessionSums, session_days
from rtcdp.answers.sessions import SessionsQuestion, sessions_page
from rtcdp.api.query import Asked
from rtcdp.clock import DAY_MS
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.stories import (
    SessionShown,
    Tab,
    api_address,
    chosen_fold,
    fold_tabs,
    from_to,
    in_time,
    instant_of,
    session_shown,
)

PATH = "/sessions"
KIND = "sessions"
_LISTED = 25
_DAYS_MAX = 31
_KINDS = ("bounce", "engaged", "converted")


class SessionsPageQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """Which sessions are listed."""

    fold: Annotated[str | None, msgspec.Meta(description="where there are several")] = None
    whose: Annotated[str | None, msgspec.Meta(description="only those of this user")] = None
    state: Annotated[
        Literal["open", "final"] | None,
        msgspec.Meta(description="only those that may still go on, or that are over"),
    ] = None
    kind: Annotated[
        Literal["bounce", "engaged", "converted"] | None,
        msgspec.Meta(description="only bounces, or those that are engaged, or have a conversion"),
    ] = None
    cursor: Cursor = None


@dataclass(frozen=True)
class DayOfSessions:
    """Sessions that began on one day; `share` of the day with most of them."""

    start: int | None
    sums: SessionSums
    share: float
    href: str | None


@dataclass(frozen=True)
class SessionsShown:
    """Sessions, newest first, and what all of this time come to."""

    answer: RowsPage
    key: str
    title: str
    description: str
    tabs: tuple[Tab, ...]
    total: SessionSums | None
    hrefs: Mapping[str, str]
    days: Sequence[DayOfSessions]
    items: Sequence[SessionShown]
    api: str
    days_api: str


def shown(asked: PageAsked[SessionsPageQuestion]) -> SessionsShown | None:
    """The sessions that are asked for; None where the catalog has no fold of them.

    Raises `BadRequest`, `NotThere` and `StoreUnavailable`.
    """
    question = asked.question
    fold = chosen_fold(asked, KIND, question.fold)
    if fold is None:
        return None
    time = in_time(asked)
    equals: Texts = {} if question.whose is None else {fold.key: (question.whose,)}
    listed = SessionsQuestion(
        fold=fold.name,
        equals=equals,
        state=question.state,
        kind=question.kind,
        limit=_LISTED,
        cursor=question.cursor,
        **time,
    )
    summed = SessionDaysQuestion(fold=fold.name, tz=asked.zone.name, limit=_DAYS_MAX, **time)
    with one_state(asked.installation) as still:
        answer = sessions_page(still, listed)
        days = session_days(still, summed)
    which = {"fold": None if fold.name == KIND else fold.name, **from_to(time)}
    filters = {fold.key: question.whose, "state": question.state, "kind": question.kind}
    everything = {"whose": None, "state": None, "kind": None, "cursor": None}
    return SessionsShown(
        answer=answer,
        key=fold.key,
        title=fold.title,
        description=fold.description,
        tabs=fold_tabs(
            asked.installation, fold, lambda each: asked.address.elsewhere(PATH, fold=each.name)
        ),
        total=days.total,
        hrefs={
            "all": asked.address.but({**everything}),
            "open": asked.address.but({**everything, "state": "open"}),
            **{kind: asked.address.but({**everything, "kind": kind}) for kind in _KINDS},
        },
        days=_days(asked, days),
        items=[session_shown(asked, fold, row) for row in answer.items],
        api=api_address(SESSIONS_PATH, {**which, **filters}),
        days_api=api_address(f"{SESSIONS_PATH}/days", {**which, "tz": asked.zone.name}),
    )


def _days(asked: PageAsked[Any], days: SessionDays) -> list[DayOfSessions]:
    most = max((each.session_count for each in days.items), default=1)
    found = []
    for each in days.items:
        start = _start_of(each)
        href = None if start is None else _day_href(asked, start)
        found.append(DayOfSessions(start, each, each.session_count / most, href))
    return found


def _day_href(asked: PageAsked[Any], start: int) -> str:
    """The sessions of one day, as far as it lies in the time that is looked at."""
    time = in_time(asked)
    first, end = time["start_from"], asked.zone.day_after(start)
    last = end if time["start_to"] is None else min(end, time["start_to"])
    chosen = {"from": iso_ms(max(start, first or start)), "to": iso_ms(last), "last": None}
    return asked.address.but({**chosen, "cursor": None})


def _start_of(sums: SessionSums) -> int | None:
    start: Any = sums.day_start
    return instant_of(start if isinstance(start, str) else None)


PAGE = DashboardPage(
    title="Sessions",
    paths=(PATH,),
    template="sessions.html",
    shown=shown,
    asked=Asked(SessionsPageQuestion),
    default_period_ms=DAY_MS,
)
"""What stands at `/sessions`."""
