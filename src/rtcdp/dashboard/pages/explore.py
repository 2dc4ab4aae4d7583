"""Any metric, by any time and by what its key tells apart: a chart, a table, files, and the request
that says the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from rtcdp.answers.instant import iso_ms
from rtcdp.answers.intervals import Interval
from rtcdp.answers.query import (
    QueryPage,
    QueryQuestion,
    query_page,
)
from rtcdp.answers.question import NAMES
from rtcdp.api.query import Asked
from rtcdp.api.query_routes import QUERY_PATH
from rtcdp.clock import DAY_MS, HOUR_MS, MINUTE_MS
from rtcdp.dashboard.address import Pairs, written
from rtcdp.dashboard.explore.charts import Chart, charts
from rtcdp.dashboard.explore.groups import grouped
from rtcdp.dashboard.explore.table import TableShown, table
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.where import Where, as_pairs, filters_in
from rtcdp.definitions import Metric
from rtcdp.errors import BadRequest, NotThere
from rtcdp.events.calendar import WEEKDAYS, Weekday

PATH = "/explore"
_OF_TEN = 10
INTERVALS = ("auto", "none", "minute", "hour", "day", "week", "month")
LIMITS = (5, 10, 25, 100)
_CHOSEN_HERE = ("metrics", "group_by", "interval", "week_starts", "limit", "cursor")


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
    week_starts: Annotated[Weekday, msgspec.Meta(description="the day that weeks begin with")] = (
        "monday"
    )
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
class ExploreShown:
    """The choices, and the answer to them, or why there is none."""

    choices: Sequence[ChoiceGroup]
    beside: Sequence[ChoiceGroup]
    fields: Sequence[Choice]
    intervals: Sequence[Choice]
    weekdays: Sequence[Choice]
    limits: Sequence[Choice]
    filters: Sequence[tuple[str, str]]
    kept: Pairs
    filter_example: str | None
    answer: QueryPage | None = None
    detail: str = ""
    hint: str = ""
    charts: Sequence[Chart] = ()
    table: TableShown | None = None
    time_title: str | None = None
    group_title: str | None = None
    api: str = ""
    is_nothing: bool = False


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
    rows = grouped(answer)
    shown_table = table(rows, query, asked.address, asked.zone)
    return ExploreShown(
        **offered,
        answer=answer,
        charts=charts(rows, query, asked.zone),
        table=shown_table,
        time_title=None if query.interval == "none" else query.interval,
        group_title=None if shown_table.is_crossed else question.group_by,
        api=written(QUERY_PATH, _pairs(asked, query)),
        is_nothing=not any(item.get(each.name) for item in answer.items for each in answer.columns),
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
        week_starts=question.week_starts,
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
        time = [("since", _since(period.length))]
    else:
        time = [("from", iso_ms(period.start)), ("to", iso_ms(period.end))]
    found = [*(("metrics", text) for text in query.metrics)]
    found += [("group_by", name) for name in query.group_by]
    found += [("interval", query.interval), ("tz", query.tz), *time, *as_pairs(query.equals)]
    if query.interval == "week":
        found.append(("week_starts", query.week_starts))
    if query.order_by is not None:
        found.append(("order_by", query.order_by))
    if query.group_by:
        found.append(("limit", str(query.limit)))
    return [*found, ("fill", query.fill)] if query.fill != "none" else found


def _since(length_ms: int) -> str:
    """How long that is, in the longest unit that it is whole in, or in minutes."""
    units = (("d", DAY_MS), ("h", HOUR_MS))
    whole = (f"{length_ms // each}{unit}" for unit, each in units if length_ms % each == 0)
    return next(whole, f"{-(-length_ms // MINUTE_MS)}m")


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
        "weekdays": [Choice(each, each, each == question.week_starts) for each in WEEKDAYS],
        "intervals": [Choice(each, each, each == question.interval) for each in INTERVALS],
        "limits": [
            Choice(str(each), f"{each} largest", each == question.limit)
            for each in sorted({*LIMITS, question.limit})
        ],
        "filters": [
            (text, asked.address.without("where", text)) for text in dict.fromkeys(question.where)
        ],
        "kept": asked.address.hidden("metrics", "group_by", "interval", "week_starts", "limit"),
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


PAGE = DashboardPage(
    title="Explore",
    paths=(PATH,),
    template="explore.html",
    shown=shown,
    asked=Asked(ExploreQuestion),
    default_period_ms=DAY_MS,
)
