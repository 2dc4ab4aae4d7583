"""Joins: which event of one kind is followed by one of another, within a time, and which is not.

What is put into a cart is bought, or left there. Each event has one partner at most, and they are
found like brackets: the right one closes the nearest left one before it that is still without. So
what becomes of a left one hangs on what comes after it and within its time, and on nothing else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from rtcdp.clock import DAY_MS, HOUR_MS
from rtcdp.definitions import (
    Predicate,
    Reach,
    RowColumn,
    ShownColumn,
    Step,
    TextField,
    field_column,
    fields_of_predicate,
    to_expression,
)
from rtcdp.folds.rows import changes_in, empty_rows, in_order
from rtcdp.folds.segments import Flags, Ints, first_places, numbered

ON_MAX = 3
WITHIN_MS_MAX = 366 * DAY_MS

WAITING = "waiting"
"""What is to be said of a left event that has no partner yet, and may still get one."""

_STARTED = "left_at"
_WORD = re.compile("[a-z][a-z0-9_]{0,29}")
_IS_RIGHT = "is right"


@dataclass(frozen=True)
class IntervalJoin(Step):
    """Each event of `left` with the event of `right` that follows it at once or `within_ms` after
    it, at the latest, and has the same values of the fields `on`; or without one. An event that is
    both counts as a left one. `outcomes` are the words for what has a partner and what has none.

    Raises `UsageError`, saying what to write instead.
    """

    called = "a join"

    left: Predicate
    right: Predicate
    on: tuple[TextField, ...] = ()
    within_ms: int = DAY_MS
    outcomes: tuple[str, str] = ("matched", "unmatched")

    def faults(self) -> Iterator[tuple[bool, str, str]]:
        is_long = not 0 < self.within_ms <= WITHIN_MS_MAX
        yield is_long, "no time or more than a year", "within_ms above 0, a year at most"
        yield len(self.on) > ON_MAX, f"{len(self.on)} fields in `on`", f"{ON_MAX} at most"
        yield len({*self.on}) < len(self.on), "a field twice in `on`", "each once"
        words = 'outcomes=("bought", "left"), two words in small letters, none of them "waiting"'
        is_odd = len({*self.outcomes, WAITING}) != 3 or not all(map(_WORD.fullmatch, self.outcomes))
        yield is_odd, f"the outcomes {', '.join(self.outcomes)}", words

    @property
    def order(self) -> tuple[str, ...]:
        return (_STARTED, *self.on, "number")

    @property
    def columns(self) -> tuple[RowColumn, ...]:
        """`number` tells left events apart that happen at once; from 0 on."""
        return (
            RowColumn(_STARTED, "integer"),
            *(RowColumn(field, "text") for field in self.on),
            RowColumn("number", "integer"),
            RowColumn("left_value", "real"),
            RowColumn("right_at", "integer"),
            RowColumn("right_value", "real"),
        )

    @property
    def fields(self) -> tuple[str, ...]:
        asked = {"eventId", "value", *self.on}
        return tuple(
            sorted(asked | fields_of_predicate(self.left) | fields_of_predicate(self.right))
        )

    @property
    def reach(self) -> Reach:
        """Whole hours: of one that is full, an earlier event takes the last one out."""
        return Reach(self.within_ms, 0, HOUR_MS)

    @property
    def apart(self) -> tuple[str, ...]:
        return self.on

    @property
    def settled(self) -> str:
        """When the time for a partner is over."""
        return f"{{{_STARTED}}} + {self.within_ms}"

    @property
    def final_after_ms(self) -> int:
        """Whoever follows carts wants to know which ones were left."""
        return self.within_ms

    def shown(self, key: str) -> tuple[ShownColumn, ...]:
        took = "({right_at} - {left_at})"
        return (
            ShownColumn("id", "text", self._id(key), "Names the row, by its left event"),
            field_column(key),
            *(field_column(name) for name in self.on),
            ShownColumn(_STARTED, "instant", f"{{{_STARTED}}}", "When the left event happened"),
            ShownColumn("left_value", "real", "{left_value}", "Its value"),
            ShownColumn(
                "is_matched", "flag", "({right_at} IS NOT NULL)", f"It was {self.outcomes[0]}"
            ),
            ShownColumn("right_at", "instant", "{right_at}", "When its partner happened"),
            ShownColumn("right_value", "real", "{right_value}", "The value of its partner"),
            ShownColumn("took_ms", "integer", took, "From the one to the other"),
        )

    def _id(self, key: str) -> str:
        """SQL for what names a row. Nothing but the last part may have a tilde."""
        joined = "".join(
            f"REPLACE(REPLACE({{{name}}}, '-', '--'), '~', '-t') || '~' || " for name in self.on
        )
        numbers = [f"CAST({{{name}}} AS TEXT) || '~' || " for name in (_STARTED, "number")]
        return f"{numbers[0]}{joined}{numbers[1]}{{{key}}}"

    def relevant(self, events: pl.DataFrame) -> pl.DataFrame:
        is_asked = to_expression(self.left) | to_expression(self.right)
        return events.filter(is_asked, *(pl.col(name).is_not_null() for name in self.on))

    def rows(self, events: pl.DataFrame, key: str) -> pl.DataFrame:
        columns = (RowColumn(key, "text"), *self.columns)
        told, lefts, rights = self.pairs(events, key)
        if len(lefts) == 0:
            return empty_rows(columns)
        begins = changes_in(told, key, *self.on, "timestamp")
        partners = pl.Series(rights).replace(told.height, None)
        rows = told[lefts].select(
            key,
            pl.col("timestamp").alias(_STARTED),
            *self.on,
            pl.Series("number", (np.arange(told.height) - first_places(begins))[lefts]),
            pl.col("value").alias("left_value"),
            told["timestamp"].gather(partners).alias("right_at"),
            told["value"].gather(partners).alias("right_value"),
        )
        return rows.select([name for name, _ in columns])

    def pairs(self, events: pl.DataFrame, key: str) -> tuple[pl.DataFrame, Ints, Ints]:
        """The events that are looked at, in order; the places of the left ones among them, and the
        places of their partners, which is the number of events where there is none."""
        told = self.relevant(events.filter(pl.col(key).is_not_null()))
        told = told.with_columns((~to_expression(self.left)).alias(_IS_RIGHT))
        # At once, the left one comes first.
        told = in_order(told, key, *self.on, "timestamp", _IS_RIGHT, "eventId", "value")
        if told.is_empty():
            return told, np.zeros(0, np.int64), np.zeros(0, np.int64)
        is_left = ~told[_IS_RIGHT].to_numpy()
        segments = numbered(changes_in(told, key, *self.on))
        partners = partners_of(is_left, segments, told["timestamp"].to_numpy(), self.within_ms)
        lefts = np.flatnonzero(is_left)
        return told, lefts, partners[lefts]


def partners_of(is_left: Flags, segments: Ints, times: Ints, within_ms: int) -> Ints:
    """For each left one the place of its partner, like a bracket's; else the number of all. Rows
    are sorted by segment and time.

    Brackets at the same depth of a segment alternate, so that the next one is the partner if it
    closes. What is too late for the nearest left one is so for those before it, too.
    """
    size = len(is_left)
    after = np.cumsum(np.where(is_left, 1, -1))
    depths = np.where(is_left, after, after + 1)
    order = np.lexsort((depths, segments))
    this, following = order[:-1], order[1:]
    is_pair = is_left[this] & ~is_left[following]
    is_pair &= (segments[this] == segments[following]) & (depths[this] == depths[following])
    is_pair &= times[following] - times[this] <= within_ms
    partners = np.full(size, size)
    partners[this[is_pair]] = following[is_pair]
    return partners
