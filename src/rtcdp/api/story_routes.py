"""The addresses of stories: sessions, users, funnels, retention, paths, and all folds."""

from typing import Literal

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from rtcdp.answers.fold_rows import RowsPage, RowsQuestion, rows_page
from rtcdp.answers.folds import (
    FOLDS_PATH,
    FUNNELS_PATH,
    PATHS_PATH,
    RETENTION_PATH,
    SESSIONS_PATH,
    FoldCatalog,
    find_fold,
    folds_page,
)
from rtcdp.answers.funnels import (
    FunnelPage,
    FunnelQuestion,
    PeoplePage,
    PeopleQuestion,
    funnel_page,
    people_page,
)
from rtcdp.answers.paths import PathsPage, PathsQuestion, paths_page
from rtcdp.answers.question import Nothing
from rtcdp.answers.retention import RetentionPage, RetentionQuestion, retention_page
from rtcdp.answers.session_days import SessionDays, SessionDaysQuestion, session_days
from rtcdp.answers.sessions import (
    SessionEvents,
    SessionEventsQuestion,
    SessionsQuestion,
    session_events,
    sessions_page,
)
from rtcdp.answers.users import USERS_PATH, UserPage, UserQuestion, user_page
from rtcdp.api.address import AnyRequest, text_in_path
from rtcdp.api.context import ApiContext, Context, answer, complete_from_header
from rtcdp.api.documentation import documented
from rtcdp.api.manners import KEPT, tag_of
from rtcdp.api.query import Asked

_ONE_SESSION = f"{SESSIONS_PATH}/"
_EVENTS = "/events"
_FEW: dict[str, str] = {"userId": "of this user"}

_CATALOG = Asked(Nothing)
_ROWS = Asked(RowsQuestion, _FEW)
_SESSIONS = Asked(SessionsQuestion, _FEW)
_SESSION_EVENTS = Asked(SessionEventsQuestion)
_SESSION_DAYS = Asked(SessionDaysQuestion)
_USER = Asked(UserQuestion)
_FUNNEL = Asked(FunnelQuestion)
_PEOPLE = Asked(PeopleQuestion)
_RETENTION = Asked(RetentionQuestion)
_PATHS = Asked(PathsQuestion)


@get(
    "/api/folds",
    summary="The catalog of folds",
    description="Whose stories are told, and how: sessions, funnels, retention, paths, joins.",
    operation_class=documented(_CATALOG),
    sync_to_thread=True,
)
def list_folds(request: AnyRequest, context: Context) -> Response[FoldCatalog]:
    return _catalog(request, context, "")


@get(
    "/api/funnels",
    summary="The funnels of the catalog",
    operation_class=documented(_CATALOG),
    sync_to_thread=True,
)
def list_funnels(request: AnyRequest, context: Context) -> Response[FoldCatalog]:
    return _catalog(request, context, "funnel")


def _catalog(
    request: AnyRequest, context: ApiContext, kind: Literal["", "funnel"]
) -> Response[FoldCatalog]:
    _CATALOG.read(request)
    page = folds_page(context.installation, kind)
    return answer(page, page, {**KEPT, "ETag": tag_of(msgspec.json.encode(page.items))})


@get(
    f"{FOLDS_PATH}{{name:str}}",
    summary="The rows of a fold",
    description="Newest first, of any fold. A row is `open` while an event may still change it.",
    operation_class=documented(_ROWS),
    sync_to_thread=True,
)
def fold_rows(request: AnyRequest, context: Context, name: FromPath[str]) -> Response[RowsPage]:
    fold = find_fold(context.installation.folds, name)
    asked = Asked(RowsQuestion, {fold.key: f"of this {fold.key}"})
    page = rows_page(context.installation, fold, asked.read(request))
    return answer(page, page, complete_from_header(page.complete_from))


@get(
    SESSIONS_PATH,
    summary="Sessions",
    description="Newest first, by when they begin. A bounce has one page view; engaged is one that "
    "has two, or lasts ten seconds, or has a conversion.",
    operation_class=documented(_SESSIONS),
    sync_to_thread=True,
)
def sessions(request: AnyRequest, context: Context) -> Response[RowsPage]:
    keys = [fold.key for fold in context.installation.folds if fold.key not in _FEW]
    filters = _FEW | {key: f"of this {key}" for key in keys}
    page = sessions_page(context.installation, Asked(SessionsQuestion, filters).read(request))
    return answer(page, page, complete_from_header(page.complete_from))


@get(
    f"{_ONE_SESSION}days",
    summary="Sessions by the day that they began on",
    description="In the time zone `tz`. Newest first, and all of them together.",
    operation_class=documented(_SESSION_DAYS),
    sync_to_thread=True,
)
def days_of_sessions(request: AnyRequest, context: Context) -> Response[SessionDays]:
    page = session_days(context.installation, _SESSION_DAYS.read(request))
    return answer(page, page, complete_from_header(page.complete_from))


@get(
    f"{_ONE_SESSION}{{sessionId:path}}",
    summary="The events that make one session",
    description="Oldest first. `sessionId` is the `id` that /api/sessions tells.",
    operation_class=documented(_SESSION_EVENTS),
    sync_to_thread=True,
)
def events_of_session(request: AnyRequest, context: Context) -> Response[SessionEvents]:
    session_id = text_in_path(request, _ONE_SESSION, _EVENTS, "id of the session")
    page = session_events(context.installation, session_id, _SESSION_EVENTS.read(request))
    return answer(page, page)


@get(
    f"{USERS_PATH}{{userId:path}}",
    summary="One user: events, sessions, and how far they came in funnels",
    description="Events newest first, and paged.",
    operation_class=documented(_USER),
    sync_to_thread=True,
)
def one_user(request: AnyRequest, context: Context) -> Response[UserPage]:
    user_id = text_in_path(request, USERS_PATH, "", "user id")
    page = user_page(context.installation, user_id, _USER.read(request))
    return answer(page, page)


@get(
    f"{FUNNELS_PATH}{{name:str}}",
    summary="How many came how far in a funnel",
    description="Of each cohort and step: how many reached it and how many got no farther, "
    "with the address of the list of them.",
    operation_class=documented(_FUNNEL),
    sync_to_thread=True,
)
def funnel(request: AnyRequest, context: Context, name: FromPath[str]) -> Response[FunnelPage]:
    page = funnel_page(context.installation, name, _FUNNEL.read(request))
    return answer(page, page, complete_from_header(page.complete_from))


@get(
    f"{FUNNELS_PATH}{{name:str}}/people",
    summary="Who is behind a number of a funnel",
    description="The same selection as the number, so that there are as many. Newest first.",
    operation_class=documented(_PEOPLE),
    sync_to_thread=True,
)
def people(request: AnyRequest, context: Context, name: FromPath[str]) -> Response[PeoplePage]:
    page = people_page(context.installation, name, _PEOPLE.read(request))
    return answer(page, page, complete_from_header(page.complete_from))


@get(
    f"{RETENTION_PATH}{{name:str}}",
    summary="Who comes back",
    description="Of each cohort, newest first, how many came back in each period after it. What is "
    "not over yet is null, and not in the pooled row.",
    operation_class=documented(_RETENTION),
    sync_to_thread=True,
)
def retention(
    request: AnyRequest, context: Context, name: FromPath[str]
) -> Response[RetentionPage]:
    page = retention_page(context.installation, name, _RETENTION.read(request))
    return answer(page, page, complete_from_header(page.complete_from))


@get(
    f"{PATHS_PATH}{{name:str}}",
    summary="Where people go",
    description="Whole paths, the most frequent first; all others together are `other`.",
    operation_class=documented(_PATHS),
    sync_to_thread=True,
)
def paths(request: AnyRequest, context: Context, name: FromPath[str]) -> Response[PathsPage]:
    page = paths_page(context.installation, name, _PATHS.read(request))
    return answer(page, page, complete_from_header(page.complete_from))


STORY_HANDLERS = (
    list_folds,
    fold_rows,
    sessions,
    days_of_sessions,
    events_of_session,
    one_user,
    list_funnels,
    funnel,
    people,
    retention,
    paths,
)
"""All of them, to be given to the API's router."""
