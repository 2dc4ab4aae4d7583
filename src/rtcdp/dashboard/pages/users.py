"""One user: what happened to them, their sessions, how far they came, and what they may like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from rtcdp.answers.folds import find_fold
from rtcdp.answers.one_state import one_state
from rtcdp.answers.question import NAMES, Cursor
from rtcdp.answers.recommendations import (
    RECOMMENDATIONS_PATH,
    RecommendationsPage,
    UserRecommendations,
    for_user,
)
from rtcdp.answers.user_data import USER_DATA_PATH
from rtcdp.answers.users import USERS_PATH, FunnelPosition, UserPage, UserQuestion, user_page
from rtcdp.api.address import text_in_path
from rtcdp.api.query import Asked
from rtcdp.dashboard.address import segment
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.stories import (
    EVENTS,
    RECOMMENDATIONS,
    USERS,
    EventShown,
    SessionShown,
    event_shown,
    instant_of,
    session_shown,
)
from rtcdp.errors import NotThere

_LISTED = 100


class UserPageQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """Which user, where the path names none, and which of their events."""

    whose: Annotated[str | None, msgspec.Meta(description="the id of the user")] = None
    cursor: Cursor = None


@dataclass(frozen=True)
class Stretch:
    """Events one after the other, newest first, that belong to one session, or to none that is
    told."""

    session: SessionShown | None
    events: Sequence[EventShown]


@dataclass(frozen=True)
class PositionShown:
    """How far a user came in a funnel, and when."""

    position: FunnelPosition
    href: str
    steps: Sequence[tuple[str, int | None]]


@dataclass(frozen=True)
class UserShown:
    """All that is known of a user."""

    answer: UserPage
    sessions: Sequence[SessionShown]
    session_count: int
    value: float
    first_seen: int | None
    stretches: Sequence[Stretch]
    funnels: Sequence[PositionShown]
    advice: RecommendationsPage | None
    product_hrefs: Sequence[str]
    events_href: str
    api: str
    advice_api: str
    data_api: str


def shown(asked: PageAsked[UserPageQuestion]) -> UserShown | None:
    """The user in the path, or the one that is asked for; None where nobody is.

    Raises `BadRequest`, `NotThere` where nothing is known of them, and `StoreUnavailable`.
    """
    user_id = asked.question.whose
    if asked.address.path.startswith(USERS):
        user_id = text_in_path(asked.request, USERS, "", "user id")
    if user_id is None:
        return None
    question = UserQuestion(limit=_LISTED, cursor=asked.question.cursor)
    with one_state(asked.installation) as still:
        answer = user_page(still, user_id, question)
    told = answer.sessions[0] if answer.sessions else None
    fold = None if told is None else find_fold(asked.installation.folds, told.fold)
    sessions = (
        []
        if told is None or fold is None
        else [session_shown(asked, fold, row) for row in told.items]
    )
    advice = _advice(asked, user_id)
    return UserShown(
        answer=answer,
        sessions=sessions,
        session_count=0 if told is None else told.count,
        value=sum(float(each.row.get("value") or 0) for each in sessions),
        first_seen=sessions[-1].start if sessions else None,
        stretches=stretches([event_shown(event) for event in answer.items], sessions),
        funnels=[_position(asked, each) for each in answer.funnels],
        advice=advice,
        product_hrefs=[
            asked.address.elsewhere(RECOMMENDATIONS, product=each.productId)
            for each in (() if advice is None else advice.items)
        ],
        events_href=asked.address.elsewhere(
            EVENTS, **{"where": f"userId={user_id}", "from": "1970-01-01", "to": None, "last": None}
        ),
        api=f"{USERS_PATH}{segment(user_id)}",
        advice_api=f"{RECOMMENDATIONS_PATH}/user/{segment(user_id)}",
        data_api=f"{USER_DATA_PATH}{segment(user_id)}",
    )


def stretches(events: Sequence[EventShown], sessions: Sequence[SessionShown]) -> list[Stretch]:
    """Events, newest first, under the sessions that they belong to."""
    found: list[Stretch] = []
    for event in events:
        session = next((each for each in sessions if _holds(each, event)), None)
        if found and found[-1].session is session:
            found[-1] = Stretch(session, (*found[-1].events, event))
        else:
            found.append(Stretch(session, (event,)))
    return found


def _holds(session: SessionShown, event: EventShown) -> bool:
    if event.at is None or session.start is None or session.end is None:
        return False
    return session.start <= event.at <= session.end


def _position(asked: PageAsked[Any], position: FunnelPosition) -> PositionShown:
    times = [instant_of(position.row.get(f"at_{at + 1}")) for at in range(len(position.steps))]
    return PositionShown(
        position,
        asked.address.elsewhere(f"/funnels/{position.funnel}"),
        tuple(zip(position.steps, times, strict=True)),
    )


def _advice(asked: PageAsked[Any], user_id: str) -> RecommendationsPage | None:
    """None where no sessions of products are told."""
    try:
        return for_user(asked.context.adviser, user_id, UserRecommendations(limit=5))
    except NotThere:
        return None


PAGE = DashboardPage(
    title="User",
    paths=("/users", f"{USERS}{{userId:path}}"),
    template="users.html",
    shown=shown,
    asked=Asked(UserPageQuestion),
    has_period=False,
)
"""What stands at `/users/ID`."""
