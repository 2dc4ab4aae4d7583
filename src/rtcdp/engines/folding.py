"""Folds beside the metrics of an epoch: what a batch changes among rows that rest in the store.

An engine asks for the changes, commits them with its epoch, and then says what became of them. The
store is the truth: rows that are kept in memory are dropped whenever that is not known.
"""

from collections.abc import Iterable, Sequence

import polars as pl

from rtcdp.definitions import RANGE_FROM, Fold, RowTable
from rtcdp.folds.kernel import EARLIEST_MS, Folded, fold_batch
from rtcdp.folds.row_cache import ROWS_MAX, RowCache
from rtcdp.folds.timeline import HOUR_MS, chunks_of, events_in, field_types, timeline_table
from rtcdp.store import RowChanges, Store


class Folding:
    """The folds of an engine that is the only writer to a store. `tables` are to be prepared before
    anything else is done."""

    def __init__(self, folds: Sequence[Fold], store: Store, rows_max: int = ROWS_MAX) -> None:
        self._folds = tuple(folds)
        self._timelines = {
            key: Timeline(store, key, [fold for fold in folds if fold.key == key])
            for key in dict.fromkeys(fold.key for fold in folds)
        }
        self._caches = {
            fold.name: RowCache(fold, StoredRows(store, fold.table), rows_max) for fold in folds
        }
        self._under_way: dict[str, Folded] = {}

    @property
    def tables(self) -> tuple[RowTable, ...]:
        """Where all of this rests."""
        timelines = (timeline.table for timeline in self._timelines.values())
        return (*(fold.table for fold in self._folds), *timelines)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of events that are to be decoded."""
        return tuple(sorted({field for fold in self._folds for field in fold.fields}))

    def fold(self, events: pl.DataFrame, epoch: int) -> tuple[RowChanges, ...]:
        """What the admitted events of an epoch change. The epoch's number is that of the chunks
        which it adds to the timelines."""
        if events.is_empty():
            self._under_way = {}
            return ()
        self._under_way = {
            fold.name: fold_batch(
                fold,
                events.select(fold.key, "timestamp", *_without(fold.fields, fold.key)),
                self._caches[fold.name],
                self._timelines[fold.key],
            )
            for fold in self._folds
        }
        changes = [
            RowChanges(fold.table, difference.delete, difference.replace)
            for fold in self._folds
            if (difference := self._under_way[fold.name].difference)
        ]
        changes += [timeline.changes(events, epoch) for timeline in self._timelines.values()]
        return tuple(change for change in changes if change.delete.height + change.replace.height)

    def committed(self) -> None:
        """The last changes are in the store."""
        for name, folded in self._under_way.items():
            self._caches[name].take(folded)
        self._under_way = {}

    def drop(self) -> None:
        """It is not known what the store holds: a lost lease, a refused epoch, a failed commit."""
        self._under_way = {}
        for cache in self._caches.values():
            cache.drop()


class StoredRows:
    """The rows of a table, as the store has them now."""

    def __init__(self, store: Store, table: RowTable) -> None:
        self._store = store
        self._table = table

    def rows(self, spans: pl.DataFrame) -> pl.DataFrame:
        """See `rtcdp.folds.kernel.RowsByKey`."""
        with self._store.snapshot() as snapshot:
            return snapshot.rows(self._table, spans)


class Timeline:
    """The past of each key, for the folds that share it."""

    def __init__(self, store: Store, key: str, folds: Iterable[Fold]) -> None:
        fields = {field for fold in folds for field in fold.fields} - {key}
        self._fields = field_types(["timestamp", "eventId", *sorted(fields - {"eventId"})])
        self._key = key
        self.table = timeline_table(f"timeline__{key.lower()}", key, tuple(self._fields.names()))
        self._stored = StoredRows(store, self.table)

    def events(self, spans: pl.DataFrame) -> pl.DataFrame:
        """See `rtcdp.folds.kernel.EventsByKey`."""
        whole = pl.col(RANGE_FROM).clip(EARLIEST_MS) // HOUR_MS * HOUR_MS
        rows = self._stored.rows(spans.with_columns(whole.alias(RANGE_FROM)))
        return events_in(rows, self.table, self._fields)

    def changes(self, events: pl.DataFrame, chunk: int) -> RowChanges:
        """What a batch adds."""
        told = events.select(self._key, *self._fields.names())
        rows = chunks_of(told, self.table, chunk)
        return RowChanges(self.table, rows.select(self.table.primary_key).clear(), rows)


def _without(fields: Iterable[str], key: str) -> list[str]:
    return [field for field in fields if field != key]
