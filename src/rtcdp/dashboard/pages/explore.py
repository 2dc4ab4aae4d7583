"""Any metric, by any time and by what its key tells apart: a chart, a table, files, and the request
that says the same."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from markupsafe import Markup

from rtcdp.answers.instant import iso_ms, read_instant
from rtcdp.answers.intervals import Cut, Interval
from rtcdp.answers.query import (
    QueryColumnDescription,
    QueryPage,
    QueryQuestion,
    query_page,
)
from rtcdp.answers.question import NAMES
from rtcdp.answers.windows import FINAL
from rtcdp.api.query import Asked
from rtcdp.api.query_routes import QUERY_PATH
from rtcdp.dashboard.address import Pairs, written
from rtcdp.dashboard.drawing.lines import Line, kind_of, lines
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.period import DAY_MS, HOUR_MS, MINUTE_MS
from rtcdp.dashboard.where import Where, as_pairs, filters_in
from rtcdp.dashboard.words import NOTHING, count
from rtcdp.dashboard.zone import PageZone
from rtcdp.definitions import Metric
from rtcdp.errors import BadRequest, NotThere

PATH, WHY = "/explore", "/why"
_ROWS_MAX = 500
_LINES_MAX = 12
_OF_TEN = 10
INTERVALS = ("auto", "none", "minute", "hour", "day", "week", "month")
LIMITS = (5, 10, 25, 100)


class ExploreQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """What is to be seen."""

    metrics: Annotated[
        tuple[str, ...], msgspec.Meta(description="metrics, measures, or ratios of two")
    ] = ()
    group_by: Annotated[str | None, msgspec.Meta(description="a row for each of this field")] = None
    interval: Annotated[
        Literal["auto", "none", "minute", "hour", "day", "week", "month"],
        msgspec.Meta(description="how long a row is of"),
    ] = "auto"
    where: Where = ()
    limit: Annotated[int, msgspec.Meta(description="so many groups", ge=1, le=1000)] = _OF_TEN


@dataclass(frozen=True)
class Choice:
    """One of several to choose from."""

    value: str
    title: str
    is_chosen: bool


@dataclass(frozen=True)
class ChoiceGroup:
    """The measures of a metric."""

    title: str
    choices: Sequence[Choice]


@dataclass(frozen=True)
class LegendItem:
    """The name of a line, and its class."""

    name: str
    kind: str


@dataclass(frozen=True)
class Chart:
    """One column over time."""

    name: str
    says: str
    drawing: Markup
    legend: Sequence[LegendItem]


@dataclass(frozen=True)
class Cell:
    """A value as it is written, and where the events behind it are."""

    text: str
    href: str | None


@dataclass(frozen=True)
class RowShown:
    """A row of the table; `only_href` shows its group alone. It has no time of its own where each
    row is of all of it."""

    start: int | None
    label: str
    group: str | None
    only_href: str | None
    cells: Sequence[Cell]
    is_open: bool
    is_partial: bool


@dataclass(frozen=True)
class ExploreShown:
    """The choices, and the answer to them, or why there is none."""

    choices: Sequence[ChoiceGroup]
    beside: Sequence[ChoiceGroup]
    fields: Sequence[Choice]
    intervals: Sequence[Choice]
    limits: Sequence[Choice]
    filters: Sequence[tuple[str, str]]
    kept: Pairs
    filter_example: str | None
    answer: QueryPage | None = None
    detail: str = ""
    hint: str = ""
    charts: Sequence[Chart] = ()
    rows: Sequence[RowShown] = ()
    heads: Sequence[str] = ()
    time_title: str | None = None
    group_title: str | None = None
    api: str = ""


def shown(asked: PageAsked[ExploreQuestion]) -> ExploreShown | None:
    """What was chosen; None where the catalog is empty."""
    metrics = asked.installation.metrics
    if not metrics:
        return None
    question = asked.question
    texts = question.metrics or (_first(metrics),)
    offered = _offered(asked, texts)
    try:
        query = _query(asked, texts)
        answer = query_page(asked.installation, query)
    except (BadRequest, NotThere) as error:
        return ExploreShown(**offered, detail=str(error), hint=error.hint)
    groups = _groups(answer)
    is_crossed = bool(query.group_by) and query.interval != "none" and len(answer.columns) == 1
    return ExploreShown(
        **offered,
        answer=answer,
        charts=_charts(answer, query, asked.zone),
        rows=_rows(asked, answer, query, is_crossed=is_crossed),
        heads=[name for name, _ in groups] if is_crossed else [c.name for c in answer.columns],
        time_title=None if query.interval == "none" else query.interval,
        group_title=None if is_crossed else question.group_by,
        api=written(QUERY_PATH, _pairs(asked, query)),
    )


def _first(metrics: Sequence[Metric]) -> str:
    return f"{metrics[0].name}.{metrics[0].measures[0].name}"


def _query(asked: PageAsked[ExploreQuestion], texts: Sequence[str]) -> QueryQuestion:
    question, period = asked.question, asked.period
    names = {part.partition(".")[0].strip() for text in texts for part in _parts(text)}
    known = [metric for metric in asked.installation.metrics if metric.name in names]
    interval = question.interval
    chosen: Interval = _fitting(period.length, known) if interval == "auto" else interval
    return QueryQuestion(
        metrics=tuple(texts),
        equals=filters_in(question.where),
        group_by=() if question.group_by is None else (question.group_by,),
        interval=chosen,
        tz=asked.zone.name,
        start_from=None if period.moves else period.start,
        since=period.length if period.moves else None,
        start_to=None if period.moves else period.end,
        order_by=None if chosen == "none" else "-window_start",
        limit=question.limit,
        fill="zero" if chosen != "none" else "none",
    )


def _parts(text: str) -> list[str]:
    return [part for each in text.split(",") for part in each.split("/")]


def _fitting(length_ms: int, metrics: Sequence[Metric]) -> Interval:
    """What makes some dozens of rows, and is no shorter than a window."""
    window_ms = max((metric.window.bucket_ms for metric in metrics), default=MINUTE_MS)
    for interval, each_ms, up_to_ms in (
        ("minute", MINUTE_MS, 3 * HOUR_MS),
        ("hour", HOUR_MS, 4 * DAY_MS),
        ("day", DAY_MS, 100 * DAY_MS),
        ("week", 7 * DAY_MS, 700 * DAY_MS),
    ):
        if length_ms <= up_to_ms and window_ms <= each_ms:
            return interval  # type: ignore[return-value]
    return "month"


def _pairs(asked: PageAsked[ExploreQuestion], query: QueryQuestion) -> list[tuple[str, str]]:
    """The same question to the API."""
    period = asked.period
    if period.moves:
        time = [("since", f"{-(-period.length // MINUTE_MS)}m")]
    else:
        time = [("from", iso_ms(period.start)), ("to", iso_ms(period.end))]
    found = [*(("metrics", text) for text in query.metrics)]
    found += [("group_by", name) for name in query.group_by]
    found += [("interval", query.interval), ("tz", query.tz), *time, *as_pairs(query.equals)]
    if query.order_by is not None:
        found.append(("order_by", query.order_by))
    if query.group_by:
        found.append(("limit", str(query.limit)))
    return [*found, ("fill", query.fill)] if query.fill != "none" else found


def _offered(asked: PageAsked[ExploreQuestion], texts: Sequence[str]) -> dict[str, Any]:
    question, metrics = asked.question, asked.installation.metrics
    first, *others = texts
    named = {part.partition(".")[0] for text in texts for part in _parts(text)}
    keys = [set(metric.key_names) for metric in metrics if metric.name in named]
    common = sorted(set.intersection(*keys)) if keys else []
    if question.group_by and question.group_by not in common:
        common.append(question.group_by)
    return {
        "choices": _choices(metrics, first),
        "beside": _choices(metrics, others[0] if others else ""),
        "fields": [Choice(name, name, name == question.group_by) for name in common],
        "intervals": [Choice(each, each, each == question.interval) for each in INTERVALS],
        "limits": [
            Choice(str(each), f"{each} largest", each == question.limit)
            for each in sorted({*LIMITS, question.limit})
        ],
        "filters": [
            (text, asked.address.without("where", text)) for text in dict.fromkeys(question.where)
        ],
        "kept": asked.address.hidden("metrics", "group_by", "interval", "limit", "cursor"),
        "filter_example": common[0] if common else None,
    }


def _choices(metrics: Sequence[Metric], chosen: str) -> list[ChoiceGroup]:
    """Every measure that there is; and what was chosen, if it is none, like a ratio."""
    groups = [
        ChoiceGroup(
            metric.title,
            [
                Choice(value, measure.name.replace("_", " "), value == chosen)
                for measure in metric.measures
                for value in [f"{metric.name}.{measure.name}"]
            ],
        )
        for metric in metrics
    ]
    if chosen and not any(each.is_chosen for group in groups for each in group.choices):
        groups.insert(0, ChoiceGroup("As asked", [Choice(chosen, chosen, is_chosen=True)]))
    return groups


def _groups(answer: QueryPage) -> list[tuple[str, bool]]:
    """What rows are of, the first one first, and whether that is all others."""
    found = (_group(answer, item) for item in answer.items)
    return list(dict.fromkeys(group for group in found if group is not None))


def _charts(answer: QueryPage, query: QueryQuestion, zone: PageZone) -> list[Chart]:
    if answer.interval == "none":
        return []
    starts = sorted({item["window_start"] for item in answer.items})
    place_of = {start: place for place, start in enumerate(starts)}
    times = labels(answer.interval, [read_instant("from", start) for start in starts], zone)
    whole = {item["window_start"]: item[FINAL] for item in answer.items}
    if starts and _is_cut_off(query, starts[-1], answer.start_to):
        whole[starts[-1]] = False
    open_from = next((place for place, start in enumerate(starts) if not whole[start]), len(starts))
    groups = list(dict.fromkeys(_group(answer, item) for item in answer.items))[:_LINES_MAX]
    charts = []
    for column in answer.columns:
        if column.type not in ("integer", "real"):
            continue
        series = []
        for place, group in enumerate(groups):
            values: list[float | None] = [None] * len(starts)
            for item in answer.items:
                if _group(answer, item) == group:
                    values[place_of[item["window_start"]]] = item[column.name]
            name = column.name if group is None else group[0]
            is_other = group is not None and group[1]
            series.append(Line(name, values, kind_of(place, is_other=is_other)))
        legend = [LegendItem(line.name, line.kind) for line in series]
        drawing = lines(column.name, times, series, open_from)
        charts.append(
            Chart(
                column.name,
                column.says.replace("`", ""),
                drawing,
                legend if answer.group_by else [],
            )
        )
    return charts


def _is_cut_off(query: QueryQuestion, start: str, end: str) -> bool:
    """Whether the time that begins there goes on after the end of what was asked for."""
    cut = Cut(query.interval, query.tz, query.week_starts)
    return cut.end_of(read_instant("from", start)) > read_instant("to", end)


def _group(answer: QueryPage, item: Mapping[str, Any]) -> tuple[str, bool] | None:
    """What a row is of, and whether that is all others; None where nothing is told apart."""
    if not answer.group_by:
        return None
    if item.get("other"):
        return f"{count(answer.other_count)} others", True
    return " · ".join(str(item[name]) for name in answer.group_by), False


def labels(interval: str, starts: Sequence[int], zone: PageZone) -> list[str]:
    """What times are called that begin there. Where two have one name, those of the night that
    clocks are put back are told apart by how far they are from UTC, and days by their year."""
    is_clock = interval in ("minute", "hour")
    names = [
        f"{zone.day(start)}, {zone.minute(start)}"
        if is_clock
        else f"{zone.local(start):%b %Y}"
        if interval == "month"
        else zone.day(start)
        for start in starts
    ]
    times = Counter(names)
    return [
        name
        if times[name] == 1
        else f"{name} {zone.offset(start) if is_clock else zone.local(start).year}"
        for name, start in zip(names, starts, strict=True)
    ]


def _rows(
    asked: PageAsked[ExploreQuestion], answer: QueryPage, query: QueryQuestion, *, is_crossed: bool
) -> list[RowShown]:
    """The rows of the table; where it `is_crossed`, one for each time with a cell for each group,
    else as they came."""
    together: dict[object, list[Mapping[str, Any]]] = {}
    for place, item in enumerate(answer.items):
        together.setdefault(item["window_start"] if is_crossed else place, []).append(item)
    kept = list(together.values())[:_ROWS_MAX]
    starts = list(dict.fromkeys(_start(items[0]) for items in kept))
    label_of = dict(zip(starts, labels(answer.interval, starts, asked.zone), strict=True))
    heads = _groups(answer)
    rows = []
    for items in kept:
        start, first = _start(items[0]), items[0]
        in_order: list[Mapping[str, Any] | None] = list(items)
        if is_crossed:
            # A time need not have a row of every group; cells stand below the groups' heads.
            item_of = {_group(answer, item): item for item in items}
            in_order = [item_of.get(group) for group in heads]
        cells = [
            Cell(NOTHING, None)
            if item is None
            else Cell(_text(item[column.name]), _why(asked, answer, query, column, item))
            for item in in_order
            for column in answer.columns
        ]
        group = None if is_crossed else _group(answer, first)
        rows.append(
            RowShown(
                start=None if answer.interval == "none" else start,
                label=label_of[start],
                group=None if group is None else group[0],
                only_href=None if group is None or group[1] else _only(asked, query, first),
                cells=cells,
                is_open=not first[FINAL],
                is_partial=bool(first.get("partial")),
            )
        )
    return rows


def _start(item: Mapping[str, Any]) -> int:
    return read_instant("from", item["window_start"])


def _only(
    asked: PageAsked[ExploreQuestion], query: QueryQuestion, item: Mapping[str, Any]
) -> str | None:
    """The same page of one group alone, unless it is that already."""
    field = query.group_by[0]
    pair = ("where", f"{field}={item[field]}")
    return None if pair in asked.address.pairs else written(PATH, [*asked.address.pairs, pair])


def _text(value: object) -> str:
    match value:
        case None:
            return NOTHING
        case list():
            return ", ".join(" ".join(map(str, each.values())) for each in value[:5]) or NOTHING
        case float() if 0 < abs(value) < 1:
            return f"{value:.3g}"
        case int() | float():
            return count(value)
        case _:
            return str(value)


def _why(
    asked: PageAsked[ExploreQuestion],
    answer: QueryPage,
    query: QueryQuestion,
    column: QueryColumnDescription,
    item: Mapping[str, Any],
) -> str | None:
    """Where the events behind a value are told; a row of all others has no such list, and a ratio
    has two."""
    if item.get("other") or column.divided_by is not None:
        return None
    own = {name: (str(item[name]),) for name in answer.group_by}
    where = as_pairs({**query.equals, **own})
    return written(
        WHY,
        [
            ("metrics", f"{column.metric}.{column.measure}"),
            ("from", item["window_start"]),
            ("to", item["window_end"]),
            *(("where", f"{name}={text}") for name, text in where),
            ("tz", asked.zone.name),
            ("back", written(PATH, list(asked.address.pairs))),
        ],
    )


PAGE = DashboardPage(
    title="Explore",
    paths=(PATH,),
    template="explore.html",
    shown=shown,
    asked=Asked(ExploreQuestion),
    default_period_ms=DAY_MS,
)
