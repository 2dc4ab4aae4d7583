"""The first and the last value by event time.

A state is one text: the time with a fixed number of digits, then the value. So the smaller and
the larger of two texts are the earlier and the later one, in every store alike; and of several
events at one time it is the value itself that decides, which no order of arrival can change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from rtcdp.definitions.measures.contract import EventFields, Measure, SqlOf, States, ValueType
from rtcdp.definitions.predicate import Predicate
from rtcdp.definitions.state import Part
from rtcdp.events.derived import Number, Text, field_in_words
from rtcdp.events.measured import Dated


@dataclass(frozen=True)
class _End:
    """The value of the field at one end of time; null where no event has it."""

    merge: ClassVar[Literal["min", "max"]]
    called: ClassVar[str]

    name: str
    field: Text | Number
    where: Predicate | None = None

    @property
    def value_type(self) -> ValueType:
        return "real" if Dated(self.field).is_number else "text"

    @property
    def fields(self) -> tuple[str, ...]:
        return (Dated(self.field).column,)

    def parts(self) -> tuple[Part, ...]:
        return (Part(f"{self.name}__dated", "text", self.merge, f'"{Dated(self.field).column}"'),)

    def of_event(self, event: EventFields) -> Sequence[str | None]:
        return (Dated(self.field).of_event(event),)

    def final(self, states: States) -> list[object]:
        return [Dated(self.field).value_in(text) for text in states.columns[f"{self.name}__dated"]]

    def in_sql(self, sql: SqlOf) -> str:
        value = Dated(self.field).value_in_sql(sql.column(f"{self.name}__dated"))
        return f"CAST({value} AS {sql.real})" if Dated(self.field).is_number else value

    def in_words(self) -> str:
        return f"the {field_in_words(self.field)} of the {self.called} event that has one"


@dataclass(frozen=True)
class First(_End, Measure):
    """The value of the field in the earliest event that has it; null where none has. Of several
    values at the same time it is the one whose text comes first."""

    kind = "first"
    merge = "min"
    called = "earliest"


@dataclass(frozen=True)
class Last(_End, Measure):
    """The value of the field in the latest event that has it; null where none has. Of several
    values at the same time it is the one whose text comes last."""

    kind = "last"
    merge = "max"
    called = "latest"
