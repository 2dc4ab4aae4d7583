"""Windows of a metric, read from one snapshot of the store, a page at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from rtcdp.answers import panes
from rtcdp.answers.cursor import Part, combinations
from rtcdp.answers.enriched import read_as
from rtcdp.answers.instant import iso_ms
from rtcdp.definitions import BUCKET_START, Fold, Metric, States, Table, side_table_name, tables_of
from rtcdp.events.event import MIN_TIMESTAMP_MS
from rtcdp.store import Scan, StoreSnapshot

MAX_PAGE = 1000
DEFAULT_PAGE = 100
FINAL, PARTIAL = "final", "partial"
"""What windows say of themselves: that no event can change them any more; that they miss events."""

MAX_SIDE_ROWS = 500_000
"""How many members of distinct counts and items of top lists are read for one page, and those of
one step more. A page that needs more is shorter than asked for, and goes on at its cursor."""

_LAST_TEXT = "\U0010ffff" * 2049
"""Comes after whatever a field of an event can hold."""

_SIDE_ROWS_AT_ONCE = 100_000
_WINDOWS_AT_FIRST = 4


@dataclass(frozen=True)
class WindowQuery:
    """Which windows to read.

    `equals` fixes key fields, each to one text or to any of several. Windows start at `start_from`
    or later and before `start_to` (UTC ms). Those that start at `last_from` or later come after
    all the others. `after` is the (`window_start`, *key) of the last window of the page before.
    With `final_until` each item says whether it is `final`: whether it ended by then.
    """

    equals: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    start_from: int | None = None
    start_to: int | None = None
    limit: int = DEFAULT_PAGE
    after: tuple[Part, ...] | None = None
    last_from: int | None = None
    final_until: int | None = None


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
    part of them, are left out. Where the store holds panes, they are added up here. A page ends
    before its limit when `MAX_SIDE_ROWS` members and items were read for it.
    """
    snapshot = read_as(snapshot, metric)
    expired_before = floor_of(snapshot)
    complete_from = complete_from_of(snapshot, metric)
    if expired_before is not None:
        query = replace(query, start_from=_later(query.start_from, expired_before))
    _, *sides = tables_of(metric)
    found = _in_two_parts(snapshot, metric, query, query.limit + 1)
    page = found.head(query.limit)
    items = _items(snapshot, metric, sides, page)
    if query.final_until is not None:
        ends = (metric.window.end_of(start) for start in page[BUCKET_START].to_list())
        items = [
            {**item, FINAL: end <= query.final_until}
            for item, end in zip(items, ends, strict=False)
        ]
    for item, start in zip(items, page[BUCKET_START].to_list(), strict=False):
        if complete_from is not None and start < complete_from:
            item[PARTIAL] = True
    if found.height <= query.limit and len(items) == page.height:
        return WindowPage(items, None, complete_from)
    after = page.head(len(items)).select(BUCKET_START, *metric.key_names).row(-1)
    return WindowPage(items, after, complete_from)


def _in_two_parts(
    snapshot: StoreSnapshot, metric: Metric, query: WindowQuery, limit: int
) -> pl.DataFrame:
    """At most `limit` windows: those from `last_from` on after the others."""
    border, after = query.last_from, query.after
    if border is None:
        return _of_any_key(snapshot, metric, query, limit)
    last = replace(query, start_from=_later(query.start_from, border))
    if after is not None and int(after[0]) >= border:
        return _of_any_key(snapshot, metric, last, limit)
    first = replace(query, start_to=_earlier(query.start_to, border))
    found = _of_any_key(snapshot, metric, first, limit)
    missing = limit - found.height
    if missing == 0:
        return found
    return found.vstack(_of_any_key(snapshot, metric, replace(last, after=None), missing))


def _of_any_key(
    snapshot: StoreSnapshot, metric: Metric, query: WindowQuery, limit: int
) -> pl.DataFrame:
    """At most `limit` windows of any of the wanted keys, in reading order."""
    fields = {
        name: (wanted,) if isinstance(wanted, str) else wanted
        for name, wanted in query.equals.items()
    }
    found = [_of_one_key(snapshot, metric, query, one, limit) for one in combinations(fields)]
    if len(found) == 1:
        return found[0]
    order = [BUCKET_START, *metric.key_names]
    descending = [True, *[False] * len(metric.key_names)]
    return pl.concat(found).sort(order, descending=descending).head(limit)


def _of_one_key(
    snapshot: StoreSnapshot,
    metric: Metric,
    query: WindowQuery,
    equals: Mapping[str, str],
    limit: int,
) -> pl.DataFrame:
    buckets, *_ = tables_of(metric)
    if not metric.window.is_written_out:
        wanted = panes.Wanted(equals, query.start_from, query.start_to, query.after, limit)
        return panes.read(snapshot, metric, buckets, wanted)
    whole = Scan(
        table=buckets,
        equals=equals,
        bucket_from=query.start_from,
        bucket_to=query.start_to,
        after=query.after,
        limit=limit,
    )
    return pl.concat([snapshot.scan(scan) for scan in _scans(metric, whole)])


def _scans(metric: Metric, whole: Scan) -> list[Scan]:
    """The scans that together find what `whole` asks for.

    A store goes on after a row that has the fixed key fields of the scan. With several values of
    a field, the last row of a page may have another one of them: the bucket of that row is then
    read by the rule for the order of rows, and the older ones from their beginning.
    """
    if whole.after is None:
        return [whole]
    start, *place = whole.after
    order = list(zip(metric.key_names, map(str, place), strict=True))
    other = next(
        (i for i, (n, part) in enumerate(order) if whole.equals.get(n, part) != part), None
    )
    if other is None:
        return [whole]
    name, part = order[other]
    before: dict[str, str] = {n: p for n, p in order[:other] if n not in whole.equals}
    bucket = int(start)
    there = replace(
        whole,
        bucket_from=_later(whole.bucket_from, bucket),
        bucket_to=_earlier(whole.bucket_to, bucket + 1),
    )
    scans = [replace(whole, bucket_to=_earlier(whole.bucket_to, bucket), after=None)]
    if whole.equals[name] > part:
        scans.append(replace(there, equals={**whole.equals, **before}, after=None))
    if before:
        rest = [_LAST_TEXT] * (len(place) - other)
        scans.append(replace(there, after=(bucket, *place[:other], *rest)))
    return scans


def _later(one: int | None, other: int) -> int:
    return other if one is None else max(one, other)


def _earlier(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)


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


def floor_of(snapshot: StoreSnapshot) -> int | None:
    """Windows that start before (UTC ms) were deleted, or a part of them; None when none was."""
    floor = snapshot.floors.buckets_from
    return None if floor is None or floor <= MIN_TIMESTAMP_MS else floor


def complete_from_of(snapshot: StoreSnapshot, metric: Metric | Fold) -> int | None:
    """Windows of the metric, or rows of the fold, that start before (UTC ms) miss events; None when
    none does."""
    limits = (floor_of(snapshot), snapshot.complete_from(metric.name))
    return max((limit for limit in limits if limit is not None), default=None)


def _side_rows(
    snapshot: StoreSnapshot, metric: Metric, side: Table, page: pl.DataFrame
) -> pl.DataFrame:
    groups = page.select(BUCKET_START, *metric.key_names)
    if metric.window.is_written_out:
        return snapshot.members(side, groups)
    return panes.read_side(snapshot, metric, side, groups)


def _described(
    metric: Metric, page: pl.DataFrame, sides: Mapping[str, pl.DataFrame]
) -> list[dict[str, object]]:
    starts = page[BUCKET_START].to_list()
    columns: dict[str, list[object]] = {name: page[name].to_list() for name in metric.key_names}
    columns["window_start"] = [iso_ms(start) for start in starts]
    columns["window_end"] = [iso_ms(metric.window.end_of(start)) for start in starts]
    values: dict[str, list[object]] = {}
    for measure in metric.measures:
        side = sides.get(side_table_name(metric, measure))
        values[measure.name] = measure.final(
            States(page, (BUCKET_START, *metric.key_names), side, values)
        )
    columns |= values
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
