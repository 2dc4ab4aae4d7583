"""One measure divided by another: conversion, value per order, views per visitor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rtcdp.definitions.measures.contract import Fault, Measure, SqlOf, States


@dataclass(frozen=True)
class Ratio(Measure):
    """The measure named `of` divided by the one named `to`, both of the same metric and standing
    before this one; null where `to` is zero or not known. Nothing rests of it."""

    kind = "ratio"

    name: str
    of: str
    to: str

    def final(self, states: States) -> list[object]:
        assert states.values is not None
        return [
            _divided(one, other)
            for one, other in zip(states.values[self.of], states.values[self.to], strict=True)
        ]

    def in_sql(self, sql: SqlOf) -> str | None:
        one, other = sql.measure(self.of), sql.measure(self.to)
        if one is None or other is None:
            return None
        return f"CASE WHEN {other} <> 0 THEN CAST({one} AS {sql.real}) / {other} END"

    def in_words(self) -> str:
        return f"`{self.of}` divided by `{self.to}`"

    def faults(self, before: Sequence[Measure]) -> Iterator[Fault]:
        numbers = [measure.name for measure in before if measure.kind != "topk"]
        for name in (self.of, self.to):
            if name not in numbers:
                yield Fault(
                    f"{self.name} divides by or from {name!r}, which is no number before it",
                    f"name one of {', '.join(numbers) or 'the measures; put them before it'}",
                )


def _divided(one: object, other: object) -> float | None:
    if not isinstance(one, int | float) or not isinstance(other, int | float) or other == 0:
        return None
    return one / other
