"""Metrics by any time and by what their keys tell apart: one table for a chart, a page or a
spreadsheet.

What is asked for is put together from the states of windows (`rtcdp.answers.rollup`), so that a
week is as exact as a minute. A row is of the time [`window_start`, `window_end`); all rows together
are of [`from`, `to`), which is widened to whole windows of the metrics.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec

from rtcdp.answers.enriched import read_as
from rtcdp.answers.export import ColumnType
from rtcdp.answers.freshness import Installation, WholeAnswer, open_reading
from rtcdp.answers.instant import EARLIEST, iso_ms, iso_ms_or_none, read_instant
from rtcdp.answers.intervals import Cut, Interval, local_iso
from rtcdp.answers.keeper import keeper_of
from rtcdp.answers.metrics import is_incomplete
from rtcdp.answers.query_columns import QueryColumn, columns_of
from rtcdp.answers.query_rows import OTHER, Order, Parts, Rows, rows_of
from rtcdp.answers.question import NAMES, Since, Texts, Zone, check_zone
from rtcdp.answers.rollup import (
    Wanted,
    check_tiles,
    needed_for,
    rolled_up,
    tile_end,
    tile_start,
)
from rtcdp.answers.windows import FINAL, PARTIAL, complete_from_of
from rtcdp.clock import DAY_MS
from rtcdp.definitions import BUCKET_START, Metric
from rtcdp.errors import BadRequest, did_you_mean
from rtcdp.events.calendar import Weekday, midnight

DEFAULT_SINCE_MS = 7 * DAY_MS
TIME = "window_start"

_END, _LOCAL, _OTHER, _ESTIMATED, _UTC = "window_end", "local_start", "other", "estimated", "UTC"

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ROUNDS = 100

Moment = Annotated[
    int | str | None,
    msgspec.Meta(
        description="ISO-8601 with offset, a date alone (its beginning in `tz`), or ms since 1970",
        extra={"written": "text"},
    ),
]


class QueryQuestion(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Which numbers of which metrics, over which time. What `equals` and `group_by` may name are
    fields that all of the metrics are keyed by."""

    metrics: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="`NAME` for all measures of a metric, `NAME.MEASURE` for one, "
            "`NAME.MEASURE/NAME.MEASURE` for a ratio; several, or with commas between"
        ),
    ] = ()
    equals: Texts = {}
    group_by: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="a row for each value of this key field; several, or with commas"),
    ] = ()
    interval: Annotated[
        Interval, msgspec.Meta(description="a row for each of these; none: one for all the time")
    ] = "none"
    tz: Zone = "UTC"
    week_starts: Annotated[Weekday, msgspec.Meta(description="the day that weeks begin with")] = (
        "monday"
    )
    start_from: Moment = None
    since: Since = None
    start_to: Moment = None
    order_by: Annotated[
        str | None,
        msgspec.Meta(
            description="what groups are ranked by over all the time: a column or a key field, "
            "with `-` before it the largest first; `-window_start` begins with the latest time"
        ),
    ] = None
    limit: Annotated[
        int,
        msgspec.Meta(
            description="so many groups are told apart; all others are one more row, `other`",
            ge=1,
            le=10_000,
        ),
    ] = 100
    fill: Annotated[
        Literal["none", "zero"],
        msgspec.Meta(description="zero: a row also where nothing happened, up to now"),
    ] = "none"


class QueryColumnDescription(msgspec.Struct, omit_defaults=True):
    """A column of numbers: its `name` in the rows, the `metric` and `measure` it is of, with
    `divided_by` where it is a ratio of two; `kind` is the word of the vocabulary, `type` one of
    integer, real, text, list. `says` puts it into words."""

    name: str
    metric: str
    measure: str
    kind: str
    type: Literal["integer", "real", "text", "list"]
    says: str
    divided_by: str | None = None


class QueryPage(WholeAnswer, omit_defaults=True, rename=NAMES):
    """Rows by time, then by rank: `window_start` and `window_end`, `local_start` as the clock of
    `tz` shows it where that is not UTC, the key fields of `group_by`, a value for each of
    `columns`, and whether it is `final`. A row that is `other` stands for all
    groups beyond the limit (`other_count` of `group_count`), and its key fields are null. Columns
    named in `estimated` are beyond the bound up to which they are exact. `partial` rows miss
    events: they begin before `complete_from`."""

    items: list[dict[str, Any]]
    columns: list[QueryColumnDescription]
    group_by: tuple[str, ...]
    interval: str
    tz: str
    start_from: str
    start_to: str
    group_count: int
    other_count: int


@dataclass(frozen=True)
class _Plan:
    """A question that can be answered. `edges` (UTC ms) are where rows begin, and the last end, in
    the time of `zone`."""

    columns: tuple[QueryColumn, ...]
    metrics: Mapping[str, Metric]
    by: tuple[str, ...]
    edges: list[int]
    zone: str
    order: Order


def query_page(installation: Installation, question: QueryQuestion) -> QueryPage:
    """The rows of a query.

    Raises `BadRequest` for what can't be put together, and says what can, `NotThere` for a metric
    or measure that is not there, and `StoreUnavailable`.
    """
    now_ms = installation.clock.now_ms()
    plan = _planned(installation, question, now_ms)
    # Asked before the snapshot is taken: a backfill that ends in between is in it entirely.
    keeper = keeper_of(installation, list(plan.metrics.values()))
    incomplete = any(is_incomplete(installation.store, each) for each in plan.metrics.values())
    with open_reading(installation) as reading:
        snapshot = reading.snapshot
        watermark = snapshot.progress.watermark(installation.allowed_lateness_ms)
        limits = [
            complete_from_of(read_as(snapshot, metric), metric) for metric in plan.metrics.values()
        ]
        complete_from = max((limit for limit in limits if limit is not None), default=None)
        rollups = {
            name: rolled_up(snapshot, metric, _wanted(plan, question, metric), keeper)
            for name, metric in plan.metrics.items()
        }
    parts = Parts(plan.metrics, rollups, plan.by)
    fill = None
    if question.fill == "zero":
        fill = [
            edge
            for edge in plan.edges[:-1]
            if edge <= now_ms and (complete_from is None or edge >= complete_from)
        ]
    rows = rows_of(parts, plan.columns, plan.order, question.limit, fill)
    return QueryPage(
        items=_items(plan, rows, EARLIEST if watermark is None else watermark, complete_from),
        columns=[_described(column) for column in plan.columns],
        group_by=plan.by,
        interval=question.interval,
        tz=question.tz,
        start_from=iso_ms(plan.edges[0]),
        start_to=iso_ms(plan.edges[-1]),
        group_count=rows.group_count if plan.by else 0,
        other_count=rows.other_count,
        incomplete=incomplete,
        complete_from=iso_ms_or_none(complete_from),
        **reading.freshness.fields,
    )


def _wanted(plan: _Plan, question: QueryQuestion, metric: Metric) -> Wanted:
    names = [
        value.measure.name
        for column in plan.columns
        for value in column.values
        if value.metric is metric
    ]
    return Wanted(needed_for(metric, names), plan.edges, plan.by, question.equals)


def _planned(installation: Installation, question: QueryQuestion, now_ms: int) -> _Plan:
    check_zone(question.tz)
    columns = columns_of(installation.metrics, question.metrics)
    metrics = {value.metric.name: value.metric for each in columns for value in each.values}
    texts = (text.strip() for each in question.group_by for text in each.split(","))
    by = tuple(dict.fromkeys(text for text in texts if text))
    for metric in metrics.values():
        check_tiles(metric)
        for name in (*by, *question.equals):
            _refuse_other_field(metric, name, installation.metrics)
    edges = _edges(question, list(metrics.values()), now_ms)
    return _Plan(columns, metrics, by, edges, question.tz, _order(question, columns, by))


def _refuse_other_field(metric: Metric, name: str, metrics: Sequence[Metric]) -> None:
    if name in metric.key_names:
        return
    own = ", ".join(metric.key_names)
    others = [each.name for each in metrics if name in each.key_names]
    hint = did_you_mean(name, metric.key_names)
    hint += f"of {metric.name}, ask by {own}" if own else f"{metric.name} has no key: leave it away"
    if others:
        hint += f"; by {name}, ask for {', '.join(others)}"
    raise BadRequest(f"{metric.name} is not counted by {name[:100]}", hint)


def _order(question: QueryQuestion, columns: Sequence[QueryColumn], by: Sequence[str]) -> Order:
    numbers = {column.name: column for column in columns if column.is_number}
    text = question.order_by
    first = next(iter(numbers.values()), None)
    if text is None:
        return Order(first, descending=first is not None)
    name, descending = text.removeprefix("-"), text.startswith("-")
    if name == TIME:
        return Order(first, descending=first is not None, newest_first=descending)
    if name in by:
        return Order(key_field=name, descending=descending)
    if name in numbers:
        return Order(numbers[name], descending=descending)
    known = [TIME, *by, *numbers]
    raise BadRequest(
        f"nothing can be ordered by {name[:100]!r}",
        f"{did_you_mean(name, known)}send one of: {', '.join(known)}; with - before it to turn it"
        " round",
    )


def _edges(question: QueryQuestion, metrics: Sequence[Metric], now_ms: int) -> list[int]:
    """Where rows begin, and where the last one ends. Raises `BadRequest`."""
    cut = Cut(question.interval, question.tz, question.week_starts)
    if question.start_from is None:
        since_ms = DEFAULT_SINCE_MS if question.since is None else question.since
        begin = cut.start_of(max(EARLIEST, now_ms - since_ms))
    elif question.since is not None:
        raise BadRequest("from and since both say where to begin", "send one of them")
    else:
        begin = _moment("from", question.start_from, question.tz)
    if question.start_to is None:
        piece = cut.start_of(now_ms)
        end = now_ms + 1 if question.interval == "none" else cut.end_of(piece)
    else:
        end = _moment("to", question.start_to, question.tz)
    if begin >= end:
        raise BadRequest(
            f"there is no time from {iso_ms(begin)} to {iso_ms(end)}", "let to be later than from"
        )
    begin, end = _down(begin, metrics), _up(end, metrics)
    edges = cut.edges(begin, end)
    for metric in metrics:
        for edge in edges[1:-1]:
            if tile_start(metric, edge) != edge:
                raise _cut_through(metric, question, edge)
    return edges


def _cut_through(metric: Metric, question: QueryQuestion, edge: int) -> BadRequest:
    unit = question.interval
    return BadRequest(
        f"{metric.name} is counted in windows that no {unit} of {question.tz} fits: one begins at"
        f" {iso_ms(edge)}, in the middle of the window from {iso_ms(tile_start(metric, edge))} on",
        "send a longer interval, another tz, or a metric with shorter windows",
    )


def _down(instant: int, metrics: Sequence[Metric]) -> int:
    """The last time up to the instant at which a window of each metric begins."""
    return _settled(instant, [lambda at, m=metric: tile_start(m, at) for metric in metrics])


def _up(instant: int, metrics: Sequence[Metric]) -> int:
    """The first time from the instant on at which a window of each metric begins."""

    def up(metric: Metric, at: int) -> int:
        start = tile_start(metric, at)
        return at if start == at else tile_end(metric, start)

    return _settled(instant, [lambda at, m=metric: up(m, at) for metric in metrics])


def _settled(instant: int, steps: Sequence[Any]) -> int:
    for _ in range(_ROUNDS):
        before = instant
        for step in steps:
            instant = step(instant)
        if instant == before:
            return instant
    raise BadRequest(
        "the windows of these metrics never begin at the same time", "ask for them one by one"
    )


def _moment(name: str, given: int | str, zone: str) -> int:
    """UTC milliseconds. Raises `BadRequest`."""
    if isinstance(given, int):
        return given
    if _DATE.fullmatch(given) is None:
        return read_instant(name, given)
    # Refuses what is no date, or one that no event can have.
    read_instant(name, given)
    return midnight(date.fromisoformat(given), zone)


def _items(
    plan: _Plan, rows: Rows, final_until: int, complete_from: int | None
) -> list[dict[str, Any]]:
    starts = rows.index[BUCKET_START].to_list()
    end_of = dict(pairwise(plan.edges))
    names = [column.name for column in plan.columns]
    keys = [rows.index[name].to_list() for name in plan.by]
    is_other = rows.index[OTHER].to_list()
    estimated = [(name, rows.estimated[name]) for name in names if any(rows.estimated[name])]
    values = [rows.values[name] for name in names]
    items: list[dict[str, Any]] = []
    for place, start in enumerate(starts):
        item: dict[str, Any] = {TIME: iso_ms(start), _END: iso_ms(end_of[start])}
        if plan.zone != _UTC:
            item[_LOCAL] = local_iso(start, plan.zone)
        for name, texts in zip(plan.by, keys, strict=True):
            item[name] = None if is_other[place] else texts[place]
        for name, column in zip(names, values, strict=True):
            item[name] = column[place]
        item[FINAL] = end_of[start] <= final_until
        if is_other[place]:
            item[_OTHER] = True
        if complete_from is not None and start < complete_from:
            item[PARTIAL] = True
        if of_row := [name for name, is_estimate in estimated if is_estimate[place]]:
            item[_ESTIMATED] = of_row
        items.append(item)
    return items


def types_of(page: QueryPage) -> dict[str, ColumnType]:
    """The columns that rows of the page may have, in order, and what is in them."""
    local: dict[str, ColumnType] = {} if page.tz == _UTC else {_LOCAL: "text"}
    found: dict[str, ColumnType] = {TIME: "instant", _END: "instant", **local}
    found |= dict.fromkeys(page.group_by, "text")
    found |= {column.name: column.type for column in page.columns}
    found[FINAL] = "boolean"
    # These are there where there is something to tell.
    rare: dict[str, ColumnType] = {_OTHER: "boolean", PARTIAL: "boolean", _ESTIMATED: "texts"}
    return found | {
        name: kind for name, kind in rare.items() if any(name in item for item in page.items)
    }


def _described(column: QueryColumn) -> QueryColumnDescription:
    return QueryColumnDescription(
        name=column.name,
        metric=column.of.metric.name,
        measure=column.of.measure.name,
        kind=column.kind,
        type=column.type,
        says=column.says,
        divided_by=None if column.to is None else column.to.name,
    )
