"""Funnels: how many came how far, and who they are. A number and its list are one selection."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlencode

import msgspec
import polars as pl

from rtcdp.answers.cursor import Part, cursor_after, read_cursor, write_cursor
from rtcdp.answers.fold_rows import (
    Span,
    Told,
    beyond,
    newest_first,
    open_told,
    position_of,
    slices_of,
    span_of,
)
from rtcdp.answers.folds import FUNNELS_PATH, find_fold
from rtcdp.answers.freshness import Installation, WholeAnswer
from rtcdp.answers.instant import iso_ms, iso_ms_or_none
from rtcdp.answers.question import (
    INSTANT,
    NAMES,
    Cursor,
    From,
    Limit,
    Since,
    To,
    Zone,
    check_zone,
)
from rtcdp.definitions import Fold
from rtcdp.errors import BadRequest
from rtcdp.folds.days import Calendar
from rtcdp.folds.funnel_answers import Cohorts, cells, counted, people
from rtcdp.folds.funnels import Funnel

KIND = "funnel"
_NUMBER = range(-(10**9), 10**9)
_NOT_TOLD_APART = "none"

CohortUnit = Literal["hour", "day", "week", "month", "none"]
_Unit = Annotated[
    CohortUnit, msgspec.Meta(description="by when people entered they are told apart, or not")
]


class _Who(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Whose attempts are looked at, by when they entered, and how they are told apart."""

    start_from: From = None
    start_to: To = None
    since: Since = None
    cohort: _Unit = "none"
    tz: Zone = "UTC"


class FunnelQuestion(_Who, frozen=True, kw_only=True, rename=NAMES):
    """Which numbers of a funnel."""

    breakdown: Annotated[
        Literal["each"] | None,
        msgspec.Meta(description="`each`: tell the values of the funnel's breakdown apart as well"),
    ] = None
    limit: Limit = 100
    cursor: Cursor = None


class PeopleQuestion(_Who, frozen=True, kw_only=True, rename=NAMES):
    """Who is behind one number of a funnel."""

    step: Annotated[
        str, msgspec.Meta(description="the step, by its number from 1 on or by its name")
    ] = "1"
    outcome: Annotated[
        Literal["reached", "dropped"],
        msgspec.Meta(description="those who reached it, or got no farther than it"),
    ] = "reached"
    cohort_start: Annotated[
        int | None,
        msgspec.Meta(description="of the cohort that begins then", extra=INSTANT),
    ] = None
    breakdown: Annotated[
        str | None, msgspec.Meta(description="with this value of the funnel's breakdown")
    ] = None
    has_breakdown: Annotated[
        Literal["no"] | None,
        msgspec.Meta(description="`no`: those without a value of the funnel's breakdown"),
    ] = None
    limit: Limit = 100
    cursor: Cursor = None


class FunnelCell(msgspec.Struct):
    """One step of one cohort. `median_ms` and `p90_ms` are the times from the step before;
    `people_url` lists those who reached it, and with `outcome=dropped` those who got no farther."""

    step: int
    name: str
    reached: int
    dropped: int
    conversion: float
    median_ms: float | None
    p90_ms: float | None
    people_url: str


class FunnelCohort(msgspec.Struct, omit_defaults=True):
    """Those who entered in [`cohort_start`, `cohort_end`), null where there is no such border, and
    with one value of the `breakdown` where that is told apart. It is `open` while somebody may
    still enter, or get farther."""

    cohort_start: str | None
    cohort_end: str | None
    entrants: int
    open: bool
    steps: list[FunnelCell]
    partial: bool = False
    breakdown: str | msgspec.UnsetType | None = msgspec.UNSET


class FunnelPage(WholeAnswer, omit_defaults=True):
    """Cohorts, newest first; of one cohort the values of the breakdown with most entrants first.
    What is counted is said by `by`: users, sessions or attempts."""

    items: list[FunnelCohort]
    name: str
    title: str
    steps: list[str]
    by: str
    within_ms: int | None
    cohort: str
    tz: str
    next_cursor: str | None


class PeoplePage(WholeAnswer, omit_defaults=True):
    """Rows of the funnel, one for each that is counted, newest first; `count` is how many there are
    on all pages together, and the number that the funnel shows."""

    items: list[dict[str, Any]]
    count: int
    steps: list[str]
    next_cursor: str | None


@dataclass(frozen=True)
class _Selection:
    """Those who are counted, of a fold that is a funnel."""

    told: Told
    funnel: Funnel
    cohorts: Cohorts
    span: Span
    rows: pl.DataFrame


def funnel_page(installation: Installation, name: str, question: FunnelQuestion) -> FunnelPage:
    """The numbers of a funnel. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    fold = find_fold(installation.folds, name, KIND)
    funnel = cast("Funnel", fold.step)
    is_split = question.breakdown is not None
    if is_split and funnel.breakdown is None:
        raise _no_breakdown(fold)
    position = read_cursor(question.cursor, (_NUMBER, _NUMBER))
    cohorts, span = _asked(installation, question)
    with open_told(installation, fold) as told:
        chosen = _selected(told, cohorts, told.kept(span))
    items = _cohorts(chosen, is_split=is_split)
    first = 0 if position is None else _place_after(items, position)
    page = items[first : first + question.limit]
    following = items[first + question.limit :]
    return FunnelPage(
        items=[item for _, item in page],
        name=fold.name,
        title=fold.title,
        steps=[step.name for step in funnel.steps],
        by=funnel.by,
        within_ms=funnel.within_ms,
        cohort=question.cohort,
        tz=question.tz,
        next_cursor=write_cursor(page[-1][0]) if following and page else None,
        **told.fields,
    )


def people_page(installation: Installation, name: str, question: PeopleQuestion) -> PeoplePage:
    """The people behind a number. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    fold = find_fold(installation.folds, name, KIND)
    funnel = cast("Funnel", fold.step)
    step = _step(funnel, question.step)
    after = read_cursor(question.cursor, position_of(fold))
    cohorts, span = _asked(installation, question)
    cohort = _cohort(cohorts, question)
    with open_told(installation, fold) as told:
        chosen = _selected(told, cohorts, told.kept(span))
        found = people(chosen.rows, step, question.outcome, cohort)
        found = newest_first(fold, _with_value(fold, question, found))
        rest = found
        if after is not None:
            rest = found.filter(beyond(fold, dict(zip(fold.primary_key, after, strict=True))))
        page = rest.head(question.limit)
        items = told.shown(page)
    has_more = rest.height > page.height
    last: tuple[Part, ...] | None = page.select(fold.primary_key).row(-1) if has_more else None
    return PeoplePage(
        items=items,
        count=found.height,
        steps=[each.name for each in funnel.steps],
        next_cursor=cursor_after(last),
        **told.fields,
    )


def _asked(installation: Installation, question: _Who) -> tuple[Cohorts, Span]:
    check_zone(question.tz)
    span = span_of(question.start_from, question.start_to, question.since, installation)
    unit = None if question.cohort == _NOT_TOLD_APART else cast("Calendar", question.cohort)
    return Cohorts(unit, question.tz, entered_before=span.end), span


def _selected(told: Told, cohorts: Cohorts, span: Span) -> _Selection:
    """The one selection that numbers and lists are made of."""
    fold = told.fold
    funnel = cast("Funnel", fold.step)
    rows = pl.concat(slices_of(told, span, fold.table.value_names))
    return _Selection(told, funnel, cohorts, span, counted(rows, funnel, fold.key, cohorts))


def _cohorts(chosen: _Selection, *, is_split: bool) -> list[tuple[tuple[int, int], FunnelCohort]]:
    """All items in the order of the answer, each with its place: the cohort, and which of its
    values it is."""
    by = ("cohort", "breakdown") if is_split else ("cohort",)
    watermark = chosen.told.watermark
    found = cells(chosen.rows, chosen.funnel, chosen.cohorts, watermark, by)
    cohort = pl.col("cohort")
    found = found.with_columns(
        chosen.cohorts.start(cohort).alias("start"), chosen.cohorts.end(cohort).alias("end")
    )
    groups = [group.to_dicts() for group in found.partition_by(by, maintain_order=True)]
    groups.sort(
        key=lambda rows: (
            -rows[0]["cohort"],
            -rows[0]["entrants"],
            str(rows[0].get("breakdown") or ""),
        )
    )
    items: list[tuple[tuple[int, int], FunnelCohort]] = []
    for rows in groups:
        number = rows[0]["cohort"]
        rank = items[-1][0][1] + 1 if items and items[-1][0][0] == number else 0
        items.append(((number, rank), _item(chosen, rows, is_split=is_split)))
    return items


def _item(
    chosen: _Selection,
    rows: Sequence[Mapping[str, Any]],
    *,
    is_split: bool,
) -> FunnelCohort:
    first = rows[0]
    complete_from = chosen.told.complete_from
    start = first["start"] if first["start"] is not None else chosen.span.start
    is_partial = complete_from is not None and (start is None or start < complete_from)
    value = first.get("breakdown")
    return FunnelCohort(
        cohort_start=iso_ms_or_none(first["start"]),
        cohort_end=iso_ms_or_none(first["end"]),
        entrants=first["entrants"],
        open=first["open"],
        steps=[*_steps(chosen, rows, is_split=is_split)],
        partial=is_partial,
        breakdown=value if is_split else msgspec.UNSET,
    )


def _steps(
    chosen: _Selection,
    rows: Sequence[Mapping[str, Any]],
    *,
    is_split: bool,
) -> Iterator[FunnelCell]:
    for row in rows:
        named: dict[str, Any] = {"step": row["step"], **_sent(chosen)}
        if row["start"] is not None:
            named["cohort_start"] = iso_ms(row["start"])
        if is_split:
            value = row["breakdown"]
            named |= {"has_breakdown": "no"} if value is None else {"breakdown": value}
        yield FunnelCell(
            step=row["step"],
            name=chosen.funnel.steps[row["step"] - 1].name,
            reached=row["reached"],
            dropped=row["dropped"],
            conversion=row["conversion"],
            median_ms=row["median_ms"],
            p90_ms=row["p90_ms"],
            people_url=f"{FUNNELS_PATH}{chosen.told.fold.name}/people?{urlencode(named)}",
        )


def _sent(chosen: _Selection) -> dict[str, str]:
    """What was asked for, as it is asked for again: always the same people."""
    cohorts, span = chosen.cohorts, chosen.span
    texts = {"from": iso_ms_or_none(span.start), "to": iso_ms_or_none(span.end)}
    if cohorts.unit is not None:
        texts["cohort"] = cohorts.unit
    if cohorts.time_zone != "UTC":
        texts["tz"] = cohorts.time_zone
    return {name: text for name, text in texts.items() if text is not None}


def _place_after(
    items: Sequence[tuple[tuple[int, int], FunnelCohort]], position: tuple[Part, ...]
) -> int:
    """Where the item is that follows a place."""
    cohort, rank = int(position[0]), int(position[1])
    for number, ((other, place), _) in enumerate(items):
        if other < cohort or (other == cohort and place > rank):
            return number
    return len(items)


def _step(funnel: Funnel, text: str) -> int:
    """The number of a step, by its number or its name. Whatever steps are called, a number is one:
    it is what addresses of lists hold. Raises `BadRequest`."""
    names = [step.name for step in funnel.steps]
    if text.isascii() and text.isdigit() and len(text) < 3 and 1 <= int(text) <= len(names):
        return int(text)
    if text in names:
        return names.index(text) + 1
    listed = ", ".join(f"{number} ({name})" for number, name in enumerate(names, 1))
    raise BadRequest(f"step={text[:100]!r} is no step of this funnel", f"send one of: {listed}")


def _cohort(cohorts: Cohorts, question: PeopleQuestion) -> int | None:
    """The number of the cohort that is asked for. Raises `BadRequest`."""
    instant = question.cohort_start
    if instant is None:
        return None
    if cohorts.unit is None:
        raise BadRequest(
            "cohort_start names a cohort, and cohort=none tells none apart",
            "send cohort=hour, day, week or month with it",
        )
    frame = pl.DataFrame({"instant": [instant]}, {"instant": pl.Int64()})
    number = cohorts.of(pl.col("instant")).alias("number")
    found = frame.select(number).with_columns(cohorts.start(pl.col("number")).alias("start"))
    [(cohort, start)] = found.rows()
    if start != instant:
        raise BadRequest(
            f"no {cohorts.unit} of {cohorts.time_zone} begins at {iso_ms(instant)}",
            f"send cohort_start={iso_ms(start)}, or tz as it was when you read it",
        )
    return int(cohort)


def _with_value(fold: Fold, question: PeopleQuestion, rows: pl.DataFrame) -> pl.DataFrame:
    """Those with the value of the breakdown that is asked for. Raises `BadRequest`."""
    if question.breakdown is None and question.has_breakdown is None:
        return rows
    if "breakdown" not in rows.columns:
        raise _no_breakdown(fold)
    if question.has_breakdown is not None:
        return rows.filter(pl.col("breakdown").is_null())
    return rows.filter(pl.col("breakdown") == question.breakdown)


def _no_breakdown(fold: Fold) -> BadRequest:
    return BadRequest(
        f"{fold.name} has no breakdown",
        'leave it away, or define the funnel with one, like breakdown="productId"',
    )
