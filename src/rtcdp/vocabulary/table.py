"""How a metric rests in a store: named tables whose rows are merged, never recomputed.

Each metric has one table of buckets (windows, or panes where the overlap is large), and for each
distinct or top-k measure a table of its members or items. All of them merge by the same few rules,
so that a store needs no knowledge of measures and a repeated merge order changes nothing.
"""

from dataclasses import dataclass
from typing import Literal

from rtcdp.vocabulary.measure import (
    DISTINCT_EXACT_UP_TO,
    TOP_EXACT_UP_TO,
    Average,
    Count,
    Distinct,
    Maximum,
    Measure,
    Minimum,
    Sum,
    TopK,
)
from rtcdp.vocabulary.metric import Metric

ColumnType = Literal["text", "integer", "real"]
Merge = Literal["add", "min", "max"]
Bound = Literal["none", "smallest_members", "heaviest_items"]

BUCKET_START = "window_start"
MEMBER = "member"
ITEM = "item"
ITEM_COUNT = "item_count"


@dataclass(frozen=True)
class Column:
    """A stored value: its name, type, and how a new value joins the stored one."""

    name: str
    type: ColumnType
    merge: Merge


@dataclass(frozen=True)
class Table:
    """A stored table.

    Its primary key is (`window_start`, *key, member or item if there is one); `window_start` is
    the bucket's start in UTC milliseconds. With no `columns`, a row is only kept or there already.
    `bound` says how a group of rows that share `window_start` and `key` is kept small:
    "smallest_members" keeps the `capacity` smallest members; "heaviest_items" lets a group grow to
    twice `capacity` and then takes the (capacity+1)-th largest count off all of them and drops
    what is not above zero.
    """

    name: str
    metric: str
    bucket_ms: int
    key: tuple[str, ...]
    columns: tuple[Column, ...] = ()
    bound: Bound = "none"
    capacity: int = 0

    @property
    def member(self) -> tuple[str, ColumnType] | None:
        """The extra primary-key column of a bounded table, if it is one."""
        if self.bound == "smallest_members":
            return (MEMBER, "integer")
        if self.bound == "heaviest_items":
            return (ITEM, "text")
        return None

    @property
    def primary_key(self) -> tuple[str, ...]:
        member = self.member
        return (BUCKET_START, *self.key, *(() if member is None else (member[0],)))

    @property
    def column_names(self) -> tuple[str, ...]:
        """Every column in stored order."""
        return (*self.primary_key, *(column.name for column in self.columns))


def tables_of(metric: Metric) -> tuple[Table, ...]:
    """The tables of a metric, the bucket table first."""
    buckets = Table(
        name=metric.name if metric.window.is_written_out else f"{metric.name}__panes",
        metric=metric.name,
        bucket_ms=metric.window.bucket_ms,
        key=metric.key,
        columns=tuple(column for measure in metric.measures for column in _columns_of(measure)),
    )
    return (buckets, *(_side_table(metric, m) for m in metric.measures if has_side_table(m)))


def has_side_table(measure: Measure) -> bool:
    return isinstance(measure, Distinct | TopK)


def units_column(measure: Sum | Average) -> str:
    return f"{measure.name}__units"


def micros_column(measure: Sum | Average) -> str:
    return f"{measure.name}__micros"


def count_column(measure: Average) -> str:
    return f"{measure.name}__count"


def side_table_name(metric: Metric, measure: Distinct | TopK) -> str:
    return f"{metric.name}__{measure.name}"


def _columns_of(measure: Measure) -> tuple[Column, ...]:
    match measure:
        case Count():
            return (Column(measure.name, "integer", "add"),)
        case Minimum():
            return (Column(measure.name, "real", "min"),)
        case Maximum():
            return (Column(measure.name, "real", "max"),)
        case Sum():
            return (
                Column(units_column(measure), "integer", "add"),
                Column(micros_column(measure), "integer", "add"),
            )
        case Average():
            return (
                Column(units_column(measure), "integer", "add"),
                Column(micros_column(measure), "integer", "add"),
                Column(count_column(measure), "integer", "add"),
            )
        case Distinct() | TopK():
            return ()


def _side_table(metric: Metric, measure: Measure) -> Table:
    match measure:
        case Distinct():
            return Table(
                name=side_table_name(metric, measure),
                metric=metric.name,
                bucket_ms=metric.window.bucket_ms,
                key=metric.key,
                bound="smallest_members",
                capacity=DISTINCT_EXACT_UP_TO,
            )
        case TopK():
            return Table(
                name=side_table_name(metric, measure),
                metric=metric.name,
                bucket_ms=metric.window.bucket_ms,
                key=metric.key,
                columns=(Column(ITEM_COUNT, "integer", "add"),),
                bound="heaviest_items",
                capacity=TOP_EXACT_UP_TO,
            )
        case _:
            raise AssertionError(f"{measure} has no table of its own")
