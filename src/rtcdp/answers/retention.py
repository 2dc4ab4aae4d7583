"""Retention: of each cohort, who came back in the periods after it."""

import re
from typing import Annotated, Literal, cast

import msgspec
import polars as pl

from rtcdp.answers.cursor import read_cursor, write_cursor
from rtcdp.answers.fold_rows import open_told, slices_of, span_of
from rtcdp.answers.folds import find_fold
from rtcdp.answers.freshness import Installation, WholeAnswer
from rtcdp.answers.instant import iso_ms
from rtcdp.answers.question import NAMES, Cursor, From, Limit, Since, To
from rtcdp.errors import BadRequest
from rtcdp.folds.retention import Retention
from rtcdp.folds.retention_answers import Mode, alike, bracket_cells, pooled, retention_cells

KIND = "retention"
_NUMBER = range(-(10**9), 10**9)
_BRACKET = re.compile(r"([0-9]{1,3})-([0-9]{1,3})")

Modes = Literal["on", "on_or_after", "bracket"]


class RetentionQuestion(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Which cohorts, by when people started, and what counts as coming back."""

    start_from: From = None
    start_to: To = None
    since: Since = None
    mode: Annotated[
        Modes,
        msgspec.Meta(
            description="back in that very period, in it or any later one, or within brackets"
        ),
    ] = "on"
    brackets: Annotated[
        str | None,
        msgspec.Meta(description="with `mode=bracket`: half-open ranges of periods, as 0-1,1-7"),
    ] = None
    limit: Limit = 100
    cursor: Cursor = None


class RetentionCell(msgspec.Struct, omit_defaults=True):
    """The period `after` the cohort's own, up to `until` where it is a bracket. `returned` and
    `rate` are null until the period is over for all of the cohort: it is not `complete` then."""

    after: int
    returned: int | None
    rate: float | None
    complete: bool
    until: int | None = None


class RetentionCohort(msgspec.Struct, omit_defaults=True):
    """Those who started in the period that begins at `cohort_start`."""

    cohort_start: str
    size: int
    cells: list[RetentionCell]
    partial: bool = False


class PooledCell(msgspec.Struct):
    """All cohorts together for which the period is over: `size` is how many people they have."""

    after: int
    size: int
    returned: int
    rate: float


class RetentionPage(WholeAnswer, omit_defaults=True):
    """Cohorts, newest first. `pooled` is made of all of them, on all pages."""

    items: list[RetentionCohort]
    pooled: list[PooledCell]
    name: str
    title: str
    mode: str
    unit: str
    clock: str
    tz: str
    next_cursor: str | None


def retention_page(
    installation: Installation, name: str, question: RetentionQuestion
) -> RetentionPage:
    """A page of cohorts. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    fold = find_fold(installation.folds, name, KIND)
    definition = cast("Retention", fold.step)
    brackets = _brackets(definition, question)
    position = read_cursor(question.cursor, (_NUMBER,))
    span = span_of(question.start_from, question.start_to, question.since, installation)
    with open_told(installation, fold) as told:
        slices = slices_of(told, told.kept(span), ("cohort", "returned", "last_return"))
        rows = alike(pl.concat(map(alike, slices)))
    if brackets:
        cells = bracket_cells(rows, definition, told.watermark, brackets)
    else:
        cells = retention_cells(rows, definition, told.watermark, cast("Mode", question.mode))
    until = dict(brackets)
    numbers = cells["cohort"].unique().sort(descending=True)
    if position is not None:
        numbers = numbers.filter(numbers < int(position[0]))
    page = numbers.head(question.limit)
    shown = cells.filter(pl.col("cohort").is_in(page.implode()))
    shown = shown.with_columns(definition.start_of(pl.col("cohort")).alias("start"))
    has_more = len(numbers) > len(page)
    return RetentionPage(
        items=_cohorts(shown, until, told.complete_from),
        pooled=[_pooled(*row) for row in pooled(cells).rows()],
        name=fold.name,
        title=fold.title,
        mode=question.mode,
        unit=definition.unit,
        clock=definition.clock,
        tz=definition.time_zone,
        next_cursor=write_cursor((page[-1],)) if has_more else None,
        **told.fields,
    )


def _cohorts(
    cells: pl.DataFrame, until: dict[int, int], complete_from: int | None
) -> list[RetentionCohort]:
    found: list[RetentionCohort] = []
    ordered = cells.sort("cohort", "after", descending=[True, False])
    for group in ordered.partition_by("cohort", maintain_order=True):
        rows = group.to_dicts()
        start, size = rows[0]["start"], rows[0]["size"]
        found.append(
            RetentionCohort(
                cohort_start=iso_ms(start),
                size=size,
                cells=[
                    RetentionCell(
                        after=row["after"],
                        returned=row["returned"],
                        rate=None if row["returned"] is None else row["returned"] / size,
                        complete=row["is_complete"],
                        until=until.get(row["after"]),
                    )
                    for row in rows
                ],
                partial=complete_from is not None and start < complete_from,
            )
        )
    return found


def _pooled(after: int, size: int, returned: int) -> PooledCell:
    return PooledCell(after, size, returned, returned / size)


def _brackets(definition: Retention, question: RetentionQuestion) -> list[tuple[int, int]]:
    """The brackets that are asked for; none for another mode. Raises `BadRequest`."""
    if (question.mode == "bracket") != (question.brackets is not None):
        raise BadRequest(
            "mode=bracket and brackets belong together", "send mode=bracket&brackets=0-1,1-7,7-30"
        )
    if question.brackets is None:
        return []
    found = []
    for text in question.brackets.split(","):
        match = _BRACKET.fullmatch(text)
        first, end = (int(match[1]), int(match[2])) if match else (0, 0)
        if not first < end <= definition.periods:
            raise BadRequest(
                f"brackets={question.brackets[:100]!r} has {text[:20]!r}, which is no bracket",
                f"send ranges within 0-{definition.periods}, the end not included, as 0-1,1-7",
            )
        found.append((first, end))
    if len({first for first, _ in found}) < len(found):
        raise BadRequest("two brackets begin with the same period", "send each once")
    return found
