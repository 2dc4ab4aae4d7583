"""How a metric rests in a store: named tables whose rows are merged, never recomputed.

Each metric has one table of buckets (windows, or panes where the overlap is large), and for each
distinct or top-k measure a table of its members or items. All of them merge by the same few rules,
so that a store needs no knowledge of measures and a repeated merge order changes nothing.
"""

from dataclasses import dataclass

from rtcdp.definitions.measures import Measure
from rtcdp.definitions.measures.distinct import MEMBER
from rtcdp.definitions.measures.top import ITEM, ITEM_COUNT
from rtcdp.definitions.metric import Metric
from rtcdp.definitions.state import Bound, Column, ColumnType, Merge, Side

__all__ = [
    "BUCKET_START",
    "ITEM",
    "ITEM_COUNT",
    "MEMBER",
    "WINDOW_END",
    "Bound",
    "Column",
    "ColumnType",
    "Merge",
    "Table",
    "side_table_name",
    "tables_of",
]

BUCKET_START = "window_start"

WINDOW_END = "window_end"
"""Stored where the window's length alone does not tell it."""


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
    ends = () if metric.window.column is None else (Column(WINDOW_END, "integer", "max"),)
    buckets = Table(
        name=metric.name if metric.window.is_written_out else f"{metric.name}__panes",
        metric=metric.name,
        bucket_ms=metric.window.bucket_ms,
        key=metric.key_names,
        columns=(*ends, *(part.column for each in metric.measures for part in each.parts())),
    )
    sides = ((measure, measure.side()) for measure in metric.measures)
    return (buckets, *(_side_table(metric, m, side) for m, side in sides if side is not None))


def side_table_name(metric: Metric, measure: Measure) -> str:
    """The name of the table of a measure's members or items."""
    return f"{metric.name}__{measure.name}"


def _side_table(metric: Metric, measure: Measure, side: Side) -> Table:
    counts = side.bound == "heaviest_items"
    return Table(
        name=side_table_name(metric, measure),
        metric=metric.name,
        bucket_ms=metric.window.bucket_ms,
        key=metric.key_names,
        columns=(Column(ITEM_COUNT, "integer", "add"),) if counts else (),
        bound=side.bound,
        capacity=side.capacity,
    )
