"""The first and the last value by event time.

A state is one text: the time with a fixed number of digits, then the value. So the smaller and
the larger of two texts are the earlier and the later one, in every store alike; and of several
events at one time it is the value itself that decides, which no order of arrival can change.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rtcdp.definitions.measures.contract import EventFields, Measure, SqlOf, States, ValueType
from rtcdp.definitions.predicate import Predicate
from rtcdp.definitions.state import Part
from rtcdp.events.derived import Number, Text, field_in_words
from rtcdp.events.measured import Dated


@dataclass(frozen=True)
class First(Measure):
    """The value of the field in the earliest event that has it; null where none has. Of several
    values at the same time it is the one whose text comes first."""

    kind = "first"

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
        return (Part(f"{self.name}__dated", "text", "min", f'"{Dated(self.field).column}"'),)

    def of_event(self, event: EventFields) -> Sequence[str | None]:
        return (Dated(self.field).of_event(event),)

    def final(self, states: States) -> list[object]:
        return _values(states, self.name, self.field)

    def in_sql(self, sql: SqlOf) -> str:
        return _in_sql(self.name, self.field, sql)

    def in_words(self) -> str:
        return f"the {field_in_words(self.field)} of the earliest event that has one"


@dataclass(frozen=True)
class Last(Measure):
    """The value of the field in the latest event that has it; null where none has. Of several
    values at the same time it is the one whose text comes last."""

    kind = "last"

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
        return (Part(f"{self.name}__dated", "text", "max", f'"{Dated(self.field).column}"'),)

    def of_event(self, event: EventFields) -> Sequence[str | None]:
        return (Dated(self.field).of_event(event),)

    def final(self, states: States) -> list[object]:
        return _values(states, self.name, self.field)

    def in_sql(self, sql: SqlOf) -> str:
        return _in_sql(self.name, self.field, sql)

    def in_words(self) -> str:
        return f"the {field_in_words(self.field)} of the latest event that has one"


def _values(states: States, name: str, field: Text | Number) -> list[object]:
    return [Dated(field).value_in(text) for text in states.columns[f"{name}__dated"]]


def _in_sql(name: str, field: Text | Number, sql: SqlOf) -> str:
    value = Dated(field).value_in_sql(sql.column(f"{name}__dated"))
    return f"CAST({value} AS {sql.real})" if Dated(field).is_number else value
