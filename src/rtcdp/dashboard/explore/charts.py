"""An answer as charts: one for each column of numbers, with a line for each group."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rtcdp.answers.instant import read_instant
from rtcdp.answers.intervals import Cut
from rtcdp.answers.query import QueryColumnDescription, QueryQuestion
from rtcdp.answers.windows import FINAL
from rtcdp.dashboard.drawing.lines import Line, kind_of, lines
from rtcdp.dashboard.explore.groups import Group, Grouped, labels
from rtcdp.dashboard.zone import PageZone

LINES_MAX = 12
"""So many groups have a line; more can't be told apart."""


@dataclass(frozen=True)
class LegendItem:
    """The name of a line, and its class."""

    name: str
    kind: str


@dataclass(frozen=True)
class Chart:
    """One column over time. Of `group_count` groups those of the `legend` are drawn."""

    title: str
    says: str
    drawing: Markup
    legend: Sequence[LegendItem]
    group_count: int


@dataclass(frozen=True)
class _Times:
    """When rows begin, in UTC ms, what that is called, and from which place on it isn't over."""

    starts: Sequence[int]
    names: Sequence[str]
    open_from: int


def charts(rows: Grouped, query: QueryQuestion, zone: PageZone) -> list[Chart]:
    """The charts of an answer; none where its rows have no times."""
    answer = rows.answer
    if answer.interval == "none":
        return []
    times = _times(rows, query, zone)
    groups = rows.groups
    numbers = [column for column in answer.columns if column.type in ("integer", "real")]
    return [_chart(rows, column, times, groups) for column in numbers]


def _times(rows: Grouped, query: QueryQuestion, zone: PageZone) -> _Times:
    items = zip(rows.starts, rows.answer.items, strict=True)
    whole = {start: item[FINAL] for start, item in items}
    starts = sorted(whole)
    if starts and _is_cut_off(query, starts[-1], rows.answer.start_to):
        whole[starts[-1]] = False
    open_from = next((place for place, start in enumerate(starts) if not whole[start]), len(starts))
    return _Times(starts, labels(rows.answer.interval, starts, zone), open_from)


def _chart(
    rows: Grouped, column: QueryColumnDescription, times: _Times, groups: Sequence[Group | None]
) -> Chart:
    place_of = {start: place for place, start in enumerate(times.starts)}
    drawn = groups[:LINES_MAX]
    values: dict[Group | None, list[float | None]] = {
        group: [None] * len(times.starts) for group in drawn
    }
    for group, start, item in zip(rows.of_items, rows.starts, rows.answer.items, strict=True):
        if group in values:
            values[group][place_of[start]] = item[column.name]
    series = [
        Line(
            column.name if group is None else group.name,
            values[group],
            kind_of(place, is_other=group is not None and group.is_other),
        )
        for place, group in enumerate(drawn)
    ]
    legend = [LegendItem(line.name, line.kind) for line in series]
    return Chart(
        title=in_words(column.name),
        says=column.says.replace("`", ""),
        drawing=lines(column.name, times.names, series, times.open_from),
        legend=legend if rows.answer.group_by else [],
        group_count=len(groups),
    )


def in_words(column: str) -> str:
    """The name of a column of numbers as a title: `orders.order_count` as `Orders: order count`."""
    parts = []
    for part in column.split("/"):
        metric, _, measure = part.strip().replace("_", " ").partition(".")
        parts.append(metric if measure in ("", metric) else f"{metric}: {measure}")
    text = " / ".join(parts)
    return text[:1].upper() + text[1:]


def _is_cut_off(query: QueryQuestion, start: int, end: str) -> bool:
    """Whether the time that begins there goes on after the end of what was asked for."""
    cut = Cut(query.interval, query.tz, query.week_starts)
    return cut.end_of(start) > read_instant("to", end)
