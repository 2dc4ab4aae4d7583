"""The stories of all keys, told to folds as they are after a batch that is not in the store yet."""

import threading
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from rtcdp.clock import EARLIEST_MS, HOUR_MS, LATEST_MS
from rtcdp.definitions import RANGE_FROM
from rtcdp.engines.stored_rows import Landed, Readable, StoredRows
from rtcdp.folds.row_cache import Kept, SpanCache
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
    story_order,
    with_untold,
)
from rtcdp.store import RowChanges

COMPACT_FROM = 16
"""An hour that is read in so many chunks is written in as few as can be."""

FULL_HOURS_MAX = 100_000
"""So many hours that are full are remembered."""

EVENTS_KEPT_MAX = 1_000_000
"""So many events of a timeline are kept in memory, for keys that come again."""

TOLD_AT_ONCE_MAX = 250_000
"""So many events are told together, about, or rows of a fold looked at. Where stories are long, a
batch is folded in parts, of some of its keys each."""

STORY_EVENTS = 50.0
"""How many events a story is taken to have before any was told."""


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
        self._part, self._row_count = part, 0
        self._told, self._numbers = self._nothing, np.zeros(0, np.int64)
        self._spans = pl.DataFrame(schema={self.telling.key: pl.String(), RANGE_FROM: pl.Int64()})
        self._chunks: list[pl.DataFrame] = []

    def note_rows(self, count: int) -> None:
        """A fold has so many rows of the keys of this part, which take room as events do."""
        self._row_count = max(self._row_count, count)

    def _end(self) -> None:
        """Note what is to be remembered of the stories that were told, and of their chunks."""
        key, told, spans = self.telling.key, self._told, self._spans
        if not self._part.is_empty():
            # Whose story nobody asks for counts as well: most, where rows tell enough. What comes
            # next may be longer than that, so the guess falls slowly.
            looked_at = max(told.height, self._row_count)
            told_of_each = looked_at / self._part[key].n_unique()
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
