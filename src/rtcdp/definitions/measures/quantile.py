# ruff: noqa: S608 - only names and numbers of ours are put into SQL
"""Quantiles of a number: how large it is at most for a given share of the events."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from rtcdp.definitions.measures.contract import Fault, Measure, SqlOf, States
from rtcdp.definitions.measures.top import ITEM, ITEM_COUNT, TOP_EXACT_UP_TO
from rtcdp.definitions.predicate import Predicate
from rtcdp.definitions.state import Side
from rtcdp.events.derived import Number, field_in_words
from rtcdp.events.measured import SKETCH_ERROR, Sketched, sketched_value, sketched_value_in_sql


@dataclass(frozen=True)
class Quantile(Measure):
    """The value below which the share `q` of the events lies, at most 1 % off: `Quantile("p95",
    0.95)`; null where no event has the field.

    Kept are counts of ranges, of which there are fewer than an item table holds, so that nothing
    is ever dropped: whatever the order of events, the same counts come together.
    """

    kind = "quantile"

    name: str
    q: float
    field: Number = "value"
    where: Predicate | None = None

    def side(self) -> Side:
        return Side("heaviest_items", Sketched(self.field), TOP_EXACT_UP_TO)

    def final(self, states: States) -> list[object]:
        group = list(states.group)
        ranges = states.members.with_columns(pl.col(ITEM).cast(pl.Int64)).sort(*group, ITEM)
        count = pl.col(ITEM_COUNT)
        # The value that is reached is that of the event before which floor(q · (n - 1)) others are.
        rank = ((count.sum() - 1) * self.q).floor().over(group)
        reached = (
            ranges.filter(count.cum_sum().over(group) > rank)
            .group_by(group)
            .agg(pl.col(ITEM).first())
        )
        found = states.beside(reached)[ITEM].to_list()
        return [None if number is None else sketched_value(number) for number in found]

    def in_sql(self, sql: SqlOf) -> str:
        number = f"CAST({ITEM} AS {sql.integer})"
        ranges = (
            f"SELECT {number} AS number, SUM({ITEM_COUNT}) OVER (ORDER BY {number}) AS reached,"
            f" SUM({ITEM_COUNT}) OVER () AS events FROM {sql.side}"
        )
        rank = f"CAST(events - 1 AS {sql.real}) * CAST({self.q!r} AS {sql.real})"
        return (
            f"(SELECT {sketched_value_in_sql('number', sql.real)} FROM ({ranges}) AS ranges"
            f" WHERE reached > {rank} ORDER BY number LIMIT 1)"
        )

    def in_words(self) -> str:
        percent = f"{self.q * 100:g} %"
        return (
            f"the {field_in_words(self.field)} that {percent} of the events don't exceed,"
            f" to {SKETCH_ERROR:.0%}"
        )

    def faults(self, before: Sequence[Measure]) -> Iterator[Fault]:
        del before
        if not 0 <= self.q <= 1:
            yield Fault(f"{self.name} asks for the share {self.q}", "let q be from 0 to 1")
