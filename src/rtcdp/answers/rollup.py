"""The windows of a metric, put together: over longer times, and over what its key tells apart.

What rests in the store are states that merge (`rtcdp.definitions.state`), so every measure of a
longer time is as exact as that of one window: a user who came on two days is one user of the week,
an average is that of all its events. Nothing is made of values that were worked out before.

Each event is looked at once: of windows that overlap, those side by side are taken, and of what
rests as panes, each pane.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rtcdp.answers.cursor import combinations
from rtcdp.answers.enriched import read_as
from rtcdp.answers.keeper import Keeper
from rtcdp.answers.kept_days import ENTRY_BYTES, Stretch, detached, stretches, whole_days
from rtcdp.definitions import (
    BUCKET_START,
    ITEM,
    ITEM_COUNT,
    MEMBER,
    MERGES,
    Measure,
    Metric,
    Ratio,
    Table,
    Window,
    side_table_name,
    tables_of,
)
from rtcdp.errors import BadRequest
from rtcdp.store import Scan, StoreSnapshot

ROWS_MAX = 1_000_000
"""So many windows and panes of all keys are read of a metric at once: of a day that can be kept, or
of all that can't."""

SIDE_ROWS_MAX = 2_000_000
"""So many members of distinct counts and items of top lists are read at once. What is put together
for one answer has no more rows than both of these in all, once each part has been merged."""

_EDGE_BYTES = 40
"""What an edge takes in the name of what is kept."""

IntArray = NDArray[np.int64]

_SLICE_ROWS = 100_000
_GROUPS_AT_ONCE = 2_000
_LESS = "ask for less time, for one key, or for a metric with longer windows"


@dataclass(frozen=True)
class Wanted:
    """What to put together: the `measures`, by the key fields `by`, over each of the times between
    two `edges` (UTC ms). `equals` fixes key fields, each to any of several texts."""

    measures: tuple[Measure, ...]
    edges: Sequence[int]
    by: tuple[str, ...] = ()
    equals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Rollup:
    """The states of some groups, in any order. `columns` has the `group`, whose first column is
    `window_start` (where the time begins, UTC ms), and the state columns; `sides` the members or
    items by measure. `overfull` names measures of which a window may have held more items than are
    counted exactly."""

    group: tuple[str, ...]
    table: Table
    columns: pl.DataFrame
    sides: Mapping[str, pl.DataFrame]
    side_tables: Mapping[str, Table]
    overfull: frozenset[str] = frozenset()

    def merged(self, group: tuple[str, ...]) -> "Rollup":
        """The same, by fewer columns, or by such of the same names that hold something else."""
        return replace(
            self,
            group=group,
            columns=_merged(self.columns, self.table, group),
            sides={
                name: _merged_side(rows, self.side_tables[name], group)
                for name, rows in self.sides.items()
            },
        )

    @property
    def row_count(self) -> int:
        """How many rows it takes."""
        return self.columns.height + sum(rows.height for rows in self.sides.values())

    @property
    def size_bytes(self) -> int:
        """How many bytes it takes, about."""
        frames = (self.columns, *self.sides.values())
        return sum(int(rows.estimated_size()) for rows in frames)

    def changed(self, change: Callable[[pl.DataFrame], pl.DataFrame]) -> "Rollup":
        """The same, with the rows of all parts changed alike; to be merged then."""
        sides = {name: change(rows) for name, rows in self.sides.items()}
        return replace(self, columns=change(self.columns), sides=sides)


def needed_for(metric: Metric, names: Sequence[str]) -> tuple[Measure, ...]:
    """The measures of these names and those that they are ratios of, in the metric's order."""
    wanted = set(names)
    for measure in reversed(metric.measures):
        if measure.name in wanted and isinstance(measure, Ratio):
            wanted |= {measure.of, measure.to}
    return tuple(measure for measure in metric.measures if measure.name in wanted)


def check_tiles(metric: Metric) -> None:
    """Raises `BadRequest` when the windows of the metric can't be put side by side."""
    window = metric.window
    if isinstance(window, Window) and window.is_written_out and window.size_ms % window.slide_ms:
        raise BadRequest(
            f"the windows of {metric.name} don't fit side by side: they are {window.size_ms} ms"
            f" long, and one begins every {window.slide_ms} ms",
            "ask for a metric whose windows are a whole number of their slides long",
        )


def tile_start(metric: Metric, instant: int) -> int:
    """Where what is counted together begins that the instant (UTC ms) lies in."""
    window = metric.window
    if isinstance(window, Window):
        return instant // window.bucket_ms * window.bucket_ms
    return window.first_open(instant)


def tile_end(metric: Metric, start: int) -> int:
    """Where what is counted together ends that begins there."""
    window = metric.window
    return start + window.bucket_ms if isinstance(window, Window) else window.end_of(start)


def rolled_up(
    snapshot: StoreSnapshot, metric: Metric, wanted: Wanted, keeper: Keeper | None = None
) -> Rollup:
    """What the store holds of the metric between the first and the last of the edges, each of which
    has to be a `tile_start`. With a `keeper`, days that were read before and are the same are not
    read again, unless `equals` asks for some of it.

    Only what `equals` asks for is read, each choice of its texts by itself. Raises `BadRequest`
    when more than `ROWS_MAX` or `SIDE_ROWS_MAX` is to be read at once, more than both of them is to
    be put together, or there are more choices than are looked for at once, and `StoreUnavailable`.
    """
    start, end = wanted.edges[0], wanted.edges[-1]
    is_kept = keeper is not None and not wanted.equals and len(whole_days(start, end)) > 0
    marks = keeper.marks_of_metric(snapshot, metric) if keeper is not None and is_kept else None
    if keeper is None or marks is None:
        return _read(snapshot, metric, wanted)
    days = keeper.days
    measures = tuple(measure.name for measure in wanted.measures)
    asked = (metric.name, metric.fingerprint, measures, wanted.by)
    parts: list[Rollup] = []
    row_count = size = 0

    def read(part: Wanted) -> tuple[Rollup, int | None]:
        found = _read(snapshot, metric, part).changed(detached)
        # One answer pushes no part of its own out again.
        takes = _size_of(found, part)
        return found, takes if size + takes <= days.bytes_max else None

    for stretch in stretches(marks, start, end):
        part = replace(wanted, edges=_within(wanted.edges, stretch))
        if stretch.day is None:
            found, _ = read(part)
        else:
            name = (*asked, tuple(part.edges))
            found = days.get(name, marks[stretch.day], lambda each=part: read(each))  # type: ignore[misc]
            size += _size_of(found, part)
        row_count += found.row_count
        if row_count > ROWS_MAX + SIDE_ROWS_MAX:
            raise BadRequest(
                f"{metric.name} has more than {ROWS_MAX + SIDE_ROWS_MAX:,} windows and different"
                " texts there",
                _LESS,
            )
        parts.append(found)
    return _together(parts, wanted.edges)


def _size_of(found: Rollup, part: Wanted) -> int:
    return ENTRY_BYTES + found.size_bytes + _EDGE_BYTES * len(part.edges)


def _within(edges: Sequence[int], stretch: Stretch) -> tuple[int, ...]:
    """A stretch, cut at those of the edges that lie in it."""
    start, end = stretch.start, stretch.end
    return (start, *edges[bisect_right(edges, start) : bisect_left(edges, end)], end)


def _together(parts: Sequence[Rollup], edges: Sequence[int]) -> Rollup:
    """The parts of one time as one."""
    first, at = parts[0], np.array(edges, np.int64)
    sides = {name: pl.concat([part.sides[name] for part in parts]) for name in first.sides}
    columns = pl.concat([part.columns for part in parts])
    overfull = frozenset[str]().union(*(part.overfull for part in parts))
    found = replace(first, columns=columns, sides=sides, overfull=overfull)
    found = found.changed(lambda rows: _placed(rows, at))
    pieces = [np.unique(part.columns[BUCKET_START].to_numpy()) for part in parts]
    places = np.searchsorted(at, np.concatenate(pieces), side="right")
    if len(np.unique(places)) == len(places):
        # No piece is of two parts.
        return found
    return found.merged(found.group)


def _read(snapshot: StoreSnapshot, metric: Metric, wanted: Wanted) -> Rollup:
    snapshot = read_as(snapshot, metric)
    buckets, *_ = tables = tables_of(metric)
    by_name = {table.name: table for table in tables}
    side_tables = {
        measure.name: by_name[side_table_name(metric, measure)]
        for measure in wanted.measures
        if measure.side() is not None
    }
    group = (BUCKET_START, *wanted.by)
    kept = {part.name for measure in wanted.measures for part in measure.parts()}
    reading = _Reading(snapshot, metric, wanted, side_tables)
    rows_read = 0
    for rows in _slices(snapshot, buckets, wanted):
        rows_read += rows.height
        if rows_read > ROWS_MAX:
            raise BadRequest(f"{metric.name} has more than {ROWS_MAX:,} windows there", _LESS)
        reading.take(rows)
    table = replace(buckets, columns=tuple(each for each in buckets.columns if each.name in kept))
    return Rollup(
        group=group,
        table=table,
        columns=reading.columns.select(*group, *(each.name for each in table.columns)),
        sides=reading.sides,
        side_tables=side_tables,
        overfull=frozenset(reading.overfull),
    )


def _slices(snapshot: StoreSnapshot, buckets: Table, wanted: Wanted) -> Iterator[pl.DataFrame]:
    """What is asked for, in slices; at least one, which has the columns."""
    texts = {name: tuple(dict.fromkeys(each)) for name, each in wanted.equals.items()}
    for chosen in combinations(texts):
        scan = Scan(
            table=buckets,
            equals=chosen,
            bucket_from=wanted.edges[0],
            bucket_to=wanted.edges[-1],
            limit=_SLICE_ROWS,
        )
        while True:
            rows = snapshot.scan(scan)
            yield rows
            if rows.height < _SLICE_ROWS:
                break
            scan = replace(scan, after=rows.select(buckets.primary_key).row(-1))


class _Reading:
    """Takes in what is read slice by slice, and keeps it merged."""

    def __init__(
        self,
        snapshot: StoreSnapshot,
        metric: Metric,
        wanted: Wanted,
        side_tables: Mapping[str, Table],
    ) -> None:
        self._snapshot, self._metric, self._wanted = snapshot, metric, wanted
        self._side_tables = side_tables
        self._buckets = tables_of(metric)[0]
        self._group = (BUCKET_START, *wanted.by)
        self._edges = np.array(wanted.edges, np.int64)
        self._side_rows = 0
        self._columns: pl.DataFrame | None = None
        self.sides: dict[str, pl.DataFrame] = {}
        self.overfull: set[str] = set()

    @property
    def columns(self) -> pl.DataFrame:
        assert self._columns is not None, "there is at least one slice"
        return self._columns

    def take(self, rows: pl.DataFrame) -> None:
        window = self._metric.window
        if isinstance(window, Window) and window.is_written_out:
            rows = rows.filter(pl.col(BUCKET_START) % window.size_ms == 0)
        part = _merged(_placed(rows, self._edges), self._buckets, self._group)
        known = self._columns
        both = part if known is None else pl.concat([known, part])
        self._columns = both if known is None else _merged(both, self._buckets, self._group)
        groups = rows.select(BUCKET_START, *self._metric.key_names)
        for name, side in self._side_tables.items():
            # Together they hold no more than may be read at all, whatever is in them.
            at_once = max(1, min(_GROUPS_AT_ONCE, SIDE_ROWS_MAX // _most_rows_of(side)))
            # Also where there is no group: what comes back has the columns.
            for start in range(0, max(1, groups.height), at_once):
                self._take_side(name, side, groups.slice(start, at_once))

    def _take_side(self, name: str, side: Table, groups: pl.DataFrame) -> None:
        rows = self._snapshot.members(side, groups)
        self._side_rows += rows.height
        if self._side_rows > SIDE_ROWS_MAX:
            raise BadRequest(
                f"{self._metric.name} has more than {SIDE_ROWS_MAX:,} different texts there", _LESS
            )
        if side.bound == "heaviest_items" and _longest(rows, side) > side.capacity:
            self.overfull.add(name)
        part = _merged_side(_placed(rows, self._edges), side, self._group)
        known = self.sides.get(name)
        both = part if known is None else pl.concat([known, part])
        self.sides[name] = both if known is None else _merged_side(both, side, self._group)


def _placed(rows: pl.DataFrame, edges: IntArray) -> pl.DataFrame:
    """With the beginning of the time that they count for, in place of their own."""
    places = edges[np.searchsorted(edges, rows[BUCKET_START].to_numpy(), side="right") - 1]
    return rows.with_columns(pl.Series(BUCKET_START, places, pl.Int64))


def _most_rows_of(side: Table) -> int:
    """How many rows one group can have."""
    return side.capacity if side.bound == "smallest_members" else 2 * side.capacity


def _longest(rows: pl.DataFrame, side: Table) -> int:
    lengths = rows.group_by(BUCKET_START, *side.key).len()["len"]
    return 0 if lengths.is_empty() else int(lengths.to_numpy().max())


def _merged(rows: pl.DataFrame, table: Table, group: Sequence[str]) -> pl.DataFrame:
    """States by `group`. Sums get more bits than the store has: those of a year are larger than
    those of an hour."""
    merges = []
    for column in table.columns:
        value = pl.col(column.name)
        if column.merge == "add" and column.type == "integer":
            value = value.cast(pl.Int128)
        merges.append(MERGES[column.merge].of_column(value))
    return rows.group_by(list(group)).agg(merges)


def _merged_side(rows: pl.DataFrame, side: Table, group: Sequence[str]) -> pl.DataFrame:
    if side.bound == "smallest_members":
        if tuple(group) == (BUCKET_START,):
            return _smallest(rows, side.capacity)
        members = rows.select(*group, MEMBER).unique().sort(MEMBER)
        return members.group_by(list(group), maintain_order=True).head(side.capacity)
    return rows.group_by(*group, ITEM).agg(pl.col(ITEM_COUNT).sum())


def _smallest(rows: pl.DataFrame, capacity: int) -> pl.DataFrame:
    """The smallest members of each piece of time."""
    starts, members = rows[BUCKET_START].to_numpy(), rows[MEMBER].to_numpy()
    if not len(starts):
        return rows.select(BUCKET_START, MEMBER)
    # Rows of one piece lie side by side, mostly, and are sorted then in no time.
    order = np.argsort(starts, kind="stable")
    starts, members = starts[order], members[order]
    borders = np.flatnonzero(np.append(True, starts[1:] != starts[:-1]))
    kept = [_smallest_of(each, capacity) for each in np.split(members, borders[1:])]
    sizes = [len(each) for each in kept]
    return pl.DataFrame(
        {BUCKET_START: np.repeat(starts[borders], sizes), MEMBER: np.concatenate(kept)},
        {BUCKET_START: pl.Int64, MEMBER: pl.Int64},
    )


def _smallest_of(members: IntArray, count: int) -> IntArray:
    """The smallest different ones, in order. Of many, only as many are sorted as it takes."""
    if len(members) <= count and bool((members[1:] > members[:-1]).all()):
        return members
    looked_at = 2 * count
    while looked_at < len(members):
        found = _different(np.partition(members, looked_at)[:looked_at])
        if len(found) >= count:
            return found[:count]
        looked_at *= 4
    return _different(members)[:count]


def _different(members: IntArray) -> IntArray:
    """In order, each once."""
    in_order = np.sort(members)
    found: IntArray = in_order[np.append(True, in_order[1:] != in_order[:-1])]
    return found
