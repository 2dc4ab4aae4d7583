"""The geometric mean of a number: what growth rates and prices are averaged by."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, floor, log

from rtcdp.definitions.measures.contract import EventFields, Measure, SqlOf, States
from rtcdp.definitions.predicate import Predicate
from rtcdp.definitions.state import Part

_PER_UNIT = 1_000_000
"""Logarithms are rounded to integers and added as such: in any order they give the same."""


@dataclass(frozen=True)
class GeometricMean(Measure):
    """The geometric mean of `value` over the events where it is above 0; null where none is."""

    kind = "geometric_mean"

    name: str
    where: Predicate | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        return ("value",)

    @property
    def _columns(self) -> tuple[str, str]:
        return f"{self.name}__logs", f"{self.name}__count"

    def parts(self) -> tuple[Part, ...]:
        logs, count = self._columns
        is_above = '"value" IS NOT NULL AND "value" > 0'
        rounded = f'FLOOR(LN("value") * {_PER_UNIT}.0 + 0.5)'
        return (
            Part(logs, "integer", "add", f"CASE WHEN {is_above} THEN {rounded} ELSE 0 END"),
            Part(count, "integer", "add", f"CASE WHEN {is_above} THEN 1 ELSE 0 END"),
        )

    def of_event(self, event: EventFields) -> Sequence[float | None]:
        value = event["value"]
        if not isinstance(value, float) or value <= 0:
            return 0, 0
        return floor(log(value) * _PER_UNIT + 0.5), 1

    def final(self, states: States) -> list[object]:
        logs, counts = (states.columns[name].to_list() for name in self._columns)
        return [
            exp(total / (count * _PER_UNIT)) if count else None
            for total, count in zip(logs, counts, strict=True)
        ]

    def in_sql(self, sql: SqlOf) -> str:
        logs, count = map(sql.column, self._columns)
        return f"CASE WHEN {count} > 0 THEN EXP(CAST({logs} AS {sql.real}) / ({count} * 1e6)) END"

    def in_words(self) -> str:
        return "the geometric mean of `value`"
