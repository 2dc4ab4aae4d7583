"""The smallest and the largest of a number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from rtcdp.definitions.measures.contract import EventFields, Measure, SqlOf, States
from rtcdp.definitions.predicate import Predicate
from rtcdp.definitions.state import Part
from rtcdp.events.derived import Number, field_in_words, number_column, number_in


@dataclass(frozen=True)
class _Extreme:
    """The value of the field that lies farthest at one end; null where no event has it."""

    merge: ClassVar[Literal["min", "max"]]
    called: ClassVar[str]

    name: str
    field: Number = "value"
    where: Predicate | None = None

    def parts(self) -> tuple[Part, ...]:
        return (Part(self.name, "real", self.merge, f'"{number_column(self.field)}"'),)

    def of_event(self, event: EventFields) -> Sequence[float | None]:
        return (number_in(self.field, event),)

    def final(self, states: States) -> list[object]:
        return states.columns[self.name].to_list()

    def in_sql(self, sql: SqlOf) -> str:
        return sql.column(self.name)

    def in_words(self) -> str:
        return f"the {self.called} {field_in_words(self.field)}"


@dataclass(frozen=True)
class Minimum(_Extreme, Measure):
    """The smallest value of the field; null where no event has it."""

    kind = "minimum"
    merge = "min"
    called = "smallest"


@dataclass(frozen=True)
class Maximum(_Extreme, Measure):
    """The largest value of the field; null where no event has it."""

    kind = "maximum"
    merge = "max"
    called = "largest"
