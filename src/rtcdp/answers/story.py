"""One key's story: its events in order of time, as the store keeps them for the folds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from rtcdp.answers.instant import iso_ms
from rtcdp.definitions import RANGE_FROM, RANGE_TO, Fold
from rtcdp.events.event import MIN_TIMESTAMP_MS
from rtcdp.folds.timeline import (
    HOUR_MS,
    Telling,
    events_in,
    overflow_of,
    standard_timeline,
    timeline_of,
)
from rtcdp.store import StoreSnapshot

FIRST_LOOK_MS = 6 * HOUR_MS
_GROWTH = 8

Position = tuple[int, str]
"""The time and the id of an event."""


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
        table, key = self._telling.table, self._telling.key
        hours = {RANGE_FROM: start // HOUR_MS * HOUR_MS, RANGE_TO: end}
        rows = self._snapshot.rows(table, pl.DataFrame({key: [whose], **hours}))
        events = events_in(rows, table, self._telling.fields)
        inside = events.filter((pl.col("timestamp") >= start) & (pl.col("timestamp") < end))
        beyond = overflow_of(rows, table)["not_told"].sum()
        ordered = inside.sort("timestamp", "eventId", nulls_last=False)
        return Events(ordered.drop(key), int(beyond))

    def newest(self, whose: str, now_ms: int, before: Position | None, limit: int) -> Events:
        """At most `limit` events of one key, newest first: those before a position, if there is
        one. Looks back in ever longer steps, for most stories are short and recent."""
        end = 2**62 if before is None else before[0] + 1
        start = (now_ms if before is None else before[0]) - FIRST_LOOK_MS
        found: list[pl.DataFrame] = []
        not_told, missing, look_ms = 0, limit, FIRST_LOOK_MS
        while missing > 0 and end > MIN_TIMESTAMP_MS:
            start = max(start, MIN_TIMESTAMP_MS)
            some = self.between(whose, start, end)
            frame = some.frame if before is None else some.frame.filter(_is_before(before))
            found.append(frame.reverse().head(missing))
            not_told += some.not_told
            missing -= found[-1].height
            look_ms *= _GROWTH
            start, end = start - look_ms, start
        return Events(pl.concat(found), not_told)


def shown_events(events: pl.DataFrame) -> list[dict[str, Any]]:
    """Events as answers show them: the fields that they have."""
    return [
        {
            "timestamp": iso_ms(event.pop("timestamp")),
            **{name: value for name, value in event.items() if value is not None},
        }
        for event in events.to_dicts()
    ]


def position_of(event: dict[str, Any]) -> Position:
    """Where an event of a story stands in it."""
    return (event["timestamp"], event["eventId"] or "")


def is_after(position: Position) -> pl.Expr:
    """Which events come after a position."""
    return ~_is_before(position) & ~_is_at(position)


def _is_at(position: Position) -> pl.Expr:
    return (pl.col("timestamp") == position[0]) & (pl.col("eventId").fill_null("") == position[1])


def _is_before(position: Position) -> pl.Expr:
    instant, event_id = pl.col("timestamp"), pl.col("eventId").fill_null("")
    is_same = instant == position[0]
    return (instant < position[0]) | (is_same & (event_id < position[1]))
