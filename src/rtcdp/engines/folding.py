"""Folds beside the metrics of an epoch: what a batch changes among rows that rest in the store.

An engine asks for the changes, commits them with its epoch, and then says what became of them. The
store is the truth: rows that are kept in memory are dropped whenever that is not known.
"""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from rtcdp.definitions import RANGE_FROM, Fold
from rtcdp.engines.stored_rows import Landed, Readable, StoredRows
from rtcdp.engines.timeline import Timeline
from rtcdp.folds.kernel import Folded, fold_batch, together, touched
from rtcdp.folds.row_cache import ROWS_MAX, RowCache
from rtcdp.folds.timeline import Telling, row_tables_of, timeline_of
from rtcdp.store import RowChanges

SIDE_BY_SIDE_FROM = 2_000
"""Of so many events on, two folds work on them at the same time."""


class Folding:
    """The folds of an engine that is the only writer to a store. `tables` are to be prepared before
    anything else is done."""

    def __init__(self, folds: Sequence[Fold], store: Readable, rows_max: int = ROWS_MAX) -> None:
        # What asks for the longest stories comes first; they are read once.
        self._folds = tuple(sorted(folds, key=_asks, reverse=True))
        tellings = {fold.name: timeline_of(fold) for fold in folds}
        timelines = {each.table.name: Timeline(store, each) for each in tellings.values()}
        self._timelines = tuple(timelines.values())
        self._timeline_of = {name: timelines[each.table.name] for name, each in tellings.items()}
        self._stored = {fold.name: StoredRows(store, fold.table) for fold in folds}
        self._caches = {
            fold.name: RowCache(fold, self._stored[fold.name], rows_max) for fold in folds
        }
        self._under_way: dict[str, Folded] = {}
        self._beside = ThreadPoolExecutor(1, "folds")
        self.tables = row_tables_of(folds)
        """Where all of this rests."""

    def begin_stories(self, instant_ms: int) -> None:
        """Tell no more of what happened before a time (UTC ms): these stories have lost events."""
        for timeline in self._timelines:
            timeline.begins = instant_ms
            timeline.forget_before(instant_ms)

    @property
    def folds(self) -> tuple[Fold, ...]:
        return self._folds

    @property
    def cache_hits(self) -> int:
        """How many keys' rows were asked for and are kept in memory."""
        return sum(cache.hits for cache in self._caches.values())

    @property
    def cache_misses(self) -> int:
        """How many had to be read."""
        return sum(cache.misses for cache in self._caches.values())

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
            self._under_way |= self._folded(timeline)
        changes = [
            RowChanges(fold.table, difference.delete, difference.replace, difference.before)
            for fold in self._folds
            if (difference := self._under_way[fold.name].difference)
        ]
        changes += [timeline.changes(epoch) for timeline in self._timelines]
        return tuple(change for change in changes if change.delete.height + change.replace.height)

    def _folded(self, timeline: Timeline) -> dict[str, Folded]:
        """What the batch that was taken up changes in the folds that share a timeline."""
        folds = [each for each in self._folds if self._timeline_of[each.name] is timeline]
        found: dict[str, list[Folded]] = {fold.name: [] for fold in folds}
        for part in timeline.parts():
            timeline.tell(_asked(folds, part))
            for name, folded in self._each(folds, part, timeline):
                timeline.note_rows(folded.rows.height)
                kept = folded.rows.height + sum(each.rows.height for each in found[name])
                has_room = kept <= self._caches[name].rows_max
                found[name].append(folded if has_room else folded.without_rows())
        return {name: together(parts) for name, parts in found.items()}

    def _each(
        self, folds: Sequence[Fold], part: pl.DataFrame, timeline: Timeline
    ) -> list[tuple[str, Folded]]:
        """What a part changes in each fold, by its name; two of them at a time when it is large."""
        waiting = deque(folds)
        found: list[tuple[str, Folded]] = []

        def work() -> None:
            while waiting:
                try:
                    fold = waiting.popleft()
                except IndexError:
                    return
                events = part.select(columns_of(fold))
                cache = self._caches[fold.name]
                folded = fold_batch(fold, events, cache, timeline, timeline.begins)
                found.append((fold.name, folded))
                timeline.was_told.set()

        def work_beside() -> None:
            # The first one asks for the longest stories, and the others get what it was told.
            timeline.was_told.wait()
            work()

        if len(folds) < 2 or part.height < SIDE_BY_SIDE_FROM:
            work()
            return found
        beside = self._beside.submit(work_beside)
        try:
            work()
        finally:
            waiting.clear()
            timeline.was_told.set()
            beside.exception()
        beside.result()
        return found

    def committed(self) -> None:
        """The last changes are in the store."""
        self.under_way(None)

    def under_way(self, landed: Landed | None) -> None:
        """The last changes are being committed, and the next batch is folded as if they were in the
        store. Who reads what they change waits for it, by calling `landed`; None when they are
        there. To be called again with None before the next changes are under way."""
        for name, folded in self._under_way.items():
            self._caches[name].take(folded)
            self._stored[name].under_way(folded.touched, landed)
        self._under_way = {}
        for timeline in self._timelines:
            timeline.under_way(landed)

    def landed(self) -> None:
        """What was under way is in the store."""
        for stored in self._stored.values():
            stored.landed()
        for timeline in self._timelines:
            timeline.landed()

    def forget_before(self, instant_ms: int | None) -> None:
        """Rows from before a time have expired in the store."""
        if instant_ms is None:
            return
        for cache in self._caches.values():
            if cache.reaches_before(instant_ms):
                cache.drop()
        for timeline in self._timelines:
            timeline.forget_before(instant_ms)

    def drop(self) -> None:
        """It is not known what the store holds: a lost lease, a refused epoch, a failed commit."""
        self._under_way = {}
        for cache in self._caches.values():
            cache.drop()
        for timeline in self._timelines:
            timeline.drop()
        self.landed()


def _asked(folds: Sequence[Fold], part: pl.DataFrame) -> pl.DataFrame:
    """The stories that these folds are going to ask for, each from the earliest beginning on."""
    key = folds[0].key
    spans = [
        touched(fold, fold.step.relevant(part.select(columns_of(fold)))).select(key, RANGE_FROM)
        for fold in folds
        if fold.step.kind == "sequence"
    ]
    if not spans:
        return part.select(key, pl.col("timestamp").alias(RANGE_FROM)).clear()
    return spans[0] if len(spans) == 1 else pl.concat(spans).group_by(key).agg(pl.min(RANGE_FROM))


def columns_of(fold: Fold) -> tuple[str, ...]:
    """The columns of events that a fold is given."""
    asked = sorted({"eventId", *fold.step.fields} - {fold.key, "timestamp"})
    return (fold.key, "timestamp", *asked)


def _asks(fold: Fold) -> tuple[bool, float]:
    """Whether a fold always asks for stories, and how long ones."""
    before_ms = fold.step.reach.before_ms
    reach = float("inf") if before_ms is None else before_ms
    return fold.step.kind == "sequence", reach
