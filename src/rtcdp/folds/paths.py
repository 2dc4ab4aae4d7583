"""Paths: through which pages, products or kinds of events people go, one after the other.

A row is the path of one person, or of one of their sessions. What is limited in an answer are whole
paths: the rare ones together are "other", and nobody looks as if they had left who only went on
along a rare way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

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
from rtcdp.definitions.predicate import Everything
from rtcdp.folds.rows import changes_in, fitting, in_order, row_schema
from rtcdp.folds.segments import Flags, Ints, numbered
from rtcdp.folds.sessions import Sessions

NODES_MAX = 20


@dataclass(frozen=True)
class Paths(Step):
    """The values of `node` of the `events` of a user, or of each session (`by="session"`), in order
    of time; at most `nodes_max` of them. A path begins with the first event of `from_event`, and
    ends with the first one of `to_event` after that; with `to_event` alone it is what leads to the
    last of these. With `collapse`, the same value again at once is not told. Of very long values
    fewer are told (`LIST_BYTES`).

    Raises `UsageError`, saying what to write instead.
    """

    called = "paths"

    node: TextField = "pageUrl"
    events: Predicate = Everything()
    by: Literal["user", "session"] = "session"
    from_event: Predicate | None = None
    to_event: Predicate | None = None
    nodes_max: int = 8
    collapse: bool = True
    sessions: Sessions = Sessions()

    def faults(self) -> Iterator[tuple[bool, str, str]]:
        yield self.by not in ("user", "session"), f"a path by {self.by!r}", 'by="user" or "session"'
        is_long = not 2 <= self.nodes_max <= NODES_MAX
        yield is_long, f"{self.nodes_max} nodes", f"nodes_max from 2 to {NODES_MAX}"
        is_plain = self.sessions.by == "gap" and self.sessions.campaign is None
        yield not is_plain, "such sessions", "sessions that go by the gap alone"

    @property
    def order(self) -> tuple[str, ...]:
        return ("started_at",)

    @property
    def columns(self) -> tuple[RowColumn, ...]:
        """`started_at` is when the story, or the session, began; `path` is a JSON list; `is_cut`
        tells whether it went on beyond `nodes_max`."""
        return (
            RowColumn("started_at", "integer"),
            RowColumn("path", "text"),
            RowColumn("length", "integer"),
            RowColumn("is_cut", "integer"),
        )

    @property
    def fields(self) -> tuple[str, ...]:
        asked = {"eventId", self.node, *fields_of_predicate(self.events)}
        for anchor in (self.from_event, self.to_event):
            asked |= set() if anchor is None else fields_of_predicate(anchor)
        return tuple(sorted(asked | (set(self.sessions.fields) if self.by == "session" else set())))

    @property
    def reach(self) -> Reach:
        return self.sessions.reach if self.by == "session" else Reach(None, None)

    def narrowed(
        self, story: pl.DataFrame, events: pl.DataFrame, spans: pl.DataFrame, key: str
    ) -> tuple[pl.DataFrame, pl.Series] | None:
        if self.by == "user":
            return None
        return self.sessions.runs_touched(story, events, spans, key)

    @property
    def settled(self) -> str | None:
        """A session's path, when the session can't go on."""
        if self.by == "user":
            return None
        return f"{{started_at}} + {self.sessions.longest_ms + self.sessions.gap_ms}"

    def shown(self, key: str) -> tuple[ShownColumn, ...]:
        whose = "session" if self.by == "session" else "story"
        return (
            field_column(key),
            ShownColumn("started_at", "instant", "{started_at}", f"When the {whose} began"),
            ShownColumn("path", "text", "{path}", f"Each {self.node} in order, a JSON list"),
            ShownColumn("length", "integer", "{length}", "How many these are"),
            ShownColumn(
                "is_cut", "flag", "({is_cut} = 1)", f"It went on beyond {self.nodes_max} of them"
            ),
        )

    def rows(self, events: pl.DataFrame, key: str) -> pl.DataFrame:
        schema = row_schema((RowColumn(key, "text"), *self.columns))
        events = events.filter(pl.col(key).is_not_null())
        unit = [key]
        if self.by == "session":
            events = self.sessions.started(events, key)
            unit.append("session_start")
        chosen = events.filter(to_expression(self.events) & pl.col(self.node).is_not_null())
        if chosen.is_empty():
            return schema.to_frame()
        chosen = in_order(chosen, *unit, "timestamp", "eventId", self.node, stable=True)
        begins = changes_in(chosen, *unit)
        kept, cut = self._kept(chosen, begins)
        quoted = pl.struct(node=pl.col(self.node)).struct.json_encode().str.slice(8)
        nodes, numbers = chosen[kept].select(quoted.str.head(-1))[:, 0], numbered(begins)[kept]
        fits = fitting(numbers, nodes, latest=self._leads_to)
        cut |= np.isin(numbers, numbers[~fits])
        told = (
            pl.DataFrame({"node": nodes, "number": numbers, "is_cut": cut})
            .filter(pl.Series(fits))
            .group_by("number", maintain_order=True)
            .agg(
                pl.concat_str(pl.lit("["), pl.col("node").str.join(","), pl.lit("]")).alias("path"),
                pl.len().alias("length"),
                pl.col("is_cut").first(),
            )
        )
        start = "timestamp" if self.by == "user" else "session_start"
        firsts = np.flatnonzero(begins)[told["number"].to_numpy()]
        who: pl.DataFrame = chosen[firsts].select(key, pl.col(start).alias("started_at"))
        rows = pl.concat([who, told.drop("number")], how="horizontal")
        return rows.select(schema.names()).cast(schema)

    @property
    def _leads_to(self) -> bool:
        """Whether the last ones are told, and not the first."""
        return self.from_event is None and self.to_event is not None

    def _kept(self, events: pl.DataFrame, begins: Flags) -> tuple[Ints, Flags]:
        """The places of the events that are told, of events by unit and time, and for each of them
        whether there were more of its unit than are told."""
        numbers = numbered(begins)
        inside = np.flatnonzero(self._anchored(events, begins))
        if self.collapse and len(inside):
            nodes = events[self.node].gather(inside)
            again = (nodes == nodes.shift()).fill_null(False).to_numpy().copy()
            again[1:] &= numbers[inside][1:] == numbers[inside][:-1]
            inside = inside[~again]
        units = numbers[inside]
        lengths = np.bincount(units, minlength=int(numbers[-1]) + 1)
        place = np.arange(len(inside)) - (np.cumsum(lengths) - lengths)[units]
        if self._leads_to:
            place = lengths[units] - 1 - place
        is_told = place < self.nodes_max
        return inside[is_told], lengths[units[is_told]] > self.nodes_max

    def _anchored(self, events: pl.DataFrame, begins: Flags) -> Flags:
        """Which events of each unit lie between its first anchor and its last."""
        size = len(begins)
        places, firsts, numbers = np.arange(size), np.flatnonzero(begins), numbered(begins)
        inside, start = np.ones(size, np.bool_), np.full(size, -1)
        if self.from_event is not None:
            is_start = events.select(to_expression(self.from_event)).to_series().to_numpy()
            start = np.minimum.reduceat(np.where(is_start, places, size), firsts)[numbers]
            inside = places >= start
        if self.to_event is None:
            return inside
        is_end = events.select(to_expression(self.to_event)).to_series().to_numpy()
        if self.from_event is None:
            end = np.maximum.reduceat(np.where(is_end, places, -1), firsts)[numbers]
            return inside & (places <= end)
        end = np.minimum.reduceat(np.where(is_end & (places > start), places, size), firsts)
        return inside & (places <= end[numbers]) & (end[numbers] < size)
