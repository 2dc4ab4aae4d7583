# ruff: noqa: S608 - only names and numbers of ours are put into SQL
"""How many different values a field has: the k smallest hashes of them (a KMV sketch)."""

from dataclasses import dataclass

import polars as pl

from rtcdp.definitions.measures.contract import Measure, SqlOf, States, ValueType
from rtcdp.definitions.predicate import Predicate
from rtcdp.definitions.state import Side
from rtcdp.events.derived import Text, field_in_words

DISTINCT_EXACT_UP_TO = 8192
"""Distinct counts are exact up to here. Beyond, they are estimated from the 8,192 smallest hashes
with a standard error of 1.1 % (Bar-Yossef et al., Counting Distinct Elements in a Data Stream,
2002; Beyer et al., On Synopses for Distinct-Value Estimation, 2007)."""

MEMBER = "member"
"""The column of a member table with the signed 64-bit hashes of the values."""

_AT_THE_BOUND = 40


@dataclass(frozen=True)
class Distinct(Measure):
    """How many different values the field has."""

    kind = "distinct"

    name: str
    field: Text
    where: Predicate | None = None

    @property
    def value_type(self) -> ValueType:
        return "integer"

    def side(self) -> Side:
        return Side("smallest_members", self.field, DISTINCT_EXACT_UP_TO)

    def final(self, states: States) -> list[object]:
        kept = DISTINCT_EXACT_UP_TO
        sizes = states.members.group_by(states.group).len(name="size")
        smallest = states.members
        if (sizes["size"] > kept).any():
            smallest = smallest.sort(MEMBER).group_by(states.group).head(kept)
        kth = smallest.group_by(states.group).agg(pl.col(MEMBER).max())
        found = states.beside(sizes.join(kth, on=states.group))
        return [
            _beyond(last) if size is not None and size >= kept else size or 0
            for size, last in zip(found["size"], found[MEMBER], strict=True)
        ]

    def in_sql(self, sql: SqlOf) -> str:
        kept = DISTINCT_EXACT_UP_TO
        return (
            f"(SELECT CASE WHEN COUNT(*) < {kept} THEN COUNT(*)"
            f" ELSE {_beyond_in_sql(f'MAX({MEMBER})', sql)} END FROM"
            f" (SELECT {MEMBER} FROM {sql.side} ORDER BY {MEMBER} LIMIT {kept}) AS smallest)"
        )

    def in_words(self) -> str:
        return f"how many different {field_in_words(self.field)}"


def distinct_estimate(kth_smallest: int) -> int:
    """How many different values there are when the `DISTINCT_EXACT_UP_TO`-th smallest of their
    signed 64-bit hashes is `kth_smallest`: (K-1) / the fraction of the hash space below it."""
    fraction = (kth_smallest + 2**63) / 2**64
    return round((DISTINCT_EXACT_UP_TO - 1) / fraction)


def _beyond(kth_smallest: int) -> int:
    """How many different values there are when as many hashes are kept as may be.

    Of exactly that many values, the largest hash lies next to the end of its range: an estimate
    of `_AT_THE_BOUND` more has a chance of e⁻⁴⁰. So whatever is nearer is the bound itself.
    """
    estimate = distinct_estimate(kth_smallest)
    is_at_the_bound = estimate <= DISTINCT_EXACT_UP_TO + _AT_THE_BOUND
    return DISTINCT_EXACT_UP_TO if is_at_the_bound else estimate


def _beyond_in_sql(kth_smallest: str, sql: SqlOf) -> str:
    """The same in SQL. Half of the hashes are below zero, where adding 2⁶³ in whole numbers loses
    nothing; the others stand for small estimates, where doubles are good enough."""
    rank = (
        f"CASE WHEN {kth_smallest} < 0"
        f" THEN CAST({kth_smallest} + {2**63 - 1} + 1 AS {sql.real})"
        f" ELSE CAST({kth_smallest} AS {sql.real}) + {2**63}.0 END"
    )
    estimate = f"ROUND({DISTINCT_EXACT_UP_TO - 1} / (({rank}) / {2**64}.0))"
    bound = DISTINCT_EXACT_UP_TO + _AT_THE_BOUND
    return (
        f"CASE WHEN {estimate} <= {bound} THEN {DISTINCT_EXACT_UP_TO}"
        f" ELSE CAST({estimate} AS {sql.integer}) END"
    )
