"""How what is known of events rests, and how two such states become one.

A row of a metric's table is a state: its columns merge by the few rules that stand here, with all
their spellings side by side. So no store and no engine knows what a measure means.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rtcdp.events.derived import Text
from rtcdp.events.measured import Sketched

if TYPE_CHECKING:
    import polars as pl

ColumnType = Literal["text", "integer", "real"]
Merge = Literal["add", "min", "max"]
Bound = Literal["none", "smallest_members", "heaviest_items"]


@dataclass(frozen=True)
class Column:
    """A stored value: its name, its type, and how a new value joins the stored one."""

    name: str
    type: ColumnType
    merge: Merge


@dataclass(frozen=True)
class Part(Column):
    """A column that a measure keeps, and what a single event brings to it: `each` is SQL over the
    event's fields, whose names stand in double quotes, which Polars and Spark read alike. What
    several events bring is merged by the column's own rule."""

    each: str

    @property
    def column(self) -> Column:
        """Its place in a table."""
        return Column(self.name, self.type, self.merge)


@dataclass(frozen=True)
class Side:
    """A table beside the metric's own, with a row for each text of a `field`: kept only
    ("smallest_members") or counted ("heaviest_items"), and bound by `capacity` as `Table` says."""

    bound: Bound
    field: Text | Sketched
    capacity: int

    @property
    def column(self) -> str:
        """The column of decoded events that holds the texts."""
        return self.field if isinstance(self.field, str) else self.field.column


@dataclass(frozen=True)
class MergeRule:
    """One way of making one value of two.

    `of_two` merges two numbers, `of_column` a column of Polars, `aggregate` names SQL's function
    for many rows, and `update` is SQL for a stored and a new value. Where `is_never_null`, every
    row has a value; else null means that nothing is known yet, and it never wins.
    """

    of_two: Callable[[Any, Any], Any]
    of_column: "Callable[[pl.Expr], pl.Expr]"
    aggregate: str
    update: Callable[[str, str], str]
    is_never_null: bool = False


def smaller_of(stored: str, new: str) -> str:
    """SQL for the smaller of two expressions; a null never wins against a value."""
    return f"CASE WHEN {stored} IS NULL OR {new} < {stored} THEN {new} ELSE {stored} END"


def larger_of(stored: str, new: str) -> str:
    """SQL for the larger of two expressions; a null never wins against a value."""
    return f"CASE WHEN {stored} IS NULL OR {new} > {stored} THEN {new} ELSE {stored} END"


MERGES: Mapping[Merge, MergeRule] = {
    "add": MergeRule(
        of_two=lambda one, other: one + other,
        of_column=lambda column: column.sum(),
        aggregate="SUM",
        update=lambda stored, new: f"{stored} + {new}",
        is_never_null=True,
    ),
    "min": MergeRule(
        of_two=min,
        of_column=lambda column: column.min(),
        aggregate="MIN",
        update=smaller_of,
    ),
    "max": MergeRule(
        of_two=max,
        of_column=lambda column: column.max(),
        aggregate="MAX",
        update=larger_of,
    ),
}
"""The closed set."""
