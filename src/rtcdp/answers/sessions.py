"""Sessions: a list of them, and the events that make one."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, cast

import msgspec
import polars as pl

from rtcdp.answers.cursor import INSTANT, read_cursor, write_cursor
from rtcdp.answers.fold_rows import (
    RowsPage,
    RowsQuestion,
    Span,
    Told,
    rows_of_keys,
    rows_page,
    told_by,
)
from rtcdp.answers.folds import SESSIONS, SESSIONS_PATH, find_fold
from rtcdp.answers.freshness import Installation, open_reading
from rtcdp.answers.question import NAMES, Cursor, Limit
from rtcdp.answers.story import Position, Story, is_after, position_of, shown_events
from rtcdp.definitions import Fold, in_polars
from rtcdp.errors import BadRequest, NotThere
from rtcdp.folds.sessions import Sessions
from rtcdp.folds.timeline import timeline_of

_WHOLE = re.compile(r"-?[0-9]{1,18}")

Which = Annotated[str, msgspec.Meta(description="the fold, where there are several of sessions")]


class SessionsQuestion(RowsQuestion, frozen=True, kw_only=True, rename=NAMES):
    """Which sessions, by when they begin."""

    fold: Which = SESSIONS


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


@dataclass(frozen=True)
class SessionName:
    """What the id of a session says: when it began, what else tells it apart, and whose it is."""

    start: int
    further: tuple[str, ...]
    whose: str


def sessions_page(installation: Installation, question: SessionsQuestion) -> RowsPage:
    """A page of sessions. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    fold = find_fold(installation.folds, question.fold, SESSIONS)
    for name in question.equals:
        if name != fold.key:
            raise BadRequest(f"{fold.name} are told by {fold.key}", f"send {fold.key}=…")
    return rows_page(installation, fold, question)


def session_events(
    installation: Installation, session_id: str, question: SessionEventsQuestion
) -> SessionEvents:
    """The events that make one session. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    fold = find_fold(installation.folds, question.fold, SESSIONS)
    name = read_session_id(session_id, fold)
    after = cast("Position | None", read_cursor(question.cursor, (INSTANT, str)))
    with open_reading(installation) as reading:
        told = told_by(installation, reading, fold)
        rows = _row_of(told, name)
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
        chosen = chosen.filter(is_after(after))
    page = chosen.head(question.limit)
    last = page.tail(1).to_dicts() if chosen.height > question.limit else []
    fresh = reading.freshness
    return SessionEvents(
        session=shown,
        items=shown_events(page),
        next_cursor=write_cursor(position_of(last[0])) if last else None,
        not_told=events.not_told,
        as_of=fresh.as_of_text,
        lag_ms=fresh.lag_ms,
        warning=fresh.warning,
    )


def read_session_id(text: str, fold: Fold) -> SessionName:
    """What an id says. Raises `NotThere` for a text that is none."""
    start, *further = text.split("~", len(fold.step.order))
    is_whole = len(further) == len(fold.step.order) and bool(_WHOLE.fullmatch(start))
    if not is_whole or int(start) not in INSTANT or "\0" in text:
        raise NotThere(
            f"{text[:100]!r} is no id of a session", f"ask {SESSIONS_PATH}, which tells the ids"
        )
    *others, whose = further
    return SessionName(int(start), tuple(others), whose)


def _row_of(told: Told, name: SessionName) -> pl.DataFrame:
    """The row of a session, if it is there now."""
    rows = rows_of_keys(told, [name.whose], Span(name.start, name.start + 1))
    id_column = next(each for each in told.view.columns if each.name == "id")
    whole = "~".join((str(name.start), *name.further, name.whose))
    return rows.filter(in_polars(id_column.sql) == whole)
