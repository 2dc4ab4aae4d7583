"""One key's story: its events in order of time, as the store keeps them for the folds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from rtcdp.answers.cursor import INSTANT
from rtcdp.answers.export import ColumnType
from rtcdp.answers.instant import iso_ms
from rtcdp.clock import HOUR_MS
from rtcdp.definitions import RANGE_FROM, RANGE_TO, Fold
from rtcdp.events.event import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS
from rtcdp.folds.timeline import Telling, events_in, overflow_of, standard_timeline, timeline_of
from rtcdp.store import StoreSnapshot

FIRST_LOOK_MS = 6 * HOUR_MS
_GROWTH = 8

CHUNKS_MAX = 64
"""So many chunks of a story are read in one look, of some 100 KB each at most; or those of an hour,
which has no more events than a story tells of it."""

_EARLIEST_HOUR = MIN_TIMESTAMP_MS // HOUR_MS * HOUR_MS
_LAST_CHUNK = 2**62

_TYPES: Mapping[type[pl.DataType], ColumnType] = {pl.Int64: "integer", pl.Float64: "real"}

Position = tuple[int, str, int]
"""The time and the id of the last event of a page, and how many that have both were told up to it:
those without an id, or from other sources, share them."""

POSITION = (INSTANT, str, range(2**31))
"""What a cursor of a story is made of."""


@dataclass(frozen=True)
class Events:
    """Events of a key, with their fields, and how many more there were than the story keeps."""

    frame: pl.DataFrame
    not_told: int


def shared_telling(folds: Iterable[Fold], key: str) -> Telling:
    """The timeline that tells the stories of a key: that which folds share, if one of them does."""
    tellings = [timeline_of(fold) for fold in folds if fold.key == key]
    shared = standard_timeline(key)
    return shared if shared in tellings or not tellings else tellings[0]


class Story:
    """The events of each key of a timeline, as a snapshot has them."""

    def __init__(self, snapshot: StoreSnapshot, telling: Telling) -> None:
        self._snapshot = snapshot
        self._telling = telling

    def between(self, whose: str, start: int, end: int) -> Events:
        """All events of one key in [`start`, `end`) (UTC ms), oldest first."""
        return self._told(self._chunks(whose, start // HOUR_MS * HOUR_MS, end), start, end)

    def newest(self, whose: str, now_ms: int, before: Position | None, limit: int) -> Events:
        """At most `limit` events of one key, newest first: those before a position, if there is
        one. Looks back in ever longer steps, for most stories are short and recent; where there is
        much, in halves of them, so that a look takes `CHUNKS_MAX` chunks at most, or an hour."""
        end = MAX_TIMESTAMP_MS + 1 if before is None else before[0] + 1
        newest = now_ms if before is None else before[0]
        # Whole hours, so that none is looked at twice.
        start, look_ms = newest // HOUR_MS * HOUR_MS - FIRST_LOOK_MS, FIRST_LOOK_MS
        found = [self._told(self._chunks(whose, 0, 0), 0, 0).frame]
        not_told, missing = 0, limit
        while missing > 0 and end > MIN_TIMESTAMP_MS:
            start = max(start, _EARLIEST_HOUR)
            if end - start > HOUR_MS and self._is_much(whose, start, end):
                start += max(HOUR_MS, (end - start) // 2 // HOUR_MS * HOUR_MS)
                look_ms = -(-(end - start) // HOUR_MS) * HOUR_MS
                continue
            some = self._told(self._chunks(whose, start, end), start, end)
            frame = some.frame.reverse()
            if before is not None:
                frame = beyond(frame, before, newest_first=True)
            found.append(frame.head(missing))
            not_told += some.not_told
            missing -= found[-1].height
            look_ms *= _GROWTH
            start, end = start - look_ms, start
        return Events(pl.concat(found), not_told)

    def _chunks(self, whose: str, start: int, end: int) -> pl.DataFrame:
        spans = {self._telling.key: [whose], RANGE_FROM: start, RANGE_TO: end}
        return self._snapshot.rows(self._telling.table, pl.DataFrame(spans))

    def _is_much(self, whose: str, start: int, end: int) -> bool:
        """Whether a key has more than `CHUNKS_MAX` chunks from a time on, before another."""
        table = self._telling.table
        ahead = self._snapshot.row_page(
            table, after=(whose, start - 1, _LAST_CHUNK), limit=CHUNKS_MAX + 1
        )
        inside = (pl.col(self._telling.key) == whose) & (pl.col("hour") < end)
        return ahead.filter(inside).height > CHUNKS_MAX

    def _told(self, chunks: pl.DataFrame, start: int, end: int) -> Events:
        table, key = self._telling.table, self._telling.key
        events = events_in(chunks, table, self._telling.fields)
        inside = events.filter((pl.col("timestamp") >= start) & (pl.col("timestamp") < end))
        more = overflow_of(chunks, table)["not_told"].sum()
        return Events(inside.drop(key), int(more))


def shown_events(events: pl.DataFrame) -> list[dict[str, Any]]:
    """Events as answers show them: the fields that they have."""
    return [
        {
            "timestamp": iso_ms(event.pop("timestamp")),
            **{name: value for name, value in event.items() if value is not None},
        }
        for event in events.to_dicts()
    ]


def types_of_events(fields: pl.Schema) -> dict[str, ColumnType]:
    """The columns that events of a story may have, as answers show them."""
    others = {name: _TYPES.get(kind.base_type(), "text") for name, kind in fields.items()}
    return {"timestamp": "instant", **{n: k for n, k in others.items() if n != "timestamp"}}


def position_of(page: pl.DataFrame, before: Position | None) -> Position:
    """Where a page of a story ends that goes on from another position, if there is one."""
    last = page.row(-1, named=True)
    time, event_id = last["timestamp"], last["eventId"] or ""
    told = 0 if before is None or before[:2] != (time, event_id) else before[2]
    return time, event_id, told + page.filter(_is_at(time, event_id)).height


def beyond(events: pl.DataFrame, position: Position, *, newest_first: bool = False) -> pl.DataFrame:
    """The events that come after a position, of events in the order in which they are told."""
    time, event_id, told = position
    instant, named = pl.col("timestamp"), pl.col("eventId").fill_null("")
    if newest_first:
        is_beyond = (instant < time) | ((instant == time) & (named < event_id))
    else:
        is_beyond = (instant > time) | ((instant == time) & (named > event_id))
    is_at = _is_at(time, event_id)
    return events.filter(is_beyond | (is_at & (is_at.cast(pl.Int64).cum_sum() > told)))


def _is_at(time: int, event_id: str) -> pl.Expr:
    return (pl.col("timestamp") == time) & (pl.col("eventId").fill_null("") == event_id)
