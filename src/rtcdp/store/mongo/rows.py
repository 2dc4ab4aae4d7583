"""Row tables in MongoDB: carrying out what a plan says of them, and reading them by key.

A row that is deleted leaves its document behind, without values, as a mark that it is gone: a
process that was paused in the midst of carrying out an older plan then finds that the document has
moved on, and doesn't put the row back. Marks are taken away an hour later.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import polars as pl
from pymongo import ASCENDING
from pymongo.collection import Collection

from rtcdp.definitions import RANGE_FROM, RANGE_TO, RowTable
from rtcdp.store.checksums import changed_sums, numbers_of, sums_by_day
from rtcdp.store.contract import RowScan
from rtcdp.store.mongo.apply import (
    IDS_AT_ONCE,
    ROWS_AT_ONCE,
    Aim,
    Row,
    documents_of,
    merge_rows,
    rows_of,
)
from rtcdp.store.mongo.connection import Document, MongoDatabase
from rtcdp.store.mongo.indexes import time_order
from rtcdp.store.mongo.layout import (
    CHECKSUMS,
    GONE_AT,
    REVISION,
    Values,
    date,
    integer,
    layout_of_rows,
)
from rtcdp.store.mongo.plan import Plan, PlannedRows
from rtcdp.store.mongo.reading import Walk, between, beyond, joined

GONE_KEPT_MS = 3_600_000
"""For how long the mark of a deleted row stays: longer than any process is paused."""

RANGES_AT_ONCE = 100


class RowsOfPlan:
    """What a plan says of one row table, while it is carried out: first all of `tasks`, which can
    be done at the same time, then `finish`."""

    def __init__(self, database: MongoDatabase, plan: Plan, planned: PlannedRows) -> None:
        self._database = database
        self._table = planned.table
        self._layout = layout_of_rows(planned.table)
        self._aim = Aim(plan.revision, plan.readable, planned.since, plan.at)
        self._planned = planned
        self._old: list[pl.DataFrame] = []

    def tasks(self) -> Iterator[Callable[[], None]]:
        """Give each row that changes its version of the plan's revision."""
        names = [*self._layout.place_names, *self._layout.column_names]
        for frame in self._planned.replace.select(names).iter_slices(ROWS_AT_ONCE):
            yield partial(self._replace, frame)
        for frame in self._planned.delete.iter_slices(ROWS_AT_ONCE):
            yield partial(self._delete, frame)

    def finish(self) -> None:
        """Add what has changed to the table's sums, and take away old marks."""
        replaced = self._planned.replace
        new = sums_by_day(self._table, replaced, numbers_of(self._table, replaced))
        old = Counter[int]()
        for rows in self._old:
            old.update(sums_by_day(self._table, rows, numbers_of(self._table, rows)))
        sums = changed_sums(self._table.name, new, old)
        frame = CHECKSUMS.frame([(name, self._aim.since, *rest) for name, *rest in sums])
        collection = self._database.collection(CHECKSUMS.collection)
        merge_rows(collection, CHECKSUMS, rows_of(CHECKSUMS, frame), self._aim)
        # Whoever reads an older revision needs what the row was before.
        self._rows.delete_many(
            {
                GONE_AT: {"$lt": date(self._aim.at - GONE_KEPT_MS)},
                REVISION: {"$lte": integer(self._aim.readable.earliest)},
            }
        )

    @property
    def _rows(self) -> Collection[Document]:
        return self._database.collection(self._table.name)

    def _replace(self, frame: pl.DataFrame) -> None:
        width = len(self._layout.place)
        self._write([Row(row[:width], row[width:], is_final=True) for row in frame.iter_rows()])

    def _delete(self, frame: pl.DataFrame) -> None:
        self._write([Row(place, (), is_final=True, is_gone=True) for place in frame.iter_rows()])

    def _write(self, rows: list[Row]) -> None:
        by_id = {self._layout.id_of(row.place): row for row in rows}
        found = documents_of(self._rows, self._layout, list(by_id))
        self._remember(by_id, found)
        merge_rows(self._rows, self._layout, by_id, self._aim, found)

    def _remember(self, rows: dict[str, Row], found: dict[str, Document]) -> None:
        """What the rows were before the plan, also where it was carried out already."""
        before = self._aim.revision - 1
        old = [
            (*row.place, *values)
            for each, row in rows.items()
            if each in found
            and (values := self._layout.version_at(found[each], before, self._aim.since))
            is not None
        ]
        self._old.append(self._layout.frame(old).select(self._table.column_names))


def group_conditions(table: RowTable, groups: pl.DataFrame) -> Iterator[Document]:
    """Conditions, some groups each, that hold for the rows of groups that are asked for once."""
    has_ranges = RANGE_FROM in groups.columns
    if len(table.group_key) == 1 and not has_ranges:
        [name] = table.group_key
        for some in groups[name].to_frame().iter_slices(IDS_AT_ONCE):
            yield {name: {"$in": some[name].to_list()}}
        return
    for some in groups.iter_slices(RANGES_AT_ONCE):
        yield {"$or": [_in_group(table, group) for group in some.iter_rows(named=True)]}


def _in_group(table: RowTable, group: Document) -> Document:
    condition: Document = {name: group[name] for name in table.group_key}
    if RANGE_FROM in group and table.time is not None:
        condition[table.time] = {"$gte": date(group[RANGE_FROM]), "$lt": date(group[RANGE_TO])}
    return condition


def page_walk(table: RowTable, after: Values | None) -> Walk:
    """The rows of a table in the order of their keys."""
    order = tuple((name, ASCENDING) for name in table.primary_key)
    conditions: list[Document] = [{}]
    if after is not None:
        conditions = beyond(order, layout_of_rows(table).placed(after))
    return Walk(tuple(conditions), order)


def scan_walk(scan: RowScan) -> Walk:
    """Rows by their time, newest first; see `StoreSnapshot.row_scan`."""
    table = scan.table
    assert table.time is not None, "what has no time is not scanned"
    order = time_order(table)
    conditions: list[Document] = [{}]
    if scan.after is not None:
        conditions = beyond(order, layout_of_rows(table).placed(scan.after))
    limits = between(scan.time_from, scan.time_to)
    return Walk(tuple(joined(each, table.time, limits) for each in conditions), order)
