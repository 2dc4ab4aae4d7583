"""Folds beside the metrics of an epoch: what a batch changes among rows that rest in the store.

An engine asks for the changes, commits them with its epoch, and then says what became of them. The
store is the truth: rows that are kept in memory are dropped whenever that is not known.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import polars as pl

from rtcdp.definitions import RANGE_FROM, RANGE_TO, Fold, RowTable
from rtcdp.folds.kernel import EARLIEST_MS, Folded, fold_batch
from rtcdp.folds.row_cache import ROWS_MAX, RowCache
from rtcdp.folds.timeline import (
    HOUR_MS,
    Telling,
    chunks_of,
    compacted,
    decoded,
    first_of_hours,
    full_hours,
    row_tables_of,
    timeline_of,
    with_untold,
)
from rtcdp.store import RowChanges, StoreSnapshot

COMPACT_FROM = 16
"""An hour that is read in so many chunks is written in as few as can be."""

FULL_HOURS_MAX = 100_000
"""So many hours that are full are remembered."""


class Readable(Protocol):
    """A store, for whoever reads what rests there."""

    def snapshot(self) -> AbstractContextManager[StoreSnapshot]:
        """A consistent view. Raises `StoreUnavailable`."""
        ...


class Folding:
    """The folds of an engine that is the only writer to a store. `tables` are to be prepared before
    anything else is done."""

    def __init__(self, folds: Sequence[Fold], store: Readable, rows_max: int = ROWS_MAX) -> None:
        # What asks for the longest stories comes first; they are read once.
        self._folds = tuple(sorted(folds, key=_reach_of, reverse=True))
        tellings = {fold.name: timeline_of(fold) for fold in folds}
        timelines = {each.table.name: Timeline(store, each) for each in tellings.values()}
        self._timelines = tuple(timelines.values())
        self._timeline_of = {name: timelines[each.table.name] for name, each in tellings.items()}
        self._caches = {
            fold.name: RowCache(fold, StoredRows(store, fold.table), rows_max) for fold in folds
        }
        self._under_way: dict[str, Folded] = {}
        self.tables = row_tables_of(folds)
        """Where all of this rests."""

    @property
    def folds(self) -> tuple[Fold, ...]:
        return self._folds

    @property
    def tellings(self) -> tuple[Telling, ...]:
        """The timelines that the folds need."""
        return tuple(timeline.telling for timeline in self._timelines)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of events that are to be decoded."""
        told = {name for each in self._timelines for name in each.telling.columns}
        return tuple(sorted(told - {"timestamp", "source"}))

    def fold(self, events: pl.DataFrame, epoch: int) -> tuple[RowChanges, ...]:
        """What the admitted events of an epoch change. The epoch's number is that of the chunks
        which it adds to the timelines."""
        self._under_way = {}
        if events.is_empty():
            return ()
        for timeline in self._timelines:
            timeline.take(events)
        for fold in self._folds:
            self._under_way[fold.name] = fold_batch(
                fold,
                events.select(columns_of(fold)),
                self._caches[fold.name],
                self._timeline_of[fold.name],
            )
        changes = [
            RowChanges(fold.table, difference.delete, difference.replace)
            for fold in self._folds
            if (difference := self._under_way[fold.name].difference)
        ]
        changes += [timeline.changes(epoch) for timeline in self._timelines]
        return tuple(change for change in changes if change.delete.height + change.replace.height)

    def committed(self) -> None:
        """The last changes are in the store."""
        for name, folded in self._under_way.items():
            self._caches[name].take(folded)
        self._under_way = {}
        for timeline in self._timelines:
            timeline.committed()

    def forget_before(self, instant_ms: int | None) -> None:
        """Rows from before a time have expired in the store."""
        for cache in self._caches.values():
            if instant_ms is not None and cache.reaches_before(instant_ms):
                cache.drop()

    def drop(self) -> None:
        """It is not known what the store holds: a lost lease, a refused epoch, a failed commit."""
        self._under_way = {}
        for cache in self._caches.values():
            cache.drop()
        for timeline in self._timelines:
            timeline.drop()


class StoredRows:
    """The rows of a table, as the store has them now."""

    def __init__(self, store: Readable, table: RowTable) -> None:
        self._store = store
        self._table = table

    def rows(self, spans: pl.DataFrame) -> pl.DataFrame:
        """See `rtcdp.folds.kernel.RowsByKey`."""
        with self._store.snapshot() as snapshot:
            return snapshot.rows(self._table, spans)


class Timeline:
    """The stories of all keys, for the folds that share them: what rests of them in the store, and
    beside that a batch which is `take`n up."""

    def __init__(self, store: Readable, telling: Telling) -> None:
        self.telling = telling
        self.table = telling.table
        self._stored = StoredRows(store, self.table)
        types = {telling.key: pl.String(), **telling.fields}
        self._nothing = pl.DataFrame(schema=types)
        hours = {telling.key: pl.String(), "hour": pl.Int64(), "last": pl.Int64()}
        self._full = pl.DataFrame(schema=hours)
        self._chunks: list[pl.DataFrame] = []
        self.take(self._nothing)

    def take(self, events: pl.DataFrame) -> None:
        """The admitted events of the next batch."""
        key = self.telling.key
        self._batch = events.filter(pl.col(key).is_not_null()).select(self.telling.columns)
        self._told, self._chunks = self._nothing, []
        self._spans = pl.DataFrame(
            schema={key: pl.String(), RANGE_FROM: pl.Int64(), RANGE_TO: pl.Int64()}
        )
        self._filled = self._full.clear()

    def committed(self) -> None:
        """What was taken up is in the store."""
        if not self._filled.is_empty():
            full = pl.concat([self._full, self._filled]).group_by(self.telling.key, "hour")
            self._full = full.agg(pl.col("last").min()).tail(FULL_HOURS_MAX)
        self.take(self._nothing)

    def drop(self) -> None:
        """Forget everything."""
        self._full = self._full.clear()
        self.take(self._nothing)

    def events(self, spans: pl.DataFrame) -> pl.DataFrame:
        """See `rtcdp.folds.kernel.EventsByKey`. What was read for one fold serves the others."""
        key = self.telling.key
        hour = pl.col(RANGE_FROM).clip(EARLIEST_MS) // HOUR_MS * HOUR_MS
        spans = spans.select(key, hour, RANGE_TO)
        beside = spans.join(self._spans, on=key, how="left", suffix=" known")
        is_known = (pl.col(f"{RANGE_FROM} known") <= pl.col(RANGE_FROM)) & (
            pl.col(f"{RANGE_TO} known") >= pl.col(RANGE_TO)
        )
        missing = beside.filter(~is_known.fill_null(False)).select(spans.columns)
        if not missing.is_empty():
            chunks = self._stored.rows(missing)
            self._chunks.append(chunks)
            stored = decoded(chunks, key, self.telling.fields)
            batch = _inside(self._batch, missing, key)
            told = first_of_hours(pl.concat([stored, batch]), key)
            self._told = pl.concat([self._told.join(missing, on=key, how="anti"), told])
            self._spans = pl.concat([self._spans.join(missing, on=key, how="anti"), missing])
        return _inside(self._told, spans, key)

    def changes(self, number: int) -> RowChanges:
        """What the batch adds; and hours that were read in many chunks, in one."""
        key, batch = self.telling.key, self._batch
        untold = batch.clear()
        if not self._full.is_empty():
            hour = (pl.col("timestamp") // HOUR_MS * HOUR_MS).alias("hour")
            beside = batch.with_columns(hour).join(self._full, on=[key, "hour"], how="left")
            is_untold = (pl.col("timestamp") > pl.col("last")).fill_null(False)
            untold, batch = (
                beside.filter(chosen).select(batch.columns) for chosen in (is_untold, ~is_untold)
            )
        self._filled = pl.concat([full_hours(batch, key), full_hours(self._told, key)])
        added = chunks_of(batch, self.table, number)
        if not untold.is_empty():
            added = with_untold(added, untold, self.table, number)
        gone = added.select(self.table.primary_key).clear()
        if self._chunks:
            # Keys that were read twice, for a longer span, have the same chunks twice.
            chunks = pl.concat(self._chunks).unique(self.table.primary_key)
            fewer = compacted(chunks, self.table, self.telling.fields, chunks_max=COMPACT_FROM)
            gone, added = fewer.delete, pl.concat([fewer.replace, added])
        return RowChanges(self.table, gone, added)


def columns_of(fold: Fold) -> tuple[str, ...]:
    """The columns of events that a fold is given."""
    asked = sorted({"eventId", *fold.step.fields} - {fold.key, "timestamp"})
    return (fold.key, "timestamp", *asked)


def _inside(events: pl.DataFrame, spans: pl.DataFrame, key: str) -> pl.DataFrame:
    """The events of the keys within their spans."""
    beside = events.join(spans, on=key)
    instant = pl.col("timestamp")
    is_inside = (instant >= pl.col(RANGE_FROM)) & (instant < pl.col(RANGE_TO))
    return beside.filter(is_inside).select(events.columns)


def _reach_of(fold: Fold) -> float:
    before_ms = fold.step.reach.before_ms
    return float("inf") if before_ms is None else before_ms
