"""The mean of a number."""

from collections.abc import Sequence
from dataclasses import dataclass

from rtcdp.definitions.measures.contract import EventFields, Measure, SqlOf, States
from rtcdp.definitions.measures.exact_sum import (
    MICROS_PER_UNIT,
    parts_of,
    sum_parts,
    total_in_sql,
    total_micros,
)
from rtcdp.definitions.predicate import Predicate
from rtcdp.definitions.state import Part
from rtcdp.events.derived import Number, field_in_words, number_column, number_in


@dataclass(frozen=True)
class Average(Measure):
    """The mean of the field over the events that have it; null where none has."""

    kind = "average"

    name: str
    field: Number = "value"
    where: Predicate | None = None

    @property
    def _count(self) -> str:
        return f"{self.name}__count"

    def parts(self) -> tuple[Part, ...]:
        is_there = f'CASE WHEN "{number_column(self.field)}" IS NULL THEN 0 ELSE 1 END'
        counted = Part(self._count, "integer", "add", is_there)
        return (*sum_parts(self.name, number_column(self.field)), counted)

    def of_event(self, event: EventFields) -> Sequence[float | None]:
        value = number_in(self.field, event)
        return (*parts_of(value), 0 if value is None else 1)

    def final(self, states: States) -> list[object]:
        return [
            total / (count * MICROS_PER_UNIT) if count else None
            for total, count in zip(
                total_micros(states, self.name), states.columns[self._count], strict=True
            )
        ]

    def in_sql(self, sql: SqlOf) -> str:
        count = sql.column(self._count)
        total = total_in_sql(self.name, sql)
        return f"CASE WHEN {count} > 0 THEN {total} / ({count} * {MICROS_PER_UNIT}) END"

    def in_words(self) -> str:
        return f"the mean of {field_in_words(self.field)}"
