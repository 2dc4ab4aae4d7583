"""The smallest and the largest of a number."""

from collections.abc import Sequence
from dataclasses import dataclass

from rtcdp.definitions.measures.contract import EventFields, Measure, SqlOf, States
from rtcdp.definitions.predicate import Predicate
from rtcdp.definitions.state import Part
from rtcdp.events.derived import Number, field_in_words, number_column, number_in


@dataclass(frozen=True)
class Minimum(Measure):
    """The smallest value of the field; null where no event has it."""

    kind = "minimum"

    name: str
    field: Number = "value"
    where: Predicate | None = None

    def parts(self) -> tuple[Part, ...]:
        return (Part(self.name, "real", "min", f'"{number_column(self.field)}"'),)

    def of_event(self, event: EventFields) -> Sequence[float | None]:
        return (number_in(self.field, event),)

    def final(self, states: States) -> list[object]:
        return states.columns[self.name].to_list()

    def in_sql(self, sql: SqlOf) -> str:
        return sql.column(self.name)

    def in_words(self) -> str:
        return f"the smallest {field_in_words(self.field)}"


@dataclass(frozen=True)
class Maximum(Measure):
    """The largest value of the field; null where no event has it."""

    kind = "maximum"

    name: str
    field: Number = "value"
    where: Predicate | None = None

    def parts(self) -> tuple[Part, ...]:
        return (Part(self.name, "real", "max", f'"{number_column(self.field)}"'),)

    def of_event(self, event: EventFields) -> Sequence[float | None]:
        return (number_in(self.field, event),)

    def final(self, states: States) -> list[object]:
        return states.columns[self.name].to_list()

    def in_sql(self, sql: SqlOf) -> str:
        return sql.column(self.name)

    def in_words(self) -> str:
        return f"the largest {field_in_words(self.field)}"
