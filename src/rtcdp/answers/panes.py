"""Windows that are not written out: added up from panes when they are read.

Work is bounded by slices: panes are scanned a slice at a time and summed as they come, so memory
holds the keys of a few windows and never all panes of a long range.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import polars as pl

from rtcdp.answers.cursor import Part
from rtcdp.definitions import BUCKET_START, ITEM, ITEM_COUNT, MEMBER, MERGES, Metric, Table, Window
from rtcdp.definitions.panes import explode_panes
from rtcdp.store import Scan, StoreSnapshot

MAX_WINDOWS_AT_ONCE = 64
MAX_EXPLODED_ROWS = 1_000_000
MIN_SLICE_ROWS = 1000


@dataclass(frozen=True)
class Wanted:
    """Windows starting in [`start_from`, `start_to`), after `after`, at most `limit`."""

    equals: Mapping[str, str]
    start_from: int | None
    start_to: int | None
    after: tuple[Part, ...] | None
    limit: int


def read(snapshot: StoreSnapshot, metric: Metric, panes: Table, wanted: Wanted) -> pl.DataFrame:
    """Windows with the columns of `panes`, newest first, then by key ascending."""
    slide = _window(metric).slide_ms
    upper = _first_start_not_wanted(wanted, slide)
    found: list[pl.DataFrame] = []
    missing, at_once = wanted.limit, 1
    while missing > 0:
        newest = _newest_start_with_events(snapshot, metric, panes, wanted, upper)
        if newest is None:
            break
        oldest = newest - (at_once - 1) * slide
        if wanted.start_from is not None:
            oldest = max(oldest, -(-wanted.start_from // slide) * slide)
        rows = _sum_panes(snapshot, metric, panes, wanted, (oldest, newest))
        rows = _in_reading_order(_only_after(rows, metric, wanted.after), metric).head(missing)
        found.append(rows)
        missing -= rows.height
        upper, at_once = oldest, min(2 * at_once, MAX_WINDOWS_AT_ONCE)
    return pl.concat(found) if found else snapshot.scan(Scan(panes, limit=1)).clear()


def read_side(
    snapshot: StoreSnapshot, metric: Metric, side: Table, windows: pl.DataFrame
) -> pl.DataFrame:
    """The members or items of `windows` (`window_start` and key), merged over their panes."""
    size, pane = _window(metric).size_ms, _window(metric).pane_ms
    key, merged = list(metric.key_names), []
    for (start,), group in windows.group_by(BUCKET_START, maintain_order=True):
        starts = pl.int_range(start, start + size, pane, dtype=pl.Int64, eager=True)
        panes = starts.alias(BUCKET_START).to_frame()
        # Without a key there is nothing to combine the panes with.
        of_panes = group.select(key).join(panes, how="cross") if key else panes
        rows = snapshot.members(side, of_panes.select(BUCKET_START, *key))
        rows = rows.with_columns(pl.lit(start, pl.Int64).alias(BUCKET_START))
        merged.append(_merge_side(rows, side))
    return pl.concat(merged) if merged else snapshot.members(side, windows)


def _window(metric: Metric) -> Window:
    assert isinstance(metric.window, Window), "only what has panes is added up from them"
    return metric.window


def _merge_side(rows: pl.DataFrame, side: Table) -> pl.DataFrame:
    if side.bound == "smallest_members":
        return rows.unique([BUCKET_START, *side.key, MEMBER])
    return rows.group_by(BUCKET_START, *side.key, ITEM).agg(pl.col(ITEM_COUNT).sum())


def _first_start_not_wanted(wanted: Wanted, slide: int) -> int | None:
    """The exclusive upper end of window starts, where it is known."""
    ends = [] if wanted.start_to is None else [wanted.start_to]
    if wanted.after is not None:
        ends.append(int(wanted.after[0]) + slide)
    return min(ends, default=None)


def _newest_start_with_events(
    snapshot: StoreSnapshot, metric: Metric, panes: Table, wanted: Wanted, upper: int | None
) -> int | None:
    """The newest wanted window below `upper` that holds a pane, or None."""
    slide = _window(metric).slide_ms
    last = None if upper is None else (upper - 1) // slide * slide
    scan = Scan(
        table=panes,
        equals=wanted.equals,
        bucket_from=wanted.start_from,
        bucket_to=None if last is None else last + _window(metric).size_ms,
        limit=1,
    )
    newest = snapshot.scan(scan)
    if newest.is_empty():
        return None
    start = int(newest[BUCKET_START][0]) // slide * slide
    start = start if last is None else min(start, last)
    return None if wanted.start_from is not None and start < wanted.start_from else start


def _sum_panes(
    snapshot: StoreSnapshot,
    metric: Metric,
    panes: Table,
    wanted: Wanted,
    starts: tuple[int, int],
) -> pl.DataFrame:
    """The windows from the oldest to the newest of `starts`, both included."""
    oldest, newest = starts
    group = [BUCKET_START, *panes.key]
    merges = [MERGES[column.merge].of_column(pl.col(column.name)) for column in panes.columns]
    scan = Scan(
        table=panes,
        equals=wanted.equals,
        bucket_from=oldest,
        bucket_to=newest + _window(metric).size_ms,
        limit=max(MIN_SLICE_ROWS, MAX_EXPLODED_ROWS // _window(metric).overlap),
    )
    total: pl.DataFrame | None = None
    for rows in _slices(snapshot, scan):
        exploded = explode_panes(rows, _window(metric))
        part = exploded.filter(pl.col(BUCKET_START).is_between(oldest, newest))
        both = part if total is None else pl.concat([total, part])
        total = both.group_by(group).agg(merges)
    return snapshot.scan(replace(scan, limit=1)).clear() if total is None else total


def _slices(snapshot: StoreSnapshot, scan: Scan) -> Iterator[pl.DataFrame]:
    while True:
        rows = snapshot.scan(scan)
        if not rows.is_empty():
            yield rows
        if scan.limit is None or rows.height < scan.limit:
            return
        scan = replace(scan, after=rows.select(scan.table.primary_key).row(-1))


def _only_after(rows: pl.DataFrame, metric: Metric, after: tuple[Part, ...] | None) -> pl.DataFrame:
    """Rows that come after `after` in reading order."""
    if after is None:
        return rows
    same = pl.col(BUCKET_START) == after[0]
    beyond = pl.col(BUCKET_START) < after[0]
    for name, text in zip(metric.key_names, after[1:], strict=True):
        beyond |= same & (pl.col(name) > text)
        same &= pl.col(name) == text
    return rows.filter(beyond)


def _in_reading_order(rows: pl.DataFrame, metric: Metric) -> pl.DataFrame:
    return rows.sort(
        [BUCKET_START, *metric.key_names], descending=[True, *[False] * len(metric.key_names)]
    )
