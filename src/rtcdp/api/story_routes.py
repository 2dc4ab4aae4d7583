"""The addresses of stories: sessions, users, funnels, retention, paths, and all folds."""

from collections.abc import Mapping

from rtcdp.answers.export import ColumnType
from rtcdp.answers.fold_people import (
    PathsPeopleQuestion,
    RetentionPeopleQuestion,
    paths_people,
    retention_people,
)
from rtcdp.answers.fold_rows import RowsPage, RowsQuestion, rows_page, types_of_rows
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
from rtcdp.answers.freshness import Installation
from rtcdp.answers.funnels import FunnelQuestion, PeopleQuestion, funnel_page, people_page
from rtcdp.answers.paths import PathsQuestion, paths_page
from rtcdp.answers.question import Nothing
from rtcdp.answers.retention import RetentionQuestion, retention_page
from rtcdp.answers.session_days import SessionDaysQuestion, session_days
from rtcdp.answers.sessions import (
    SessionEventsQuestion,
    SessionsQuestion,
    session_events,
    sessions_page,
    types_of_session_events,
    types_of_sessions,
)
from rtcdp.answers.users import USERS_PATH, UserQuestion, types_of_user_events, user_page
from rtcdp.api.pages import PageAt
from rtcdp.api.query import Asked

_FEW: dict[str, str] = {"userId": "of this user"}


def _funnels(installation: Installation) -> FoldCatalog:
    return folds_page(installation, "funnel")


def _fold_rows(installation: Installation, name: str, question: RowsQuestion) -> RowsPage:
    return rows_page(installation, find_fold(installation.folds, name), question)


def _columns_of_rows(installation: Installation, name: str, _: object) -> Mapping[str, ColumnType]:
    return types_of_rows(find_fold(installation.folds, name))


def _columns_of_sessions(
    installation: Installation, question: SessionsQuestion
) -> Mapping[str, ColumnType]:
    return types_of_sessions(installation, question.fold)


def _columns_of_session(
    installation: Installation, _: str, question: SessionEventsQuestion
) -> Mapping[str, ColumnType]:
    return types_of_session_events(installation, question.fold)


def _columns_of_user(installation: Installation, *_: object) -> Mapping[str, ColumnType]:
    return types_of_user_events(installation)


def _rows_of(installation: Installation, name: str) -> Asked[RowsQuestion]:
    key = find_fold(installation.folds, name).key
    return Asked(RowsQuestion, {key: f"of this {key}"})


def _sessions_of(installation: Installation) -> Asked[SessionsQuestion]:
    keys = [fold.key for fold in installation.folds if fold.key not in _FEW]
    return Asked(SessionsQuestion, _FEW | {key: f"of this {key}" for key in keys})


STORY_PAGES = (
    PageAt(
        "/api/folds",
        "list_folds",
        folds_page,
        Asked(Nothing),
        "The catalog of folds",
        "Whose stories are told, and how: sessions, funnels, retention, paths, joins.",
        kept=True,
    ),
    PageAt(
        f"{FOLDS_PATH}{{name:str}}",
        "fold_rows",
        _fold_rows,
        Asked(RowsQuestion, _FEW),
        "The rows of a fold",
        "Newest first, of any fold. A row is `open` while an event may still change it.",
        asked_now=_rows_of,
        columns=_columns_of_rows,
    ),
    PageAt(
        SESSIONS_PATH,
        "sessions",
        sessions_page,
        Asked(SessionsQuestion, _FEW),
        "Sessions",
        "Newest first, by when they begin. A bounce has one page view; engaged is one that "
        "has two, or lasts ten seconds, or has a conversion.",
        asked_now=_sessions_of,
        group="Look",
        columns=_columns_of_sessions,
    ),
    PageAt(
        f"{SESSIONS_PATH}/days",
        "days_of_sessions",
        session_days,
        Asked(SessionDaysQuestion),
        "Sessions by the day that they began on",
        "In the time zone `tz`. Newest first, and all of them together.",
    ),
    PageAt(
        f"{SESSIONS_PATH}/{{sessionId:path}}",
        "events_of_session",
        session_events,
        Asked(SessionEventsQuestion),
        "The events that make one session",
        "Oldest first. `sessionId` is the `id` that /api/sessions tells.",
        id_is="id of the session",
        group="Look",
        columns=_columns_of_session,
    ),
    PageAt(
        f"{USERS_PATH}{{userId:path}}",
        "one_user",
        user_page,
        Asked(UserQuestion),
        "One user: events, sessions, and how far they came in funnels",
        "Events newest first, and paged.",
        id_is="user id",
        group="Look",
        columns=_columns_of_user,
    ),
    PageAt(
        "/api/funnels",
        "list_funnels",
        _funnels,
        Asked(Nothing),
        "The funnels of the catalog",
        kept=True,
    ),
    PageAt(
        f"{FUNNELS_PATH}{{name:str}}",
        "funnel",
        funnel_page,
        Asked(FunnelQuestion),
        "How many came how far in a funnel",
        "Of each cohort and step: how many reached it and how many got no farther, with the "
        "address of the list of them.",
    ),
    PageAt(
        f"{FUNNELS_PATH}{{name:str}}/people",
        "people",
        people_page,
        Asked(PeopleQuestion),
        "Who is behind a number of a funnel",
        "The same selection as the number, so that there are as many. Newest first.",
        group="Look",
        columns=_columns_of_rows,
        at_once=20,
    ),
    PageAt(
        f"{RETENTION_PATH}{{name:str}}",
        "retention",
        retention_page,
        Asked(RetentionQuestion),
        "Who comes back",
        "Of each cohort, newest first, how many came back in each period after it. What is "
        "not over yet is null, and not in the pooled row.",
    ),
    PageAt(
        f"{RETENTION_PATH}{{name:str}}/people",
        "people_of_retention",
        retention_people,
        Asked(RetentionPeopleQuestion),
        "Who is behind a number of a retention",
        "The same selection as the number, so that there are as many: of a cohort and a period "
        "after it, of a whole cohort, or of a period of all cohorts for which it is over.",
        group="Look",
        columns=_columns_of_rows,
        at_once=20,
    ),
    PageAt(
        f"{PATHS_PATH}{{name:str}}",
        "paths",
        paths_page,
        Asked(PathsQuestion),
        "Where people go",
        "Whole paths, the most frequent first; all others together are `other`.",
        is_file=True,
    ),
    PageAt(
        f"{PATHS_PATH}{{name:str}}/people",
        "people_of_paths",
        paths_people,
        Asked(PathsPeopleQuestion),
        "Who has gone along some paths",
        "The same selection as the numbers of the paths: a whole path, a node in its place, or all "
        "that came so far, or ended there.",
        group="Look",
        columns=_columns_of_rows,
        at_once=20,
    ),
)
"""All of them, to be given to the API's router."""
