"""How many events."""

from collections.abc import Sequence
from dataclasses import dataclass

from rtcdp.definitions.measures.contract import EventFields, Measure, SqlOf, States, ValueType
from rtcdp.definitions.predicate import Predicate
from rtcdp.definitions.state import Part


@dataclass(frozen=True)
class Count(Measure):
    """How many events; with `where`, how many of those."""

    kind = "count"

    name: str
    where: Predicate | None = None

    @property
    def value_type(self) -> ValueType:
        return "integer"

    def parts(self) -> tuple[Part, ...]:
        return (Part(self.name, "integer", "add", "1"),)

    def of_event(self, event: EventFields) -> Sequence[float | None]:
        del event
        return (1,)

    def final(self, states: States) -> list[object]:
        return states.columns[self.name].to_list()

    def in_sql(self, sql: SqlOf) -> str:
        return f"CAST({sql.column(self.name)} AS {sql.integer})"

    def in_words(self) -> str:
        return "how many events"
