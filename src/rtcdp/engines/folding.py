"""Folds beside the metrics of an epoch: what a batch changes among rows that rest in the store.

An engine asks for the changes, commits them with its epoch, and then says what became of them. The
store is the truth: rows that are kept in memory are dropped whenever that is not known.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl

from rtcdp.clock import EARLIEST_MS, HOUR_MS, LATEST_MS
from rtcdp.definitions import RANGE_FROM, RANGE_TO, Fold, RowTable
from rtcdp.folds.kernel import Folded, fold_batch, together, touched
from rtcdp.folds.row_cache import ROWS_MAX, Kept, RowCache, SpanCache
from rtcdp.folds.rows import Difference
from rtcdp.folds.timeline import (
    Telling,
    chunks_of,
    compacted,
    crowded,
    decoded,
    first_of_hours,
    full_hours,
    may_be_full,
    row_tables_of,
    story_order,
    timeline_of,
    with_untold,
)
from rtcdp.store import RowChanges, StoreSnapshot

COMPACT_FROM = 16
"""An hour that is read in so many chunks is written in as few as can be."""

FULL_HOURS_MAX = 100_000
"""So many hours that are full are remembered."""

EVENTS_KEPT_MAX = 1_000_000
"""So many events of a timeline are kept in memory, for keys that come again."""

TOLD_AT_ONCE_MAX = 250_000
"""So many events are told together, about. Where stories are long, a batch is folded in parts, of
some of its keys each."""

STORY_EVENTS = 50.0
"""How many events a story is taken to have before any was told."""

SIDE_BY_SIDE_FROM = 2_000
"""Of so many events on, two folds work on them at the same time."""

Landed = Callable[[], object]
"""Returns when a commit is done, and raises what became of it otherwise."""


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

    def _folded(self, timeline: "Timeline") -> dict[str, Folded]:
        """What the batch that was taken up changes in the folds that share a timeline."""
        folds = [each for each in self._folds if self._timeline_of[each.name] is timeline]
        found: dict[str, list[Folded]] = {fold.name: [] for fold in folds}
        for part in timeline.parts():
            timeline.tell(_asked(folds, part))
            for name, folded in self._each(folds, part, timeline):
                found[name].append(folded)
        return {name: together(parts) for name, parts in found.items()}

    def _each(
        self, folds: Sequence[Fold], part: pl.DataFrame, timeline: "Timeline"
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
            self._stored[name].under_way(folded.spans, landed)
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


class StoredRows:
    """The rows of a table, as the store has them now, or will when what is under way is there."""

    def __init__(self, store: Readable, table: RowTable) -> None:
        self._store = store
        self._table = table
        self.landed()

    def under_way(self, spans: pl.DataFrame, landed: Landed | None) -> None:
        """Rows of these keys, from the beginnings of their spans on, are to be waited for, by
        calling `landed`."""
        self._changing, self._landed = spans, landed

    def landed(self) -> None:
        """Nothing is under way."""
        self._changing, self._landed = pl.DataFrame(), None

    def rows(self, spans: pl.DataFrame) -> pl.DataFrame:
        """See `rtcdp.folds.kernel.RowsByKey`."""
        if self._landed is not None:
            key = list(self._table.group_key)
            beside = spans.join(self._changing, on=key, suffix=" changing")
            if beside.select((pl.col(RANGE_TO) > pl.col(f"{RANGE_FROM} changing")).any()).item():
                self._landed()
        with self._store.snapshot() as snapshot:
            return snapshot.rows(self._table, spans)


class _Told(NamedTuple):
    """Stories that were told: of these keys, from the beginnings of their spans on. Without events
    there were too many to keep."""

    spans: pl.DataFrame
    events: pl.DataFrame | None


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
        kept = Kept(telling.key, "timestamp", self._nothing, EVENTS_KEPT_MAX, COMPACT_FROM - 1)
        self._cache = SpanCache(kept, self._read)
        self._is_under_way = False
        self._story_events = STORY_EVENTS
        self._telling = threading.Lock()
        self.was_told = threading.Event()
        """Set when the first stories of a part have been told."""
        self.begins = EARLIEST_MS
        """What happened before this time (UTC ms) is not told."""
        self.take(self._nothing)

    def take(self, events: pl.DataFrame) -> None:
        """The admitted events of the next batch."""
        key = self.telling.key
        is_told = pl.col(key).is_not_null() & (pl.col("timestamp") >= self.begins)
        batch = events.filter(is_told).select(self.telling.columns)
        self._batch, self._untold = batch, batch.clear()
        if not (self._full.is_empty() or batch.is_empty()):
            hour = (pl.col("timestamp") // HOUR_MS * HOUR_MS).alias("hour")
            beside = batch.with_columns(hour).join(self._full, on=[key, "hour"], how="left")
            is_untold = (pl.col("timestamp") > pl.col("last")).fill_null(False)
            self._untold, self._batch = (
                beside.filter(chosen).select(batch.columns) for chosen in (is_untold, ~is_untold)
            )
        self._filled = self._full.clear()
        self._kept: list[_Told] = []
        self._fewer: list[Difference] = []
        self._begin(self._batch)

    def parts(self) -> Iterator[pl.DataFrame]:
        """What was taken up, without what is known to be beyond what is told of its hour; some keys
        after others, so that their stories are not all told at once."""
        key = self.telling.key
        if self._batch.height <= self._keys_at_once:
            yield self._batch
            return
        keys = self._batch.select(key).unique(maintain_order=True)
        first = 0
        while first < keys.height:
            some = keys.slice(first, self._keys_at_once)
            first += some.height
            self._begin(self._batch.join(some, on=key, how="semi"))
            yield self._part
            self._end()

    @property
    def _keys_at_once(self) -> int:
        return max(1, int(TOLD_AT_ONCE_MAX / self._story_events))

    def _begin(self, part: pl.DataFrame) -> None:
        """Tell the stories of some keys next."""
        self.was_told.clear()
        self._part = part
        self._told, self._numbers = self._nothing, np.zeros(0, np.int64)
        self._spans = pl.DataFrame(schema={self.telling.key: pl.String(), RANGE_FROM: pl.Int64()})
        self._chunks: list[pl.DataFrame] = []

    def _end(self) -> None:
        """Note what is to be remembered of the stories that were told, and of their chunks."""
        key, told, spans = self.telling.key, self._told, self._spans
        if not self._part.is_empty():
            # Whose story nobody asks for counts as well: most, where rows tell enough. What comes
            # next may be longer than that, so the guess falls slowly.
            told_of_each = told.height / self._part[key].n_unique()
            self._story_events = max(1.0, told_of_each, self._story_events / 4)
        if (is_crowded := crowded(self._numbers)).any():
            self._filled = pl.concat([self._filled, full_hours(told.filter(is_crowded), key)])
        if self._chunks:
            # Keys that were read twice, for a longer span, have the same chunks twice.
            chunks = pl.concat(self._chunks).unique(self.table.primary_key)
            self._fewer.append(
                compacted(chunks, self.table, self.telling.fields, chunks_max=COMPACT_FROM)
            )
        if not spans.is_empty():
            count = sum(each.events.height for each in self._kept if each.events is not None)
            has_room = not self._kept or count + told.height <= EVENTS_KEPT_MAX
            self._kept.append(_Told(spans, told if has_room else None))
        self._begin(self._nothing)

    def committed(self) -> None:
        """What was taken up is in the store."""
        self.under_way(None)

    def under_way(self, landed: Landed | None) -> None:
        """What was taken up is being written; see `Folding.under_way`."""
        key = self.telling.key
        first = pl.col("timestamp").min() // HOUR_MS * HOUR_MS
        self._stored.under_way(self._batch.group_by(key).agg(first.alias(RANGE_FROM)), landed)
        self._is_under_way = landed is not None
        others = self._batch
        for told in self._kept:
            if told.events is None:
                self._cache.forget(told.spans)
            else:
                self._cache.put(told.spans, told.events)
            others = others.join(told.spans, on=key, how="anti")
        if self._cache.size:
            self._cache.add(others)
        if not self._filled.is_empty():
            full = pl.concat([self._full, self._filled]).group_by(self.telling.key, "hour")
            self._full = full.agg(pl.col("last").min()).tail(FULL_HOURS_MAX)
        self.take(self._nothing)

    def landed(self) -> None:
        """What was under way is in the store."""
        self._is_under_way = False
        self._stored.landed()

    def forget_before(self, instant_ms: int) -> None:
        """What was told before a time has expired in the store, hour by hour."""
        if self._cache.reaches_before(-(-instant_ms // HOUR_MS) * HOUR_MS):
            self._cache.drop()

    def drop(self) -> None:
        """Forget everything."""
        self._full = self._full.clear()
        self._cache.drop()
        self.take(self._nothing)

    def events(self, spans: pl.DataFrame) -> pl.DataFrame:
        """See `rtcdp.folds.kernel.EventsByKey`. What was read for one fold serves the others, which
        may ask at the same time."""
        with self._telling:
            told = self._events(spans)
        self.was_told.set()
        return told

    def _events(self, spans: pl.DataFrame) -> pl.DataFrame:
        key = self.telling.key
        hour = pl.col(RANGE_FROM).clip(EARLIEST_MS) // HOUR_MS * HOUR_MS
        spans = spans.select(key, hour)
        missing = spans
        if not self._spans.is_empty():
            beside = spans.join(self._spans, on=key, how="left", suffix=" known")
            is_known = pl.col(f"{RANGE_FROM} known") <= pl.col(RANGE_FROM)
            missing = beside.filter(~is_known.fill_null(False)).select(spans.columns)
        if not missing.is_empty():
            self._tell(missing)
            if missing.height == self._spans.height:
                return self._told
        asked = self._spans.join(spans, on=key, how="left", suffix=" asked", maintain_order="left")[
            f"{RANGE_FROM} asked"
        ]
        since = asked.fill_null(LATEST_MS).to_numpy()[self._numbers]
        is_asked = self._told["timestamp"].to_numpy() >= since
        return self._told if is_asked.all() else self._told.filter(is_asked)

    def tell(self, spans: pl.DataFrame) -> None:
        """Have the stories of these keys at hand, from the beginnings of their spans on: what is
        known to be asked for costs less at once than one fold after another."""
        if not spans.is_empty():
            self.events(spans)

    def _tell(self, spans: pl.DataFrame) -> None:
        """Have the stories of these keys at hand, too, in the order in which they are told."""
        key, known_from = self.telling.key, f"{RANGE_FROM} known"
        more = self._cache.rows(spans, anew=not self._is_under_way)
        new, kept = spans, self._spans
        if not self._spans.is_empty():
            # Of a story that is told from later on, only what lies before that is missing.
            known = self._spans.select(key, pl.col(RANGE_FROM).alias(known_from))
            beside = more.join(known, on=key, how="left")
            is_missing = (pl.col("timestamp") < pl.col(known_from)).fill_null(True)
            more = beside.filter(is_missing).select(more.columns)
            new = spans.join(known, on=key, how="anti")
            kept = self._spans.join(spans, on=key, how="anti")
        self._spans = pl.concat([kept, spans]).sort(key)
        if new.is_empty() and more.is_empty():
            return
        batch = self._part.join(new, on=key, how="semi")
        told = pl.concat([self._told, more, batch])
        self._told, self._numbers = story_order(told, self._spans, key)
        if (is_crowded := crowded(self._numbers)).any():
            full = self._told.filter(is_crowded)
            capped = first_of_hours(full, key)
            if capped.height < full.height:
                told = pl.concat([self._told.filter(~is_crowded), capped])
                self._told, self._numbers = story_order(told, self._spans, key)

    def _read(self, spans: pl.DataFrame) -> pl.DataFrame:
        """What the store tells of these keys."""
        chunks = self._stored.rows(spans)
        self._chunks.append(chunks)
        return decoded(chunks, self.telling.key, self.telling.fields)

    def changes(self, number: int) -> RowChanges:
        """What the batch adds; and hours that were read in many chunks, in one."""
        key, batch, untold = self.telling.key, self._batch, self._untold
        self._end()
        added = chunks_of(batch, self.table, number)
        if may_be_full(added["event_count"].max() or 0):  # type: ignore[arg-type]
            self._filled = pl.concat([self._filled, full_hours(batch, key)])
        if not untold.is_empty():
            added = with_untold(added, untold, self.table, number)
        gone, before = added.select(self.table.primary_key).clear(), added.clear()
        if self._fewer:
            gone = pl.concat([each.delete for each in self._fewer])
            before = pl.concat([each.before for each in self._fewer])
            added = pl.concat([*(each.replace for each in self._fewer), added])
        # Chunks of a number that none had before are new.
        return RowChanges(self.table, gone, added, before)


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
