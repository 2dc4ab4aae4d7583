"""One user: what happened to them, event by event, their sessions, and where they stand."""

from typing import Any, cast

import msgspec
import polars as pl

from rtcdp.answers.cursor import read_cursor, write_cursor
from rtcdp.answers.export import ColumnType
from rtcdp.answers.fold_rows import Span, newest_first, rows_of_keys, told_by
from rtcdp.answers.folds import kind_of
from rtcdp.answers.freshness import Installation, Reading, open_reading
from rtcdp.answers.question import Cursor, Limit
from rtcdp.answers.story import (
    POSITION,
    Position,
    Story,
    position_of,
    shared_telling,
    shown_events,
    types_of_events,
)
from rtcdp.errors import NotThere
from rtcdp.folds.funnel_answers import Cohorts, counted
from rtcdp.folds.funnels import Funnel

USERS_PATH = "/api/users/"
KEY = "userId"

SESSIONS_MAX = 20
"""So many of the newest sessions are told beside the events; /api/sessions has all of them."""


class UserQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which events of a user."""

    limit: Limit = 100
    cursor: Cursor = None


class FunnelPosition(msgspec.Struct):
    """How far a user came in a funnel, at best: `depth` of so many `steps`, the last of which is
    called `step`. `row` is the attempt."""

    funnel: str
    title: str
    steps: list[str]
    depth: int
    step: str
    converted: bool
    open: bool
    row: dict[str, Any]


class UserSessions(msgspec.Struct):
    """The newest sessions of a fold, and how many there are."""

    fold: str
    title: str
    count: int
    items: list[dict[str, Any]]


class UserPage(msgspec.Struct, omit_defaults=True):
    """One user. `items` are their events, newest first and paged; `not_told` counts those that the
    story has no room for in the hours of this page. Sessions and positions stand on each page."""

    userId: str  # noqa: N815
    items: list[dict[str, Any]]
    sessions: list[UserSessions]
    funnels: list[FunnelPosition]
    next_cursor: str | None
    as_of: str | None
    lag_ms: int | None
    not_told: int = 0
    warning: str | None = None


def types_of_user_events(installation: Installation) -> dict[str, ColumnType]:
    """The columns that the events of a user may have."""
    return types_of_events(shared_telling(installation.folds, KEY).fields)


def user_page(installation: Installation, user_id: str, question: UserQuestion) -> UserPage:
    """One user. Raises `BadRequest`, `NotThere` where nothing is known of them, and
    `StoreUnavailable`."""
    before = cast("Position | None", read_cursor(question.cursor, POSITION))
    now_ms = installation.clock.now_ms()
    with open_reading(installation) as reading:
        story = Story(reading.snapshot, shared_telling(installation.folds, KEY))
        events = story.newest(user_id, now_ms, before, question.limit + 1)
        sessions = _sessions(installation, reading, user_id)
        funnels = _positions(installation, reading, user_id)
    if events.frame.is_empty() and before is None and not sessions and not funnels:
        raise NotThere(
            f"nothing is known of the user {user_id[:100]!r}",
            "ask /api/sessions for users who are known; ids are told apart by upper and lower case",
        )
    page = events.frame.head(question.limit)
    has_more = events.frame.height > page.height
    return UserPage(
        userId=user_id,
        items=shown_events(page),
        sessions=sessions,
        funnels=funnels,
        next_cursor=write_cursor(position_of(page, before)) if has_more else None,
        not_told=events.not_told,
        **reading.freshness.fields,
    )


def _sessions(installation: Installation, reading: Reading, user_id: str) -> list[UserSessions]:
    found = []
    for fold in installation.folds:
        if fold.key == KEY and kind_of(fold.step) == "sessions":
            told = told_by(installation, reading, fold)
            rows = rows_of_keys(told, [user_id], told.kept(Span()))
            if rows.height:
                items = told.shown(rows.head(SESSIONS_MAX))
                found.append(UserSessions(fold.name, fold.title, rows.height, items))
    return found


def _positions(installation: Installation, reading: Reading, user_id: str) -> list[FunnelPosition]:
    found = []
    for fold in installation.folds:
        if fold.key != KEY or not isinstance(fold.step, Funnel):
            continue
        told = told_by(installation, reading, fold)
        rows = rows_of_keys(told, [user_id], told.kept(Span()))
        ranked = counted(rows, fold.step, fold.key, Cohorts(None))
        if ranked.is_empty():
            continue
        best = newest_first(fold, ranked.filter(pl.col("depth") == pl.col("depth").max())).head(1)
        [row] = told.shown(best)
        names = [step.name for step in fold.step.steps]
        found.append(
            FunnelPosition(
                funnel=fold.name,
                title=fold.title,
                steps=names,
                depth=row["depth"],
                step=names[row["depth"] - 1],
                converted=row["depth"] == len(names),
                open=row["open"],
                row=row,
            )
        )
    return found
