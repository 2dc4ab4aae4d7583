"""Metrics by what products are: put together from counts by product, when they are asked for.

A snapshot of the store is read as if it held the tables of such a metric. What it says is counted
by product and pane (`rtcdp.definitions.enrichment`); each row goes to the version of its product
that began last at or before the row's own beginning. A pane of a product in which a version begins
that changes the key is read by the millisecond instead. So every event counts under what was known
of its product as of the event's own time, however late that became known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import polars as pl

from rtcdp.definitions import (
    BUCKET_START,
    ITEM,
    ITEM_COUNT,
    MEMBER,
    MERGES,
    WINDOW_END,
    Metric,
    Table,
    Window,
    tables_of,
)
from rtcdp.definitions.enrichment import PRODUCT_ID, Stored, stored_as
from rtcdp.definitions.panes import explode_panes
from rtcdp.definitions.products import PRODUCTS
from rtcdp.events.derived import UNKNOWN_PRODUCT
from rtcdp.store import Scan, StoreSnapshot

_BUCKETS_AT_ONCE_MAX = 64
_BUCKETS_AT_ONCE_OF_MANY_ROWS = 512
_MANY_ROWS = 10_000
"""Whoever asks for so many rows gets them in fewer and longer steps."""

_LOOKED_UP_ONE_BY_ONE = 200
"""So many panes that a version begins in are read by themselves; of more, all products' moments."""

_PLACE, _IS_MOMENT = "stored_start", "is_moment"


def read_as(snapshot: StoreSnapshot, metric: Metric) -> StoreSnapshot:
    """The snapshot, to be read as if the metric rested in tables of its own."""
    stored = stored_as(metric)
    return (
        snapshot if stored is None else cast("StoreSnapshot", _Enriched(snapshot, metric, stored))
    )


@dataclass(frozen=True)
class _Steps:
    """How long the buckets of a metric's own table are, how far apart they begin, and how long the
    panes are that rest: the same but for windows that overlap and are written out."""

    size_ms: int
    slide_ms: int
    pane_ms: int


class _Enriched:
    """Answers `scan` and `members` for the tables that the metric would have, and what is asked of
    its name; passes on everything else."""

    def __init__(self, snapshot: StoreSnapshot, metric: Metric, stored: Stored) -> None:
        self._snapshot = snapshot
        self._metric = metric
        self._stored = stored
        self._by_pane, *self._sides_by_pane = tables_of(stored.by_pane)
        self._by_moment, *self._sides_by_moment = tables_of(stored.by_moment)
        self._sides = tables_of(metric)[1:]
        self._steps = _steps_of(metric)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._snapshot, name)

    def complete_from(self, metric: str) -> int | None:
        """Since when nothing is missing in what the metric is made of."""
        if metric != self._metric.name:
            return self._snapshot.complete_from(metric)
        parts = (self._stored.by_pane, self._stored.by_moment)
        limits = (self._snapshot.complete_from(part.name) for part in parts)
        return max((limit for limit in limits if limit is not None), default=None)

    def scan(self, scan: Scan) -> pl.DataFrame:
        """As promised by `StoreSnapshot`, for the metric's own table of buckets."""
        steps, found = self._steps, []
        upper, missing = _first_not_wanted(scan), scan.limit
        is_long = missing is None or missing >= _MANY_ROWS
        most = _BUCKETS_AT_ONCE_OF_MANY_ROWS if is_long else _BUCKETS_AT_ONCE_MAX
        at_once = most if is_long else 1
        while missing is None or missing > 0:
            newest = self._newest_before(upper, scan)
            if newest is None:
                break
            oldest = newest - (at_once - 1) * steps.slide_ms
            if scan.bucket_from is not None:
                oldest = max(oldest, scan.bucket_from)
            rows = self._buckets(oldest, newest, scan)
            rows = _after(_in_reading_order(rows, scan.table), scan)
            rows = rows if missing is None else rows.head(missing)
            found.append(rows)
            missing = None if missing is None else missing - rows.height
            if oldest == scan.bucket_from:
                break
            upper, at_once = oldest, min(2 * at_once, most)
        return pl.concat(found) if found else _nothing(self._snapshot, self._by_pane, scan.table)

    def members(self, table: Table, groups: pl.DataFrame) -> pl.DataFrame:
        """As promised by `StoreSnapshot`, for a table of members or items of the metric."""
        place = next(i for i, side in enumerate(self._sides) if side.name == table.name)
        by_pane, by_moment = self._sides_by_pane[place], self._sides_by_moment[place]
        if groups.is_empty():
            return _nothing(self._snapshot, by_pane, table)
        starts = groups[BUCKET_START].to_list()
        rows = self._attributed(min(starts), max(starts), {})
        rows = rows.join(groups, on=[BUCKET_START, *table.key], how="semi")
        parts = []
        for side, is_moment in ((by_pane, False), (by_moment, True)):
            of_side = rows.filter(pl.col(_IS_MOMENT) == is_moment)
            if of_side.is_empty():
                continue
            asked = of_side.select(pl.col(_PLACE).alias(BUCKET_START), *side.key).unique()
            members = self._snapshot.members(side, asked).rename({BUCKET_START: _PLACE})
            where = of_side.select(_PLACE, BUCKET_START, *{*side.key, *table.key})
            parts.append(members.join(where, on=[_PLACE, *side.key]).select(table.column_names))
        if not parts:
            return _nothing(self._snapshot, by_pane, table)
        return _merged_members(pl.concat(parts), table)

    def _newest_before(self, upper: int | None, scan: Scan) -> int | None:
        """The newest wanted bucket that begins before `upper` and holds an event."""
        steps = self._steps
        if upper is not None and steps.size_ms > steps.pane_ms:
            upper = (upper - 1) // steps.slide_ms * steps.slide_ms + steps.size_ms
        equals = self._pushed_down(scan)
        newest = self._snapshot.scan(
            Scan(self._by_pane, equals, bucket_from=scan.bucket_from, bucket_to=upper, limit=1)
        )
        if newest.is_empty():
            return None
        pane = int(newest[BUCKET_START][0])
        if steps.size_ms == steps.pane_ms:
            return pane
        start = pane // steps.slide_ms * steps.slide_ms
        last = start if upper is None else min(start, upper - steps.size_ms)
        return None if scan.bucket_from is not None and last < scan.bucket_from else last

    def _pushed_down(self, scan: Scan) -> dict[str, str]:
        """The wanted key fields that are no attribute of products."""
        return {name: text for name, text in scan.equals.items() if name in self._by_pane.key}

    def _buckets(self, oldest: int, newest: int, scan: Scan) -> pl.DataFrame:
        """The wanted buckets from the oldest to the newest start, both included, in any order."""
        rows = self._attributed(oldest, newest, self._pushed_down(scan))
        for name, text in scan.equals.items():
            rows = rows.filter(pl.col(name) == text)
        merges = [MERGES[each.merge].of_column(pl.col(each.name)) for each in scan.table.columns]
        grouped = rows.group_by(BUCKET_START, *scan.table.key).agg(merges)
        return grouped.select(scan.table.column_names)

    def _attributed(self, oldest: int, newest: int, equals: dict[str, str]) -> pl.DataFrame:
        """What rests of the buckets that begin from `oldest` to `newest`, once for each of them
        that it lies in: their `window_start`, the key of the metric beside that of the stored row,
        its state; where it rests, and whether that is among the moments."""
        end = newest + max(1, self._steps.size_ms if isinstance(self._metric.window, Window) else 1)
        panes = self._snapshot.scan(Scan(self._by_pane, equals, oldest, end))
        rows = self._by_version(panes).drop(_PANE_END, strict=False)
        window, steps = self._metric.window, self._steps
        if isinstance(window, Window) and steps.size_ms > steps.pane_ms:
            rows = explode_panes(rows, window)
            rows = rows.filter(pl.col(BUCKET_START).is_between(oldest, newest))
        return rows

    def _by_version(self, panes: pl.DataFrame) -> pl.DataFrame:
        """Rows by product and pane, each with what its product was; where that changes inside of a
        pane, rows by the moment in its place."""
        if WINDOW_END in panes.columns:
            end = pl.col(WINDOW_END)
        else:
            end = pl.col(BUCKET_START) + self._steps.pane_ms
        panes = panes.with_columns(
            end.alias(_PANE_END),
            pl.col(BUCKET_START).alias(_PLACE),
            pl.lit(False).alias(_IS_MOMENT),
        )
        versions = self._versions(panes)
        following = versions.select(PRODUCT_ID, pl.col(_SINCE).alias(_NEXT))
        panes = panes.sort(_PLACE).join_asof(
            following,
            left_on=_PLACE,
            right_on=_NEXT,
            by=PRODUCT_ID,
            strategy="forward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        is_cut = (pl.col(_NEXT) < pl.col(_PANE_END)).fill_null(False)
        cut, whole = panes.filter(is_cut), panes.filter(~is_cut)
        rows = whole.drop(_NEXT)
        if not cut.is_empty():
            rows = pl.concat([rows, self._moments(cut).select(rows.columns)])
        known = rows.sort(_PLACE).join_asof(
            versions,
            left_on=_PLACE,
            right_on=_SINCE,
            by=PRODUCT_ID,
            strategy="backward",
            check_sortedness=False,
        )
        return known.with_columns(pl.col(self._names).fill_null(UNKNOWN_PRODUCT)).drop(_SINCE)

    @property
    def _names(self) -> list[str]:
        return [each.name for each in self._stored.attributes]

    def _versions(self, panes: pl.DataFrame) -> pl.DataFrame:
        """When what is asked of the products of some rows changed, in order of time: `productId`,
        the time and the attributes by the names that they have in the metric's key."""
        products = panes.select(PRODUCT_ID).unique()
        attributes = [pl.col(each.attribute).alias(each.name) for each in self._stored.attributes]
        rows = (
            self._snapshot.rows(PRODUCTS, products)
            .sort(PRODUCT_ID, "validFrom")
            .select(PRODUCT_ID, pl.col("validFrom").alias(_SINCE), *attributes)
        )
        is_same = pl.all_horizontal(
            pl.col(name).eq_missing(pl.col(name).shift()) for name in (PRODUCT_ID, *self._names)
        )
        return rows.filter(~is_same | (pl.int_range(pl.len()) == 0)).sort(_SINCE)

    def _moments(self, cut: pl.DataFrame) -> pl.DataFrame:
        """The rows by the moment of some panes, with those panes' beginnings."""
        moments = pl.concat(list(self._moments_in(cut)), how="vertical")
        same = [name for name in self._by_pane.key if name in moments.columns]
        ends = [name for name in (WINDOW_END,) if name in cut.columns]
        where = cut.select(*same, _PANE_END, BUCKET_START, *ends).sort(BUCKET_START)
        moments = moments.rename({BUCKET_START: _PLACE}).sort(_PLACE)
        # The last pane of the same product and key that begins at or before the moment.
        found = moments.join_asof(
            where,
            left_on=_PLACE,
            right_on=BUCKET_START,
            by=same,
            strategy="backward",
            check_sortedness=False,
            coalesce=False,
        )
        return found.filter(pl.col(_PLACE) < pl.col(_PANE_END)).with_columns(
            pl.lit(True).alias(_IS_MOMENT)
        )

    def _moments_in(self, cut: pl.DataFrame) -> Iterator[pl.DataFrame]:
        by_product = cut.select(PRODUCT_ID, BUCKET_START, _PANE_END).unique()
        if by_product.height <= _LOOKED_UP_ONE_BY_ONE:
            for product, start, end in by_product.iter_rows():
                yield self._snapshot.scan(Scan(self._by_moment, {PRODUCT_ID: product}, start, end))
            return
        for start, end in cut.select(BUCKET_START, _PANE_END).unique().iter_rows():
            rows = self._snapshot.scan(Scan(self._by_moment, bucket_from=start, bucket_to=end))
            yield rows.join(
                by_product.filter(pl.col(BUCKET_START) == start), on=PRODUCT_ID, how="semi"
            )


_PANE_END, _SINCE, _NEXT = "pane_end", "since", "next_since"


def _steps_of(metric: Metric) -> _Steps:
    window = metric.window
    if not isinstance(window, Window):
        return _Steps(window.bucket_ms, window.bucket_ms, window.bucket_ms)
    pane = window.pane_ms
    if window.is_written_out:
        return _Steps(window.size_ms, window.slide_ms, pane)
    return _Steps(pane, pane, pane)


def _first_not_wanted(scan: Scan) -> int | None:
    """The exclusive upper end of the starts of buckets, where it is known."""
    ends = [] if scan.bucket_to is None else [scan.bucket_to]
    if scan.after is not None:
        ends.append(int(scan.after[0]) + 1)
    return min(ends, default=None)


def _in_reading_order(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    return rows.sort([BUCKET_START, *table.key], descending=[True, *[False] * len(table.key)])


def _after(rows: pl.DataFrame, scan: Scan) -> pl.DataFrame:
    """Rows that come after `scan.after` in reading order."""
    if scan.after is None:
        return rows
    start, *place = scan.after
    same = pl.col(BUCKET_START) == start
    beyond = pl.col(BUCKET_START) < start
    for name, text in zip(scan.table.key, place, strict=True):
        beyond |= same & (pl.col(name) > text)
        same &= pl.col(name) == text
    return rows.filter(beyond)


def _nothing(snapshot: StoreSnapshot, like: Table, table: Table) -> pl.DataFrame:
    """No row, with the columns of `table`, whose values are of the types that `like` has."""
    empty = (
        snapshot.scan(Scan(like, limit=1)).clear()
        if like.member is None
        else snapshot.members(like, pl.DataFrame(schema=_group_schema(like)))
    )
    missing = [pl.lit(None, pl.String).alias(name) for name in table.key if name not in empty]
    return empty.with_columns(missing).select(table.column_names)


def _group_schema(table: Table) -> pl.Schema:
    return pl.Schema({BUCKET_START: pl.Int64(), **dict.fromkeys(table.key, pl.String())})


def _merged_members(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Members or items of several products, as those of one group."""
    group = [BUCKET_START, *table.key]
    if table.bound == "smallest_members":
        rows = rows.unique([*group, MEMBER]).sort(*group, MEMBER)
        return rows.group_by(group, maintain_order=True).head(table.capacity)
    summed = rows.group_by(*group, ITEM).agg(pl.col(ITEM_COUNT).sum())
    order = [*group, ITEM_COUNT, ITEM]
    descending = [*[False] * len(group), True, False]
    return summed.select(table.column_names).sort(order, descending=descending)
