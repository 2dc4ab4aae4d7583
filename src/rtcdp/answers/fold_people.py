"""Who is behind a number of a retention or of paths: the same selection as the number, so that the
list is as long as the number says."""

from typing import Annotated, Any, Literal, cast

import msgspec
import polars as pl

from rtcdp.answers.cursor import Part, cursor_after, read_cursor
from rtcdp.answers.fold_rows import (
    Told,
    beyond,
    newest_first,
    open_told,
    position_of,
    slices_of,
    span_of,
)
from rtcdp.answers.folds import find_fold
from rtcdp.answers.freshness import Installation, WholeAnswer
from rtcdp.answers.instant import iso_ms
from rtcdp.answers.paths import KIND as PATHS
from rtcdp.answers.question import INSTANT, NAMES, Cursor, From, Limit, Since, To
from rtcdp.answers.retention import KIND as RETENTION
from rtcdp.definitions import Fold
from rtcdp.errors import BadRequest
from rtcdp.folds.path_answers import alike, among_frequent, gone_along
from rtcdp.folds.paths import NODES_MAX
from rtcdp.folds.retention import PERIODS_MAX, Retention
from rtcdp.folds.retention_answers import came_back


class RetentionPeopleQuestion(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Who is behind one number of a retention, by when people started."""

    start_from: From = None
    start_to: To = None
    since: Since = None
    cohort_start: Annotated[
        int | None,
        msgspec.Meta(
            description="of the cohort that begins then; without it, of all together",
            extra=INSTANT,
        ),
    ] = None
    after: Annotated[
        int | None,
        msgspec.Meta(
            description="those who came back in that period after their start; without it, all",
            ge=0,
            le=PERIODS_MAX,
        ),
    ] = None
    mode: Annotated[
        Literal["on", "on_or_after"],
        msgspec.Meta(description="back in that very period, or in it or any later one"),
    ] = "on"
    limit: Limit = 100
    cursor: Cursor = None


class PathsPeopleQuestion(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Who has gone along some paths, by when they began."""

    start_from: From = None
    start_to: To = None
    since: Since = None
    path: Annotated[
        str | None, msgspec.Meta(description='this whole path, a JSON list: `["/","/cart"]`')
    ] = None
    nodes: Annotated[
        int | None,
        msgspec.Meta(description="paths with so many nodes or more", ge=1, le=NODES_MAX),
    ] = None
    node: Annotated[
        str | None, msgspec.Meta(description="with `nodes`: paths with this one in that place")
    ] = None
    ended: Annotated[
        Literal["yes"] | None, msgspec.Meta(description="`yes`, with `nodes`: that end there")
    ] = None
    among: Annotated[
        int | None,
        msgspec.Meta(description="only of the so many most frequent paths", ge=1, le=1000),
    ] = None
    limit: Limit = 100
    cursor: Cursor = None


class FoldPeoplePage(WholeAnswer, omit_defaults=True):
    """Rows of the fold, newest first; `count` is how many there are on all pages together, and the
    number that they are behind."""

    items: list[dict[str, Any]]
    count: int
    next_cursor: str | None


def retention_people(
    installation: Installation, name: str, question: RetentionPeopleQuestion
) -> FoldPeoplePage:
    """The people of a cell, of a cohort, or of the cells of all cohorts that are over.

    Raises `BadRequest`, `NotThere` and `StoreUnavailable`.
    """
    fold = find_fold(installation.folds, name, RETENTION)
    definition = cast("Retention", fold.step)
    cohort = _cohort(definition, question.cohort_start)
    after = question.after
    if after is not None and after >= definition.periods:
        raise BadRequest(
            f"after={after} is beyond the {definition.periods} periods of {fold.name}",
            f"send a whole number below {definition.periods}",
        )
    position = read_cursor(question.cursor, position_of(fold))
    span = span_of(question.start_from, question.start_to, question.since, installation)
    with open_told(installation, fold) as told:
        found = []
        for rows in slices_of(told, told.kept(span), fold.table.value_names):
            people = rows if cohort is None else rows.filter(pl.col("cohort") == cohort)
            if after is not None:
                people = came_back(people, definition, told.watermark, after, question.mode)
            found.append(people)
        return _page(told, pl.concat(found), position, question.limit)


def paths_people(
    installation: Installation, name: str, question: PathsPeopleQuestion
) -> FoldPeoplePage:
    """The people who have gone along some paths. Raises `BadRequest`, `NotThere` and
    `StoreUnavailable`."""
    fold = find_fold(installation.folds, name, PATHS)
    if question.nodes is None and (question.node is not None or question.ended is not None):
        raise BadRequest("node and ended need the place", "send nodes=1 for the first with it")
    path = None if question.path is None else _path(question.path)
    position = read_cursor(question.cursor, position_of(fold))
    span = span_of(question.start_from, question.start_to, question.since, installation)
    with open_told(installation, fold) as told:
        found, counted = [], []
        for rows in slices_of(told, told.kept(span), fold.table.value_names):
            if question.among is not None:
                counted.append(alike(rows))
            gone = gone_along(rows, path, question.nodes, question.node)
            if question.ended is not None:
                gone = gone.filter((pl.col("length") == question.nodes) & (pl.col("is_cut") == 0))
            found.append(gone)
        rows = pl.concat(found)
        if question.among is not None:
            rows = among_frequent(rows, pl.concat(counted), question.among)
        return _page(told, rows, position, question.limit)


def _cohort(definition: Retention, instant: int | None) -> int | None:
    """The number of the cohort that begins at a time. Raises `BadRequest`."""
    if instant is None:
        return None
    frame = pl.DataFrame({"instant": [instant]}, {"instant": pl.Int64()})
    number = definition.period_of(pl.col("instant")).alias("number")
    found = frame.select(number).with_columns(definition.start_of(pl.col("number")).alias("start"))
    [(cohort, start)] = found.rows()
    if start != instant:
        raise BadRequest(
            f"no cohort begins at {iso_ms(instant)}", f"send cohort_start={iso_ms(start)}"
        )
    return int(cohort)


def _path(text: str) -> list[str]:
    try:
        return msgspec.json.decode(text.encode(), type=list[str])
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise BadRequest(
            f"path={text[:100]!r} is no list of nodes", 'send a JSON list: path=["/","/cart"]'
        ) from error


def _page(
    told: Told, rows: pl.DataFrame, position: tuple[Part, ...] | None, limit: int
) -> FoldPeoplePage:
    fold: Fold = told.fold
    rest = found = newest_first(fold, rows)
    if position is not None:
        place = dict(zip(fold.primary_key, position, strict=True))
        rest = found.filter(beyond(fold, place))
    page = rest.head(limit)
    last: tuple[Part, ...] | None = None
    if rest.height > page.height:
        last = page.select(fold.primary_key).row(-1)
    return FoldPeoplePage(
        items=told.shown(page),
        count=found.height,
        next_cursor=cursor_after(last),
        **told.fields,
    )
