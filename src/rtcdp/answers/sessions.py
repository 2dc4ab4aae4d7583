"""Sessions: a list of them, and the events that make one."""

from typing import Annotated, Any, Literal, cast

import msgspec
import polars as pl

from rtcdp.answers.cursor import read_cursor, write_cursor
from rtcdp.answers.export import ColumnType
from rtcdp.answers.fold_rows import (
    Only,
    RowsPage,
    RowsQuestion,
    Told,
    rows_page,
    told_by,
    types_of_rows,
)
from rtcdp.answers.folds import SESSIONS, SESSIONS_PATH, find_fold
from rtcdp.answers.freshness import Installation, open_reading
from rtcdp.answers.question import NAMES, Cursor, Limit
from rtcdp.answers.row_names import read_row_name, row_named
from rtcdp.answers.story import (
    POSITION,
    Position,
    Story,
    beyond,
    position_of,
    shown_events,
    types_of_events,
)
from rtcdp.definitions import in_polars
from rtcdp.errors import BadRequest, NotThere
from rtcdp.folds.sessions import Sessions
from rtcdp.folds.timeline import timeline_of

Which = Annotated[str, msgspec.Meta(description="the fold, where there are several of sessions")]


class SessionsQuestion(RowsQuestion, frozen=True, kw_only=True, rename=NAMES):
    """Which sessions, by when they begin."""

    fold: Which = SESSIONS
    kind: Annotated[
        Literal["bounce", "engaged", "converted"] | None,
        msgspec.Meta(description="only bounces, or those that are engaged, or have a conversion"),
    ] = None


class SessionEventsQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which events of a session."""

    fold: Which = SESSIONS
    limit: Limit = 100
    cursor: Cursor = None


class SessionEvents(msgspec.Struct, omit_defaults=True):
    """The events that make one session, oldest first; `not_told` counts those that the story of
    this user has no room for."""

    session: dict[str, Any]
    items: list[dict[str, Any]]
    next_cursor: str | None
    as_of: str | None
    lag_ms: int | None
    not_told: int = 0
    warning: str | None = None


def sessions_page(installation: Installation, question: SessionsQuestion) -> RowsPage:
    """A page of sessions. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    fold = find_fold(installation.folds, question.fold, SESSIONS)
    for name in question.equals:
        if name != fold.key:
            raise BadRequest(f"{fold.name} are told by {fold.key}", f"send {fold.key}=…")
    kind = question.kind
    return rows_page(installation, fold, question, None if kind is None else _is_of(kind))


def _is_of(kind: str) -> Only:
    """Which sessions have a flag."""

    def only(told: Told) -> pl.Expr:
        return next(in_polars(each.sql) for each in told.view.columns if each.field == kind)

    return only


def types_of_sessions(installation: Installation, name: str) -> dict[str, ColumnType]:
    """The columns that the sessions of a fold may have."""
    return types_of_rows(find_fold(installation.folds, name, SESSIONS))


def types_of_session_events(installation: Installation, name: str) -> dict[str, ColumnType]:
    """The columns that the events of their sessions may have."""
    return types_of_events(timeline_of(find_fold(installation.folds, name, SESSIONS)).fields)


def session_events(
    installation: Installation, session_id: str, question: SessionEventsQuestion
) -> SessionEvents:
    """The events that make one session. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    fold = find_fold(installation.folds, question.fold, SESSIONS)
    name = read_row_name(session_id, fold, "session", SESSIONS_PATH)
    after = cast("Position | None", read_cursor(question.cursor, POSITION))
    with open_reading(installation) as reading:
        told = told_by(installation, reading, fold)
        rows = row_named(told, name)
        if rows.is_empty():
            raise NotThere(
                f"there is no session {session_id[:100]!r} now",
                "ask /api/sessions: one that an earlier event has joined has another id",
            )
        [row] = rows.to_dicts()
        [shown] = told.shown(rows)
        story = Story(reading.snapshot, timeline_of(fold))
        step = cast("Sessions", fold.step)
        # What a campaign was before the session began says where that did.
        before_ms = 0 if step.campaign is None else fold.step.reach.before_ms or 0
        events = story.between(name.whose, row["start"] - before_ms, row["end"] + 1)
    chosen = step.relevant(events.frame)
    if step.campaign is not None:
        whole = chosen.with_columns(pl.lit(name.whose).alias(fold.key))
        members = step.members(whole, fold.key, row["start"], row["number"]).drop(fold.key)
        is_inside = pl.col("timestamp") >= row["start"]
        # Where a run began long before, its beginning tells more than was read here.
        is_found = members.height == row["event_count"]
        chosen = members if is_found else chosen.filter(is_inside)
    if step.by == "client":
        chosen = chosen.filter(pl.col("sessionId").fill_null("") == row["client"])
    if after is not None:
        chosen = beyond(chosen, after)
    page = chosen.head(question.limit)
    has_more = chosen.height > page.height
    return SessionEvents(
        session=shown,
        items=shown_events(page),
        next_cursor=write_cursor(position_of(page, after)) if has_more else None,
        not_told=events.not_told,
        **reading.freshness.fields,
    )
