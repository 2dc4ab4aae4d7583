"""Joins: what became of each left event, and the two events behind that."""

from collections.abc import Mapping
from typing import Annotated, Any, cast
from urllib.parse import quote

import msgspec
import polars as pl

from rtcdp.answers.export import ColumnType
from rtcdp.answers.fold_rows import (
    OPEN,
    RowsPage,
    RowsQuestion,
    Told,
    rows_page,
    told_by,
    types_of_rows,
)
from rtcdp.answers.folds import JOINS_PATH, find_fold
from rtcdp.answers.freshness import FreshAnswer, Installation, open_reading
from rtcdp.answers.question import NAMES
from rtcdp.answers.row_names import RowName, read_row_name, row_named
from rtcdp.answers.story import Story, shown_events
from rtcdp.definitions import Fold
from rtcdp.errors import BadRequest, NotThere, did_you_mean
from rtcdp.folds.joins import WAITING, IntervalJoin
from rtcdp.folds.timeline import timeline_of

KIND = "join"
EVENTS = "/events"
"""What an address ends in that tells the two events behind a row."""


class JoinRowsQuestion(RowsQuestion, frozen=True, kw_only=True, rename=NAMES):
    """Which rows of a join, by when their left events happened."""

    outcome: Annotated[
        str | None,
        msgspec.Meta(description=f"what became of them: a word of the join's, or {WAITING}"),
    ] = None


class JoinEvents(FreshAnswer, omit_defaults=True):
    """A row, and the events that it tells of: `right` is null where it has no partner. Both are
    null when retention has deleted the story."""

    row: dict[str, Any]
    left: dict[str, Any] | None
    right: dict[str, Any] | None


def join_page(installation: Installation, name: str, question: JoinRowsQuestion) -> RowsPage:
    """A page of a join's rows, each with its `outcome` and the address of its events.

    Raises `BadRequest`, `NotThere` and `StoreUnavailable`.
    """
    fold = find_fold(installation.folds, name, KIND)
    outcome = question.outcome
    if outcome is None:
        page = rows_page(installation, fold, question)
    else:
        known = outcomes_of(fold)
        if outcome not in known:
            raise BadRequest(
                f"outcome={outcome[:100]!r} is none of this join",
                f"{did_you_mean(outcome, known)}send {', '.join(known[:-1])} or {known[-1]}",
            )
        is_waiting, is_matched = outcome == WAITING, outcome == known[0]
        if question.state is None and not is_matched:
            # Where to look for them is known then.
            state = "open" if is_waiting else "final"
            question = msgspec.structs.replace(question, state=state)
        page = rows_page(installation, fold, question, lambda told: has_outcome(told, outcome))
    page.items = [_with_outcome(fold, item) for item in page.items]
    return page


def types_of_join(fold: Fold) -> dict[str, ColumnType]:
    """The columns that rows of a join may have."""
    return {**types_of_rows(fold), "outcome": "text", "events_url": "text"}


def join_events(installation: Installation, name: str, row_id: str) -> JoinEvents:
    """The events behind a row. Raises `NotThere` and `StoreUnavailable`."""
    fold = find_fold(installation.folds, name, KIND)
    step = cast("IntervalJoin", fold.step)
    address = f"{JOINS_PATH}{fold.name}"
    row_name = read_row_name(row_id, fold, "row", address)
    with open_reading(installation) as reading:
        told = told_by(installation, reading, fold)
        rows = row_named(told, row_name)
        if rows.is_empty():
            raise NotThere(
                f"there is no row {row_id[:100]!r} now", f"ask {address} for those that are there"
            )
        [shown] = told.shown(rows)
        [row] = rows.to_dicts()
        story = Story(reading.snapshot, timeline_of(fold))
        end = row_name.start + step.within_ms + 1
        events = story.between(row_name.whose, row_name.start, end).frame
    left, right = _behind(fold, row, row_name, events)
    return JoinEvents(
        row=_with_outcome(fold, shown),
        left=left,
        right=right,
        **reading.freshness.fields,
    )


def outcomes_of(fold: Fold) -> tuple[str, str, str]:
    """The words of a join: for what has a partner, for what has none in the end, and for what may
    still get one."""
    matched, unmatched = cast("IntervalJoin", fold.step).outcomes
    return matched, unmatched, WAITING


def has_outcome(told: Told, outcome: str) -> pl.Expr:
    """Which rows have this outcome."""
    matched, unmatched, _ = outcomes_of(told.fold)
    is_matched = pl.col("right_at").is_not_null()
    if outcome == matched:
        return is_matched
    return ~is_matched & (~told.is_open() if outcome == unmatched else told.is_open())


def _with_outcome(fold: Fold, item: Mapping[str, Any]) -> dict[str, Any]:
    matched, unmatched, waiting = outcomes_of(fold)
    alone = waiting if item[OPEN] else unmatched
    row_id = quote(str(item["id"]), safe="~")
    return {
        **item,
        "outcome": matched if item["matched"] else alone,
        "events_url": f"{JOINS_PATH}{fold.name}/{row_id}{EVENTS}",
    }


def _behind(
    fold: Fold, row: Mapping[str, Any], name: RowName, events: pl.DataFrame
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The left event of a row, and its partner, from its time on."""
    step = cast("IntervalJoin", fold.step)
    whole = events.with_columns(pl.lit(name.whose).alias(fold.key))
    told, lefts, rights = step.pairs(whole, fold.key)
    is_own = pl.all_horizontal(
        pl.col("timestamp") == name.start, *(pl.col(each) == row[each] for each in step.on)
    )
    own = told[lefts].select(is_own).to_series().arg_true()
    if row["number"] >= len(own):
        return None, None
    place = own[row["number"]]
    shown = told.select(events.columns)
    left, right = (shown_events(shown.slice(int(at), 1)) for at in (lefts[place], rights[place]))
    return left[0], right[0] if right else None
