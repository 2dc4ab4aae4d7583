"""One session, event by event."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

import msgspec

from rtcdp.answers.folds import SESSIONS, SESSIONS_PATH, find_fold
from rtcdp.answers.question import NAMES, Cursor
from rtcdp.answers.sessions import SessionEvents, SessionEventsQuestion, session_events
from rtcdp.api.address import text_in_path
from rtcdp.api.query import Asked
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.stories import (
    EventShown,
    SessionShown,
    api_address,
    event_shown,
    session_shown,
)

PATH = "/sessions/"
_LISTED = 200


class SessionPageQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """Which events of the session."""

    fold: Annotated[str, msgspec.Meta(description="where there are several of sessions")] = SESSIONS
    cursor: Cursor = None


@dataclass(frozen=True)
class OneSessionShown:
    """A session and its events, oldest first."""

    answer: SessionEvents
    session: SessionShown
    key: str
    events: Sequence[EventShown]
    all_href: str
    api: str


def shown(asked: PageAsked[SessionPageQuestion]) -> OneSessionShown:
    """The session in the path. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    session_id = text_in_path(asked.request, PATH, "", "id of the session")
    question = asked.question
    fold = find_fold(asked.installation.folds, question.fold, "sessions")
    events = SessionEventsQuestion(fold=fold.name, limit=_LISTED, cursor=question.cursor)
    answer = session_events(asked.installation, session_id, events)
    which = None if fold.name == SESSIONS else fold.name
    return OneSessionShown(
        answer=answer,
        session=session_shown(asked, fold, answer.session),
        key=fold.key,
        events=[event_shown(event) for event in answer.items],
        all_href=asked.address.elsewhere(PATH.rstrip("/"), fold=which),
        api=api_address(f"{SESSIONS_PATH}/{quote(session_id, safe='~')}/events", {"fold": which}),
    )


PAGE = DashboardPage(
    title="Session",
    paths=(f"{PATH}{{sessionId:path}}",),
    template="one_session.html",
    shown=shown,
    asked=Asked(SessionPageQuestion),
    has_period=False,
)
"""What stands at `/sessions/ID`."""
