"""Windows of a metric, read from one snapshot of the store, a page at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from rtcdp.api import pane_windows
from rtcdp.api.cursor import Part
from rtcdp.api.instant import iso_ms
from rtcdp.api.measures import final_values
from rtcdp.events.event import MIN_TIMESTAMP_MS
from rtcdp.store.store import Scan, StoreSnapshot
from rtcdp.vocabulary.measure import Distinct, TopK
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.table import BUCKET_START, Table, side_table_name, tables_of

MAX_PAGE = 1000
DEFAULT_PAGE = 100
PARTIAL = "partial"
"""What a window is called that misses events."""


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
    """Windows, newest first, then by key ascending. `after` continues; None says it is the end.
    Those that start at `complete_from` (UTC ms) or later are whole; None says that all are."""

    items: list[dict[str, object]]
    after: tuple[Part, ...] | None
    complete_from: int | None = None


def windows(snapshot: StoreSnapshot, metric: Metric, query: WindowQuery) -> WindowPage:
    """A page of the metric's windows.

    Each item has the key fields by name, `window_start` and `window_end` (ISO-8601 UTC), and the
    measures by name; and `partial`, if it is not whole. Windows that retention has deleted, or a
    part of them, are left out. Where the store holds panes, they are added up here.
    """
    expired_before = floor_of(snapshot)
    complete_from = complete_from_of(snapshot, metric)
    if expired_before is not None:
        start_from = max(expired_before, query.start_from or expired_before)
        query = replace(query, start_from=start_from)
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
    items = _items(
        metric, page, {side.name: _side_rows(snapshot, metric, side, page) for side in sides}
    )
    for item, start in zip(items, page[BUCKET_START].to_list(), strict=True):
        if complete_from is not None and start < complete_from:
            item[PARTIAL] = True
    if found.height <= query.limit:
        return WindowPage(items, None, complete_from)
    return WindowPage(items, page.select(BUCKET_START, *metric.key).row(-1), complete_from)


def floor_of(snapshot: StoreSnapshot) -> int | None:
    """Windows that start before (UTC ms) were deleted, or a part of them; None when none was."""
    floor = snapshot.floors.buckets_from
    return None if floor is None or floor <= MIN_TIMESTAMP_MS else floor


def complete_from_of(snapshot: StoreSnapshot, metric: Metric) -> int | None:
    """Windows of the metric that start before (UTC ms) miss events; None when none does."""
    limits = (floor_of(snapshot), snapshot.complete_from(metric.name))
    return max((limit for limit in limits if limit is not None), default=None)


def _side_rows(
    snapshot: StoreSnapshot, metric: Metric, side: Table, page: pl.DataFrame
) -> pl.DataFrame:
    groups = page.select(BUCKET_START, *metric.key)
    if metric.window.is_written_out:
        return snapshot.members(side, groups)
    return pane_windows.read_side(snapshot, metric, side, groups)


def _items(
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
