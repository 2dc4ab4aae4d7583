"""What sessions come to, by the day of a time zone that they began on."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import polars as pl

from rtcdp.answers.cursor import read_cursor, write_cursor
from rtcdp.answers.fold_rows import Told, open_told, slices_of, span_of
from rtcdp.answers.folds import SESSIONS, find_fold
from rtcdp.answers.freshness import Installation, WholeAnswer
from rtcdp.answers.instant import iso_ms
from rtcdp.answers.question import NAMES, Cursor, From, Limit, Since, To, Zone, check_zone
from rtcdp.answers.sessions import Which
from rtcdp.definitions import MICROS_PER_UNIT, in_polars
from rtcdp.folds.days import local_day, period_start

_DAY = "day"
_DAY_NUMBER = range(-(10**7), 10**7)
_STORED = ("end", "page_view_count", "value_units", "value_micros", "converted")
_SUMS = ("page_view_count", "value_units", "value_micros")


class SessionDaysQuestion(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Which days of sessions."""

    fold: Which = SESSIONS
    start_from: From = None
    start_to: To = None
    since: Since = None
    tz: Zone = "UTC"
    limit: Limit = 100
    cursor: Cursor = None


class SessionSums(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What sessions come to: those that began on one `day` of the time zone, or all of them. A
    bounce has one page view; engaged is one that has two, or lasts ten seconds, or has a
    conversion. `open_count` of them may still change."""

    day: str | msgspec.UnsetType = msgspec.UNSET
    day_start: str | msgspec.UnsetType = msgspec.UNSET
    session_count: int
    bounce_count: int
    bounce_rate: float
    engaged_count: int
    engaged_rate: float
    converted_count: int
    conversion: float
    mean_duration_ms: float
    median_duration_ms: float
    page_view_count: int
    value: float
    open_count: int
    partial: bool = False


class SessionDays(WholeAnswer, omit_defaults=True):
    """Days, newest first, and all of them together as `total`, null where there is none."""

    items: list[SessionSums]
    total: SessionSums | None
    tz: str
    next_cursor: str | None


def session_days(installation: Installation, question: SessionDaysQuestion) -> SessionDays:
    """A page of days. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    fold = find_fold(installation.folds, question.fold, SESSIONS)
    check_zone(question.tz)
    position = read_cursor(question.cursor, (_DAY_NUMBER,))
    span = span_of(question.start_from, question.start_to, question.since, installation)
    with open_told(installation, fold) as told:
        slices = slices_of(told, told.kept(span), _STORED)
        sessions = pl.concat(_measured(told, rows, question.tz) for rows in slices)
    days = _summed(sessions, [_DAY]).sort(_DAY, descending=True)
    total = [*map(_sums, _summed(sessions, []).to_dicts())] if sessions.height else []
    if position is not None:
        days = days.filter(pl.col(_DAY) < position[0])
    page = days.head(question.limit)
    has_more = days.height > page.height
    return SessionDays(
        items=[*_days(page, question.tz, told.complete_from)],
        total=SessionSums(**total[0]) if total else None,
        tz=question.tz,
        next_cursor=write_cursor((page[_DAY][-1],)) if has_more else None,
        **told.fields,
    )


def _measured(told: Told, rows: pl.DataFrame, tz: str) -> pl.DataFrame:
    """Of each session its day and what is counted of it, as narrow as can be."""
    shown = {each.field: each.sql for each in told.view.columns}
    flags = (in_polars(shown[name]).alias(name) for name in ("bounce", "engaged", "converted"))
    return rows.select(
        local_day(pl.col("start"), tz).alias(_DAY),
        in_polars(shown["duration_ms"]).alias("duration_ms"),
        *(pl.col(name) for name in _SUMS),
        *flags,
        told.is_open().alias("open"),
    )


def _summed(sessions: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    duration = pl.col("duration_ms").cast(pl.Float64)
    values = (
        pl.len().cast(pl.Int64).alias("session_count"),
        *(pl.col(name).sum().cast(pl.Int64) for name in ("bounce", "engaged", "converted", "open")),
        duration.mean().alias("mean_duration_ms"),
        duration.median().alias("median_duration_ms"),
        *(pl.col(name).sum() for name in _SUMS),
    )
    return sessions.group_by(by).agg(values) if by else sessions.select(values)


def _sums(row: Mapping[str, Any]) -> dict[str, Any]:
    count = row["session_count"]
    micros = row["value_units"] * MICROS_PER_UNIT + row["value_micros"]
    return {
        "session_count": count,
        "bounce_count": row["bounce"],
        "bounce_rate": row["bounce"] / count,
        "engaged_count": row["engaged"],
        "engaged_rate": row["engaged"] / count,
        "converted_count": row["converted"],
        "conversion": row["converted"] / count,
        "mean_duration_ms": row["mean_duration_ms"],
        "median_duration_ms": row["median_duration_ms"],
        "page_view_count": row["page_view_count"],
        "value": micros / MICROS_PER_UNIT,
        "open_count": row["open"],
    }


def _days(page: pl.DataFrame, tz: str, complete_from: int | None) -> Iterable[SessionSums]:
    start = period_start(pl.col(_DAY), tz, "day").alias("day_start")
    date = pl.col(_DAY).cast(pl.Int32).cast(pl.Date).cast(pl.String).alias("date")
    for row in page.with_columns(start, date).to_dicts():
        is_partial = complete_from is not None and row["day_start"] < complete_from
        yield SessionSums(
            **_sums(row), day=row["date"], day_start=iso_ms(row["day_start"]), partial=is_partial
        )
