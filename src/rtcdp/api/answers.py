"""Windows of a metric, read from one snapshot of the store, a page at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from rtcdp.api import pane_windows
from rtcdp.api.cursor import Part
from rtcdp.api.instant import iso_ms
from rtcdp.api.measures import final_values
from rtcdp.store.store import Scan, StoreSnapshot
from rtcdp.vocabulary.measure import Distinct, TopK
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.table import BUCKET_START, Table, side_table_name, tables_of

MAX_PAGE = 1000
DEFAULT_PAGE = 100

MAX_SIDE_ROWS = 500_000
"""How many members of distinct counts and items of top lists are read for one page, and those of
one step more. A page that needs more is shorter than asked for, and goes on at its cursor."""

_SIDE_ROWS_AT_ONCE = 100_000
_WINDOWS_AT_FIRST = 4


@dataclass(frozen=True)
class WindowQuery:
    """Which windows to read.

    `equals` fixes key fields. Windows start at `start_from` or later and before `start_to`
    (UTC ms). `after` is the (`window_start`, *key) of the last window of the page before.
    """

    equals: Mapping[str, str] = field(default_factory=dict)
    start_from: int | None = None
    start_to: int | None = None
    limit: int = DEFAULT_PAGE
    after: tuple[Part, ...] | None = None


@dataclass(frozen=True)
class WindowPage:
    """Windows, newest first, then by key ascending. `after` continues; None says it is the end."""

    items: list[dict[str, object]]
    after: tuple[Part, ...] | None


def windows(snapshot: StoreSnapshot, metric: Metric, query: WindowQuery) -> WindowPage:
    """A page of the metric's windows.

    Each item has the key fields by name, `window_start` and `window_end` (ISO-8601 UTC), and the
    measures by name. Where the store holds panes, they are added up here. A page ends before its
    limit when `MAX_SIDE_ROWS` members and items were read for it.
    """
    buckets, *sides = tables_of(metric)
    one_more = query.limit + 1
    if metric.window.is_written_out:
        found = snapshot.scan(
            Scan(
                table=buckets,
                equals=query.equals,
                bucket_from=query.start_from,
                bucket_to=query.start_to,
                after=query.after,
                limit=one_more,
            )
        )
    else:
        wanted = pane_windows.Wanted(
            query.equals, query.start_from, query.start_to, query.after, one_more
        )
        found = pane_windows.read(snapshot, metric, buckets, wanted)
    page = found.head(query.limit)
    items = _items(snapshot, metric, sides, page)
    if found.height <= query.limit and len(items) == page.height:
        return WindowPage(items, None)
    return WindowPage(items, page.head(len(items)).select(BUCKET_START, *metric.key).row(-1))


def _items(
    snapshot: StoreSnapshot, metric: Metric, sides: Sequence[Table], page: pl.DataFrame
) -> list[dict[str, object]]:
    """The windows of `page`; the first of them when reading more would cost too much. Members and
    items are read for some windows at a time and let go again."""
    if not sides:
        return _described(metric, page, {})
    items: list[dict[str, object]] = []
    at_once, side_rows = _WINDOWS_AT_FIRST, 0
    while len(items) < page.height and side_rows < MAX_SIDE_ROWS:
        part = page.slice(len(items), at_once)
        found = {side.name: _side_rows(snapshot, metric, side, part) for side in sides}
        items += _described(metric, part, found)
        read = sum(rows.height for rows in found.values())
        side_rows += read
        wanted = min(_SIDE_ROWS_AT_ONCE, MAX_SIDE_ROWS - side_rows)
        at_once = max(1, min(4 * at_once, at_once * wanted // max(1, read)))
    return items


def _side_rows(
    snapshot: StoreSnapshot, metric: Metric, side: Table, page: pl.DataFrame
) -> pl.DataFrame:
    groups = page.select(BUCKET_START, *metric.key)
    if metric.window.is_written_out:
        return snapshot.members(side, groups)
    return pane_windows.read_side(snapshot, metric, side, groups)


def _described(
    metric: Metric, page: pl.DataFrame, sides: Mapping[str, pl.DataFrame]
) -> list[dict[str, object]]:
    starts = page[BUCKET_START].to_list()
    columns: dict[str, list[object]] = {name: page[name].to_list() for name in metric.key}
    columns["window_start"] = [iso_ms(start) for start in starts]
    columns["window_end"] = [iso_ms(start + metric.window.size_ms) for start in starts]
    for measure in metric.measures:
        side = None
        if isinstance(measure, Distinct | TopK):
            side = sides[side_table_name(metric, measure)]
        columns[measure.name] = final_values(metric, measure, page, side)
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
