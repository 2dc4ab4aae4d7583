"""The rows of the fold that tells of products, as sessions of items; and which of them are held."""

from dataclasses import dataclass, replace

import polars as pl

from rtcdp.clock import HOUR_MS
from rtcdp.definitions import RANGE_FROM, RANGE_TO, Fold
from rtcdp.engines.notices import noticed
from rtcdp.recommendations import (
    ITEMS,
    SESSIONS_SCHEMA,
    START,
    TOLD,
    USER,
    Edge,
    SessionIndex,
    index_of,
    keys_frame,
)
from rtcdp.store import RowScan, StoreSnapshot

NEWEST_MS = 2 * HOUR_MS
"""Where an epoch changed more rows than it names, those that began so long before the newest one
are read again at once."""

_SLICE_ROWS = 100_000


@dataclass(frozen=True)
class Bounds:
    """Sessions that began at `since` (UTC ms) or later are held, the newest `sessions_max`: of
    those that began at the same time the first users, as a store reads them."""

    since: int
    sessions_max: int


@dataclass(frozen=True)
class Held:
    """Sessions within bounds. Where the store may have more, all of it up to the `edge` are here,
    and none beyond."""

    index: SessionIndex
    edge: Edge | None = None


def held_in(snapshot: StoreSnapshot, fold: Fold, bounds: Bounds) -> Held:
    """What a store has within bounds."""
    rows = _scanned(snapshot, RowScan(fold.table, time_from=bounds.since), bounds.sessions_max)
    return _held(index_of(sessions_in(rows, fold)), bounds)


def followed(
    snapshot: StoreSnapshot, fold: Fold, held: Held, after_epoch: int, bounds: Bounds
) -> tuple[Held | None, bool]:
    """What became of the sessions since an epoch, the same as `held_in` tells, and whether that is
    all; None where it can't be told."""
    news = noticed(snapshot, fold, after_epoch)
    if not news.is_whole or news.more_gone:
        return None, True
    time_name = fold.step.order[0]
    spans = news.keys.group_by(fold.key).agg(
        pl.col(time_name).min().alias(RANGE_FROM), (pl.col(time_name).max() + 1).alias(RANGE_TO)
    )
    found = snapshot.rows(fold.table, spans).lazy()
    names, told_names = news.keys.lazy(), _told_in(fold)
    rows = found.join(names, on=fold.primary_key, how="semi").select(told_names)
    gone = names.join(found, on=fold.primary_key, how="anti").select(told_names[:2])
    told, keys = pl.collect_all([rows, gone])
    if news.more_changed:
        starts = (held.index.newest_start, told[START].max())
        newest = max((int(str(start)) for start in starts if start is not None), default=0)
        scan = RowScan(fold.table, time_from=max(bounds.since, newest - NEWEST_MS))
        again = _scanned(snapshot, scan, None).select(_told_in(fold))
        told = pl.concat([told, again]).unique([USER, START], maintain_order=True)
    # Most of what is read again is as it was.
    told = told.filter(pl.Series(~held.index.knows(told)))
    held = _changed(held, _sessions_of(told), keys, bounds)
    return _filled_up(snapshot, fold, held, bounds), not news.more_changed


def sessions_in(rows: pl.DataFrame, fold: Fold) -> pl.DataFrame:
    """Rows of the fold as sessions of items. What is told of each is a letter for what was done
    with each product, and then the products."""
    return _sessions_of(rows.select(_told_in(fold)))


def _told_in(fold: Fold) -> list[pl.Expr]:
    """Of a row whose session it is, when it began, its products, and what is told of it."""
    return [
        pl.col(fold.key).alias(USER),
        pl.col(fold.step.order[0]).alias(START),
        pl.col("products"),
        (pl.col("deeds") + pl.col("products")).alias(TOLD),
    ]


def _sessions_of(told: pl.DataFrame) -> pl.DataFrame:
    items = pl.col("products").str.json_decode(pl.List(pl.String())).alias(ITEMS)
    return told.select(USER, START, items, TOLD)


def _changed(held: Held, sessions: pl.DataFrame, gone: pl.DataFrame, bounds: Bounds) -> Held:
    """The same bounds with other sessions: of what is beyond the edge some would be missing."""
    edge: Edge = (bounds.since, None)
    if held.edge is not None and held.edge[0] >= bounds.since:
        edge = held.edge
    index = held.index.changed(sessions, gone, edge, bounds.sessions_max)
    is_cut = edge is held.edge
    found = _held(index, bounds)
    return replace(found, edge=edge) if is_cut and found.edge is None else found


def _held(index: SessionIndex, bounds: Bounds) -> Held:
    if index.session_count > bounds.sessions_max:
        nothing = SESSIONS_SCHEMA.to_frame()
        index = index.changed(nothing, keys_frame(()), None, bounds.sessions_max)
    is_full = index.session_count == bounds.sessions_max
    return Held(index, index.oldest if is_full else None)


def _filled_up(snapshot: StoreSnapshot, fold: Fold, held: Held, bounds: Bounds) -> Held:
    """With the sessions beyond the edge that there is room for, since others are gone."""
    missing = bounds.sessions_max - held.index.session_count
    if held.edge is None or missing <= 0:
        return held
    start, user = held.edge
    scan = RowScan(fold.table, time_from=bounds.since, after=(user or "", start))
    older = sessions_in(_scanned(snapshot, scan, missing), fold)
    index = held.index.changed(older, keys_frame(()), None, bounds.sessions_max)
    return _held(index, bounds)


def _scanned(snapshot: StoreSnapshot, scan: RowScan, rows_max: int | None) -> pl.DataFrame:
    """Rows, newest first, with their products alone: `rows_max`, and no more than a slice above."""
    slice_rows = _SLICE_ROWS if rows_max is None else min(_SLICE_ROWS, rows_max)
    scan = replace(scan, limit=slice_rows, columns=("products", "deeds"))
    found: list[pl.DataFrame] = []
    count = 0
    while True:
        rows = snapshot.row_scan(scan)
        found.append(rows)
        count += rows.height
        if rows.height < slice_rows or (rows_max is not None and count >= rows_max):
            return pl.concat(found)
        scan = replace(scan, after=rows.select(scan.table.primary_key).row(-1))
