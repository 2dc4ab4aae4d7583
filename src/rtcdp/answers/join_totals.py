"""What the rows of a join come to, by when their left events happened."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast
from urllib.parse import urlencode

import msgspec
import polars as pl

from rtcdp.answers.cursor import read_cursor, write_cursor
from rtcdp.answers.fold_rows import Span, Told, open_told, slices_of, span_of
from rtcdp.answers.folds import JOINS_PATH, find_fold
from rtcdp.answers.freshness import Installation, WholeAnswer
from rtcdp.answers.funnels import CohortUnit
from rtcdp.answers.instant import iso_ms_or_none
from rtcdp.answers.joins import KIND, has_outcome, outcomes_of
from rtcdp.answers.question import NAMES, Cursor, From, Limit, Since, To, Zone, check_zone
from rtcdp.definitions import MICROS_PER_UNIT
from rtcdp.folds.funnel_answers import Cohorts
from rtcdp.folds.joins import IntervalJoin

_NUMBER = range(-(10**9), 10**9)
_STORED = ("left_value", "right_at", "right_value")
_SIDES = ("left", "right")


class JoinTotalsQuestion(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Which rows are added up, and how they are told apart."""

    start_from: From = None
    start_to: To = None
    since: Since = None
    cohort: Annotated[
        CohortUnit,
        msgspec.Meta(description="by when their left events happened they are told apart, or not"),
    ] = "day"
    tz: Zone = "UTC"
    limit: Limit = 100
    cursor: Cursor = None


class OutcomeTotal(msgspec.Struct):
    """Rows with one outcome: how many, the sum of the values of their left events, and the address
    of the list of them."""

    count: int
    value: float
    rows_url: str


class JoinTotal(msgspec.Struct, omit_defaults=True):
    """The rows whose left events happened in [`cohort_start`, `cohort_end`), null where there is no
    such border: by their outcome, and all of them together. `conversion` is the share with a
    partner of those whose time is over, null while there are none: who buys at once would count
    before who does not. `right_value` is the sum of the partners' values, `median_ms` and `p90_ms`
    are the times that it took. It is `open` while any of that may change."""

    cohort_start: str | None
    cohort_end: str | None
    count: int
    value: float
    conversion: float | None
    right_value: float
    median_ms: float | None
    p90_ms: float | None
    open: bool
    outcomes: dict[str, OutcomeTotal]
    partial: bool = False


class JoinTotals(WholeAnswer, omit_defaults=True):
    """Cohorts, newest first, and all of them as `total`, null where there is nothing."""

    items: list[JoinTotal]
    total: JoinTotal | None
    name: str
    title: str
    within_ms: int
    cohort: str
    tz: str
    next_cursor: str | None


@dataclass(frozen=True)
class _Sums:
    """What is asked of one state of a join's rows."""

    told: Told
    cohorts: Cohorts
    span: Span


def join_totals(installation: Installation, name: str, question: JoinTotalsQuestion) -> JoinTotals:
    """What a join comes to. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    fold = find_fold(installation.folds, name, KIND)
    check_zone(question.tz)
    position = read_cursor(question.cursor, (_NUMBER,))
    span = span_of(question.start_from, question.start_to, question.since, installation)
    unit = None if question.cohort == "none" else question.cohort
    with open_told(installation, fold) as told:
        asked = _Sums(told, Cohorts(unit, question.tz, entered_before=span.end), told.kept(span))
        rows = pl.concat(_measured(asked, each) for each in slices_of(told, asked.span, _STORED))
    apart = _summed(rows, outcomes_of(fold)).sort("cohort", descending=True)
    whole = _Sums(told, Cohorts(None, entered_before=span.end), asked.span)
    together = _summed(rows.with_columns(pl.lit(0, pl.Int64).alias("cohort")), outcomes_of(fold))
    if position is not None:
        apart = apart.filter(pl.col("cohort") < position[0])
    page = apart.head(question.limit)
    has_more = apart.height > page.height
    return JoinTotals(
        items=[*_items(asked, page)],
        total=next(iter(_items(whole, together)), None),
        name=fold.name,
        title=fold.title,
        within_ms=cast("IntervalJoin", fold.step).within_ms,
        cohort=question.cohort,
        tz=question.tz,
        next_cursor=write_cursor((page["cohort"][-1],)) if has_more else None,
        **told.fields,
    )


def _measured(asked: _Sums, rows: pl.DataFrame) -> pl.DataFrame:
    """Of each row its cohort and what is added up, as narrow as can be."""
    return rows.select(
        asked.cohorts.of(pl.col("left_at")).alias("cohort"),
        *(part for side in _SIDES for part in _parts(side)),
        (pl.col("right_at") - pl.col("left_at")).alias("took_ms"),
        *(has_outcome(asked.told, word).alias(_as(word)) for word in outcomes_of(asked.told.fold)),
        asked.told.is_open().alias("is open"),
    )


def _parts(side: str) -> tuple[pl.Expr, pl.Expr]:
    """A value as whole units and millionths, which add up to the same in any order."""
    value = pl.col(f"{side}_value").fill_null(0.0)
    micros = ((value - value.floor()) * MICROS_PER_UNIT + 0.5).floor()
    names = (f"{side} units", f"{side} micros")
    return (
        value.floor().cast(pl.Int64).alias(names[0]),
        micros.cast(pl.Int64).alias(names[1]),
    )


def _summed(rows: pl.DataFrame, words: Iterable[str]) -> pl.DataFrame:
    took = pl.col("took_ms").drop_nulls().cast(pl.Float64)
    sums = [pl.col(f"{side} {part}").sum() for side in _SIDES for part in ("units", "micros")]
    by_outcome = [
        pl.col(f"left {part}").filter(_as(word)).sum().alias(f"{_as(word)} {part}")
        for word in words
        for part in ("units", "micros")
    ]
    return rows.group_by("cohort").agg(
        pl.len().cast(pl.Int64).alias("count"),
        *sums,
        *by_outcome,
        *(pl.col(_as(word)).sum().cast(pl.Int64).alias(f"{_as(word)} count") for word in words),
        took.median().alias("median_ms"),
        # The smallest one that nine in ten don't exceed.
        took.sort().get((9 * took.len() + 9) // 10 - 1, null_on_oob=True).alias("p90_ms"),
        pl.col("is open").any().alias("open"),
        (~pl.col("is open")).sum().cast(pl.Int64).alias("final"),
        (~pl.col("is open") & pl.col("took_ms").is_not_null()).sum().alias("final matched"),
    )


def _items(asked: _Sums, rows: pl.DataFrame) -> Iterable[JoinTotal]:
    cohort, complete_from = pl.col("cohort"), asked.told.complete_from
    borders = asked.cohorts.start(cohort).alias("start"), asked.cohorts.end(cohort).alias("end")
    words = outcomes_of(asked.told.fold)
    for row in rows.with_columns(borders).to_dicts():
        start = row["start"] if asked.span.start is None else _later(row["start"], asked.span.start)
        is_partial = complete_from is not None and (start is None or start < complete_from)
        yield JoinTotal(
            cohort_start=iso_ms_or_none(row["start"]),
            cohort_end=iso_ms_or_none(row["end"]),
            count=row["count"],
            value=_value(row, "left"),
            conversion=row["final matched"] / row["final"] if row["final"] else None,
            right_value=_value(row, "right"),
            median_ms=row["median_ms"],
            p90_ms=row["p90_ms"],
            open=row["open"],
            outcomes={
                word: OutcomeTotal(
                    row[f"{_as(word)} count"],
                    _value(row, _as(word)),
                    _rows_url(asked.told, word, start, row["end"]),
                )
                for word in words
            },
            partial=is_partial,
        )


def _as(outcome: str) -> str:
    """The column of an outcome, whatever word it is."""
    return f"as {outcome}"


def _later(one: int | None, other: int) -> int:
    return other if one is None else max(one, other)


def _value(row: Mapping[str, Any], whose: str) -> float:
    units, micros = int(row[f"{whose} units"]), int(row[f"{whose} micros"])
    return (units * MICROS_PER_UNIT + micros) / MICROS_PER_UNIT


def _rows_url(told: Told, outcome: str, start: int | None, end: int | None) -> str:
    """Where those are listed who are counted."""
    borders = {"from": iso_ms_or_none(start), "to": iso_ms_or_none(end)}
    asked = {"outcome": outcome} | {name: text for name, text in borders.items() if text}
    return f"{JOINS_PATH}{told.fold.name}?{urlencode(asked)}"
