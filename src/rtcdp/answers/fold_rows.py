"""The rows of a fold: a page of them, newest first, and all of a range for what is computed of
them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import msgspec
import polars as pl

from rtcdp.answers.cursor import (
    INSTANT,
    Part,
    Shape,
    combinations,
    cursor_after,
    read_cursor,
)
from rtcdp.answers.export import ColumnType
from rtcdp.answers.folds import is_incomplete
from rtcdp.answers.freshness import (
    Fresh,
    Freshness,
    Installation,
    Reading,
    WholeAnswer,
    open_reading,
)
from rtcdp.answers.instant import iso_ms_or_none
from rtcdp.answers.question import NAMES, Cursor, From, Limit, Since, Texts, To, beginning
from rtcdp.answers.windows import complete_from_of, floor_of
from rtcdp.clock import EARLIEST_MS, LATEST_MS
from rtcdp.definitions import RANGE_FROM, RANGE_TO, Fold, RowView, in_polars
from rtcdp.errors import BadRequest
from rtcdp.store import RowScan, StoreSnapshot

OPEN = "open"
"""What tells of a row whether an event may still change it."""

PARTIAL = "partial"
"""What a row is called that may miss events."""

ROWS_MAX = 1_000_000
"""What is computed of rows at the time of asking is computed of so many at most."""

LOOKED_AT_MAX = 20_000
"""So many rows are looked at for one page of those that are open, or final."""

_SLICE_ROWS = 100_000
_NUMBER = range(-(2**63), 2**63)

State = Annotated[
    Literal["open", "final"] | None,
    msgspec.Meta(description="rows that events may still change (open), or not any more (final)"),
]


class RowsQuestion(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Which rows of a fold, by when they begin. What `equals` may name is its key."""

    equals: Texts = {}
    start_from: From = None
    start_to: To = None
    since: Since = None
    state: State = None
    limit: Limit = 100
    cursor: Cursor = None


class RowsPage(WholeAnswer, omit_defaults=True):
    """Rows, newest first: values by their names, and `open`. A page may hold few or none and still
    have a `next_cursor`. `incomplete` is there while no engine has told all events of it.
    `complete_from` is there when older events were deleted before they could be told, or older
    rows: those that begin before are left out or marked `partial`."""

    items: list[dict[str, Any]]
    next_cursor: str | None


@dataclass(frozen=True)
class Span:
    """Rows that begin in [`start`, `end`) (UTC ms)."""

    start: int | None = None
    end: int | None = None


class FreshAndWhole(Fresh):
    """How fresh an answer is and what is missing, as its own fields say it."""

    incomplete: bool
    complete_from: str | None


@dataclass(frozen=True)
class Told:
    """One state of the rows of a fold, and what it takes to show them: up to where all is final,
    from where on nothing is missing (UTC ms), and whether some of it is still to be told."""

    fold: Fold
    snapshot: StoreSnapshot
    watermark: int | None
    complete_from: int | None
    freshness: Freshness = Freshness(None, None)
    incomplete: bool = False

    @property
    def fields(self) -> FreshAndWhole:
        return FreshAndWhole(
            **self.freshness.fields,
            incomplete=self.incomplete,
            complete_from=iso_ms_or_none(self.complete_from),
        )

    @property
    def view(self) -> RowView:
        view = self.fold.table.view
        assert view is not None, "a fold has a view"
        return view

    def is_open(self) -> pl.Expr:
        """Which rows events may still change."""
        settled = self.view.settled
        if settled is None or self.watermark is None:
            return pl.col(self.fold.key).is_not_null()
        return in_polars(settled) > self.watermark

    def shown(self, rows: pl.DataFrame) -> list[dict[str, Any]]:
        """Rows as answers show them."""
        is_partial = pl.lit(False)
        if self.complete_from is not None:
            is_partial = pl.col(self.fold.step.order[0]) < self.complete_from
        shown = rows.select(
            *(in_polars(each.sql).alias(each.field) for each in self.view.columns),
            self.is_open().alias(OPEN),
            is_partial.alias(PARTIAL),
        )
        instants = [each.field for each in self.view.columns if each.kind == "instant"]
        items = shown.to_dicts()
        for item in items:
            for name in instants:
                item[name] = iso_ms_or_none(item[name])
            if not item[PARTIAL]:
                del item[PARTIAL]
        return items

    def kept(self, span: Span) -> Span:
        """Of a span what retention has left."""
        floor = floor_of(self.snapshot)
        if floor is None:
            return span
        return replace(span, start=floor if span.start is None else max(span.start, floor))


@contextmanager
def open_told(installation: Installation, fold: Fold) -> Iterator[Told]:
    """Open the one state of a fold that a request is answered from. Raises `StoreUnavailable`."""
    # Asked before the snapshot is taken: what is complete by then is in it entirely.
    incomplete = is_incomplete(installation.store, fold)
    with open_reading(installation) as reading:
        yield replace(told_by(installation, reading, fold), incomplete=incomplete)


def told_by(installation: Installation, reading: Reading, fold: Fold) -> Told:
    """The rows of a fold as a request sees them that looks at other things as well."""
    snapshot = reading.snapshot
    watermark = snapshot.progress.watermark(installation.allowed_lateness_ms)
    return Told(fold, snapshot, watermark, complete_from_of(snapshot, fold), reading.freshness)


def types_of_rows(fold: Fold) -> dict[str, ColumnType]:
    """The columns that rows of a fold may have, in their order, and what is in them."""
    assert fold.table.view is not None, "a fold has a view"
    found: dict[str, ColumnType] = {
        each.field: "boolean" if each.kind == "flag" else each.kind
        for each in fold.table.view.columns
    }
    return {**found, OPEN: "boolean", PARTIAL: "boolean"}


Only = Callable[[Told], pl.Expr]
"""Which rows are asked for besides."""


def rows_page(
    installation: Installation, fold: Fold, question: RowsQuestion, only: Only | None = None
) -> RowsPage:
    """A page of a fold's rows; `only` some of them. Raises `BadRequest` and `StoreUnavailable`."""
    after = read_cursor(question.cursor, position_of(fold))
    span = span_of(question.start_from, question.start_to, question.since, installation)
    with open_told(installation, fold) as told:
        asked = _Asked(question, _wanted(told, question, only))
        if question.equals:
            found, next_after = _of_keys(told, asked, told.kept(span), after)
        else:
            found, next_after = _of_all(told, asked, told.kept(span), after)
        items = told.shown(found)
    return RowsPage(
        items=items,
        next_cursor=cursor_after(next_after),
        **told.fields,
    )


def span_of(
    start: int | None, end: int | None, since_ms: int | None, installation: Installation
) -> Span:
    """The span that `from` or `since` and `to` ask for. Raises `BadRequest`."""
    return Span(beginning(start, since_ms, installation.clock.now_ms(), end), end)


def position_of(fold: Fold) -> tuple[Shape, ...]:
    """What a cursor of a fold's rows is made of: their primary key."""
    types = dict(fold.table.columns)
    time = fold.table.time
    return tuple(
        INSTANT if name == time else str if types[name] == "text" else _NUMBER
        for name in fold.table.primary_key
    )


def rows_of_keys(told: Told, keys: Sequence[str], span: Span) -> pl.DataFrame:
    """All rows of some keys that begin in a span, newest first."""
    groups = pl.DataFrame({told.fold.key: list(keys)}, {told.fold.key: pl.String()})
    if span.start is not None or span.end is not None:
        groups = groups.with_columns(
            pl.lit(EARLIEST_MS if span.start is None else span.start, pl.Int64).alias(RANGE_FROM),
            pl.lit(LATEST_MS if span.end is None else span.end, pl.Int64).alias(RANGE_TO),
        )
    return newest_first(told.fold, told.snapshot.rows(told.fold.table, groups))


def newest_first(fold: Fold, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows in the order of answers: by their time backwards, then by the rest of their key."""
    order = _order(fold)
    return rows.sort(order, descending=[True, *[False] * (len(order) - 1)])


def slices_of(told: Told, span: Span, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """All rows that begin in a span, with some columns beside their key, in slices.

    Raises `BadRequest` when there are more than `ROWS_MAX`.
    """
    scan = RowScan(told.fold.table, span.start, span.end, limit=_SLICE_ROWS, columns=tuple(columns))
    count = 0
    while True:
        rows = told.snapshot.row_scan(scan)
        count += rows.height
        if count > ROWS_MAX:
            raise BadRequest(
                f"{told.fold.name} has more than {ROWS_MAX:,} rows in this time",
                "ask for less of it with from and to, or since: since=7d",
            )
        yield rows
        if rows.height < _SLICE_ROWS:
            return
        scan = replace(scan, after=rows.select(told.fold.primary_key).row(-1))


def _order(fold: Fold) -> list[str]:
    time = fold.step.order[0]
    return [time, *(name for name in fold.primary_key if name != time)]


@dataclass(frozen=True)
class _Asked:
    """A question, and which rows it wants; None: all of them."""

    question: RowsQuestion
    wanted: pl.Expr | None

    def among(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows if self.wanted is None else rows.filter(self.wanted)


def _wanted(told: Told, question: RowsQuestion, only: Only | None) -> pl.Expr | None:
    parts = [] if only is None else [only(told)]
    if question.state is not None:
        parts.append(told.is_open() if question.state == "open" else ~told.is_open())
    return pl.all_horizontal(parts) if parts else None


def _of_keys(
    told: Told, asked: _Asked, span: Span, after: tuple[Part, ...] | None
) -> tuple[pl.DataFrame, tuple[Part, ...] | None]:
    """A page of the rows of some keys, and where the next one begins."""
    question = asked.question
    keys = [chosen[told.fold.key] for chosen in combinations(question.equals)]
    rows = asked.among(rows_of_keys(told, keys, span))
    if after is not None:
        rows = rows.filter(beyond(told.fold, dict(zip(told.fold.primary_key, after, strict=True))))
    page = rows.head(question.limit)
    if rows.height <= question.limit:
        return page, None
    return page, page.select(told.fold.primary_key).row(-1)


def _of_all(
    told: Told, asked: _Asked, span: Span, after: tuple[Part, ...] | None
) -> tuple[pl.DataFrame, tuple[Part, ...] | None]:
    """The same of all keys. To find those that are wanted, a bounded number of rows is looked
    at."""
    question = asked.question
    before_ms = told.fold.step.reach.before_ms
    watermark = None if told.view.settled is None else told.watermark
    if question.state == "open" and watermark is not None and before_ms is not None:
        # What begins earlier is beyond the reach of all events that may still come.
        earliest = watermark - before_ms
        span = replace(span, start=earliest if span.start is None else max(span.start, earliest))
    found: list[pl.DataFrame] = []
    looked_at, missing = 0, question.limit
    at_once = question.limit + 1 if asked.wanted is None else max(1000, question.limit + 1)
    while True:
        scan = RowScan(told.fold.table, span.start, span.end, after, at_once)
        rows = told.snapshot.row_scan(scan)
        chosen = asked.among(rows)
        found.append(chosen.head(missing))
        looked_at += rows.height
        missing -= found[-1].height
        if chosen.height > found[-1].height:
            return pl.concat(found), pl.concat(found).select(told.fold.primary_key).row(-1)
        if rows.height < at_once:
            return pl.concat(found), None
        after = rows.select(told.fold.primary_key).row(-1)
        if looked_at >= LOOKED_AT_MAX or missing == 0:
            return pl.concat(found), after


def beyond(fold: Fold, place: Mapping[str, Part]) -> pl.Expr:
    """Which rows come after a place, newest first."""
    time, *others = _order(fold)
    is_beyond = pl.lit(False)
    for name in reversed(others):
        column = pl.col(name)
        is_beyond = (column > place[name]) | ((column == place[name]) & is_beyond)
    instant = pl.col(time)
    return (instant < place[time]) | ((instant == place[time]) & is_beyond)
