"""What a measure is to everybody else: one file, frozen data, a handful of answers.

From these come the columns in every store, the plans of both engines, the value in the API and in
SQL, the words of the docs, and the oracle's expectation. A measure is a function of the set of
events alone, so the order of arrival changes nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from rtcdp.definitions.predicate import Predicate
from rtcdp.definitions.state import Part, Side
from rtcdp.events.derived import number_column

if TYPE_CHECKING:
    import polars as pl

EventFields = Mapping[str, object]
"""An event's fields by name; None where it has none."""

ValueType = Literal["integer", "real", "text", "list"]


@dataclass(frozen=True)
class States:
    """What a store keeps of some groups (a window and a key each), in their order.

    `columns` has the metric's state columns. `side` has the rows of the measure's own table, if it
    has one, of which `group` are the columns that name the group. `values` are the values of the
    metric's measures that stand before this one.
    """

    columns: "pl.DataFrame"
    group: tuple[str, ...]
    side: "pl.DataFrame | None" = None
    values: Mapping[str, Sequence[object]] | None = None

    def beside(self, found: "pl.DataFrame") -> "pl.DataFrame":
        """Rows that have `group`, brought into the order of the groups; null where one has none."""
        groups = self.columns.select(self.group)
        return groups.join(found, on=self.group, how="left", maintain_order="left")

    @property
    def members(self) -> "pl.DataFrame":
        """The rows of the measure's own table."""
        if self.side is None:
            raise AssertionError("this measure is read from a table of its own")
        return self.side


@dataclass(frozen=True)
class SqlOf:
    """What a SQL expression of a group's value is made of, where all parts are of that group.

    `column` gives the expression of a part by its name, `measure` that of another measure's value,
    if it has one. `side` is what to select from to get the rows of the measure's own table, without
    those columns that name the group. `integer` and `real` are names of types, and `exact` that of
    one in which whole numbers neither overflow nor lose digits, where the database has one.
    `json_list` makes a list of objects from a query and its columns, by the names they get.
    """

    column: Callable[[str], str]
    measure: Callable[[str], str | None]
    integer: str
    real: str
    exact: str
    json_list: Callable[[str, Mapping[str, str]], str]
    side: str = ""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a definition, and what to do about it."""

    message: str
    hint: str


class Measure(ABC):
    """A frozen dataclass with a `name`, which says all about it. `where` narrows the metric's
    events to those that this measure looks at."""

    kind: ClassVar[str]
    """What the API calls it."""

    name: str

    @property
    def value_type(self) -> ValueType:
        """What its values are in a column of SQL: numbers, texts, or lists in JSON."""
        return "real"

    @property
    def where(self) -> Predicate | None:
        return None

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns of decoded events that it reads, without those of `where`."""
        side = self.side()
        if side is not None:
            return (side.column,)
        field = getattr(self, "field", None)
        return () if field is None else (number_column(field),)

    def parts(self) -> tuple[Part, ...]:
        """Its state in the metric's table; the names begin with `name`."""
        return ()

    def side(self) -> Side | None:
        """Its table of members or items."""
        return None

    def of_event(self, event: EventFields) -> Sequence[str | float | None]:
        """What one event brings to `parts`, told once more in plain Python: the oracle adds this
        up, and tests hold it against what the engines make of `Part.each`."""
        del event
        return ()

    @abstractmethod
    def final(self, states: States) -> list[object]:
        """Its value for each group."""

    def in_sql(self, sql: SqlOf) -> str | None:
        """Its value as SQL, which SQLite and PostgreSQL both read; None where there is none: then
        views leave it out."""
        del sql
        return None

    @abstractmethod
    def in_words(self) -> str:
        """What the value is, as a part of a sentence."""

    def faults(self, before: Sequence["Measure"]) -> Iterator[Fault]:
        """What makes no sense in it; `before` are the measures that stand before it."""
        del before
        yield from ()
