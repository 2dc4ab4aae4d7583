"""The sum of a number."""

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
class Sum(Measure):
    """The sum of the field over the events that have it; exact to six decimal places."""

    kind = "sum"

    name: str
    field: Number = "value"
    where: Predicate | None = None

    def parts(self) -> tuple[Part, ...]:
        return sum_parts(self.name, number_column(self.field))

    def of_event(self, event: EventFields) -> Sequence[float | None]:
        return parts_of(number_in(self.field, event))

    def final(self, states: States) -> list[object]:
        return [micros / MICROS_PER_UNIT for micros in total_micros(states, self.name)]

    def in_sql(self, sql: SqlOf) -> str:
        return f"{total_in_sql(self.name, sql)} / {MICROS_PER_UNIT}"

    def in_words(self) -> str:
        return f"the sum of {field_in_words(self.field)}"
