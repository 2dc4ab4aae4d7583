"""One consistent state of a store on MongoDB, read while others write.

A snapshot is a revision. Of each document it takes the version of that revision, and after each
read it asks the head whether documents still had to keep it: if not, the read failed, and nothing
of it is given out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import polars as pl

from rtcdp.admission.verdicts import LEDGER_SCHEMA, RECORDED_SCHEMA, UNCOUNTED_READ_SCHEMA
from rtcdp.clock import KeptTime
from rtcdp.definitions import BUCKET_START, ITEM, ITEM_COUNT, RowTable, Table
from rtcdp.store.checksums import joined
from rtcdp.store.contract import (
    Acknowledgement,
    Floors,
    Progress,
    RowScan,
    RulesInForce,
    Scan,
    StoreUnavailable,
    UncountedScan,
)
from rtcdp.store.epoch import EpochSpan
from rtcdp.store.mongo.acknowledgements import read_acknowledgements
from rtcdp.store.mongo.apply import UNCOUNTED, UNCOUNTED_DATES
from rtcdp.store.mongo.connection import Document, MongoDatabase
from rtcdp.store.mongo.groups import overfull_groups
from rtcdp.store.mongo.head import NO_FLOOR, Head, read_limits
from rtcdp.store.mongo.layout import (
    CHECKSUMS,
    LEDGER,
    REVISION,
    SPANS,
    Layout,
    Values,
    date,
    layout_of,
    layout_of_rows,
)
from rtcdp.store.mongo.reading import Walk, ledger_walk, table_walk, uncounted_walk
from rtcdp.store.mongo.rows import group_conditions, page_walk, scan_walk
from rtcdp.store.row_changes import check_row_position, check_row_scan, groups_asked

GROUPS_AT_ONCE = 100


class SnapshotTooOld(StoreUnavailable):
    """So much was committed since the snapshot was taken that it can't be read any more."""


class MongoSnapshot:
    """The store as of one head, which the caller has read. Tables that were not prepared yet are
    empty.

    Reads raise `SnapshotTooOld` and `StoreUnavailable`.
    """

    def __init__(self, database: MongoDatabase, head: Head) -> None:
        self._database = database
        self._head = head
        self._since = head.since

    @property
    def progress(self) -> Progress:
        return self._head.state.progress

    def daily_sums(self, table: Table | RowTable) -> Mapping[int, int] | None:
        kept = {t: d.since for d in self._head.state.definitions if d.is_summed for t in d.tables}
        if table.name not in kept:
            return None if self._head.revision else {}
        condition = {"table": table.name, "since": kept[table.name]}
        with self._database.translated():
            found = self._database.collection(CHECKSUMS.collection).find(
                condition, CHECKSUMS.projection
            )
            rows = CHECKSUMS.frame(list(CHECKSUMS.rows_at(found, self._head.revision)))
            self._check_age()
        return {day: joined(low, high) for *_, day, low, high in rows.rows()}

    @property
    def floors(self) -> Floors:
        floors = self._head.floors
        buckets, uncounted = (
            None if time == NO_FLOOR else time
            for time in (floors.buckets_before, floors.uncounted_before)
        )
        return Floors(buckets, uncounted)

    def complete_from(self, metric: str) -> int | None:
        definitions = self._head.state.definitions
        return next((each.complete_from for each in definitions if each.name == metric), None)

    def acknowledgements(self, window_from: int, window_to: int) -> Sequence[Acknowledgement]:
        with self._database.translated():
            return read_acknowledgements(self._database, window_from, window_to)

    def scan(self, scan: Scan) -> pl.DataFrame:
        walk, layout = table_walk(scan), layout_of(scan.table)
        if scan.table.name not in self._since:
            return layout.frame([])
        with self._database.translated():
            bounds = self._bounds(scan.table)
            rows = walk.rows(
                self._database.collection(layout.collection),
                layout.projection,
                lambda documents: self._visible(scan.table, documents, bounds),
                scan.limit,
            )
            self._check_age()
        return layout.frame(rows)

    def members(self, table: Table, groups: pl.DataFrame) -> pl.DataFrame:
        layout = layout_of(table)
        names = layout.place_names[:-1]
        if groups.is_empty() or table.name not in self._since:
            return layout.frame([])
        wanted = groups.select(names).cast({name: layout.schema[name] for name in names})
        with self._database.translated():
            rows = [
                row
                for start in range(0, wanted.height, GROUPS_AT_ONCE)
                for row in self._rows_of_groups(table, wanted[start : start + GROUPS_AT_ONCE])
            ]
            self._check_age()
        # As often, and in the order, in which the groups were asked for.
        return (
            wanted.with_row_index("group")
            .join(
                _in_member_order(layout.frame(rows), table), on=names, maintain_order="left_right"
            )
            .select(layout.schema.names())
        )

    def rows(self, table: RowTable, groups: pl.DataFrame) -> pl.DataFrame:
        wanted = groups_asked(table, groups)
        layout = layout_of_rows(table)
        found: list[Values] = []
        if table.name in self._since:
            collection = self._database.collection(layout.collection)
            with self._database.translated():
                for condition in group_conditions(table, wanted):
                    documents = collection.find(condition, layout.projection)
                    found += self._rows_there(table, documents)
                self._check_age()
        return layout.frame(found).select(table.column_names).sort(table.primary_key)

    def row_page(
        self, table: RowTable, *, after: tuple[int | str, ...] | None = None, limit: int = 1000
    ) -> pl.DataFrame:
        check_row_position(table, after)
        return self._walked(table, after, limit)

    def row_scan(self, scan: RowScan) -> pl.DataFrame:
        check_row_scan(scan)
        return self._walk(scan.table, scan_walk(scan), scan.limit).select(scan.names)

    def ledger(
        self,
        *,
        minute_from: int | None = None,
        after: tuple[int, str] | None = None,
        limit: int = 1000,
    ) -> pl.DataFrame:
        with self._database.translated():
            rows = ledger_walk(minute_from, after).rows(
                self._database.collection(LEDGER.collection),
                LEDGER.projection,
                self._minutes,
                limit,
            )
            self._check_age()
        return LEDGER.frame(rows).select(LEDGER_SCHEMA.names())

    def ledger_totals(self) -> dict[str, int]:
        return dict(self._head.state.totals)

    def uncounted(self, scan: UncountedScan) -> pl.DataFrame:
        names = UNCOUNTED_READ_SCHEMA.names()
        with self._database.translated():
            rows = uncounted_walk(scan, self._head.revision).rows(
                self._database.collection(UNCOUNTED),
                dict.fromkeys(names, 1),
                self._records,
                scan.limit,
            )
            self._check_age()
        return pl.DataFrame(rows, UNCOUNTED_READ_SCHEMA, orient="row")

    def verdicts(self, partition: int, offset_from: int, offset_to: int) -> pl.DataFrame:
        condition = {
            "partition": partition,
            "offset": {"$gte": offset_from, "$lt": offset_to},
            REVISION: {"$lte": self._head.revision},
        }
        names = RECORDED_SCHEMA.names()
        with self._database.translated():
            found = self._database.collection(UNCOUNTED).find(condition, dict.fromkeys(names, 1))
            rows = [tuple(document.get(name) for name in names) for document in found]
            self._check_age()
        return pl.DataFrame(rows, RECORDED_SCHEMA, orient="row").sort("offset")

    def admission_rules(self) -> Sequence[RulesInForce]:
        return self._head.rules

    def kept_time(self) -> KeptTime:
        return self._head.time

    def spans(self, event_time_from: int, event_time_to: int) -> Sequence[EpochSpan]:
        # Spans only grow, so the newest version of one covers all others.
        condition = {
            "max_event_time": {"$gte": date(event_time_from)},
            "min_event_time": {"$lt": date(event_time_to)},
        }
        with self._database.translated():
            found = self._database.collection(SPANS.collection).find(condition, SPANS.projection)
            rows = list(SPANS.rows_at(found, self._head.revision))
            self._check_age()
        floors = self._head.floors
        gone = pl.col("partition").replace_strict(
            dict(floors.offsets_before), default=0, return_dtype=pl.Int64
        )
        covering = (
            (pl.col("committed_at") >= floors.uncounted_before) | (pl.col("next_offset") > gone),
            pl.col("max_event_time") >= event_time_from,
            pl.col("min_event_time") < event_time_to,
        )
        spans = SPANS.frame(rows).filter(*covering).sort("partition", "first_offset")
        return tuple(EpochSpan(*row) for row in spans.drop("committed_at").rows())

    def dump(self, table: Table | RowTable) -> pl.DataFrame:
        """The whole table, sorted by primary key."""
        if isinstance(table, RowTable):
            return self._walked(table, None, None).sort(table.primary_key)
        return self.scan(Scan(table)).sort(table.primary_key)

    def _check_age(self) -> None:
        readable, now = read_limits(self._database)
        revision, floors = self._head.revision, self._head.floors
        if (
            not readable.has_one_of(revision, revision + 1)
            or now.buckets_deleted > floors.buckets_before
            or now.uncounted_deleted > floors.uncounted_before
        ):
            raise SnapshotTooOld(
                "too much was committed while the store was being read", "ask again, or for less"
            )

    def _bounds(self, table: Table) -> dict[Values, int]:
        if table.bound != "smallest_members":
            return {}
        return overfull_groups(self._database, table, self._head.revision, self._since[table.name])

    def _visible(
        self, table: Table, documents: Iterable[Document], bounds: dict[Values, int]
    ) -> Iterator[Values]:
        layout, floor = layout_of(table), self._head.floors.buckets_before
        count = layout.schema.names().index(ITEM_COUNT) if table.bound == "heaviest_items" else None
        for row in layout.rows_at(documents, self._head.revision, self._since[table.name]):
            if _number(row[0]) < floor or (count is not None and _number(row[count]) <= 0):
                continue
            if bounds and row[:-1] in bounds and _number(row[-1]) > bounds[row[:-1]]:
                continue
            yield row

    def _walked(
        self, table: RowTable, after: tuple[int | str, ...] | None, limit: int | None
    ) -> pl.DataFrame:
        return self._walk(table, page_walk(table, after), limit)

    def _walk(self, table: RowTable, walk: Walk, limit: int | None) -> pl.DataFrame:
        layout = layout_of_rows(table)
        if table.name not in self._since:
            return layout.frame([]).select(table.column_names)
        with self._database.translated():
            found = walk.rows(
                self._database.collection(layout.collection),
                layout.projection,
                lambda documents: self._rows_there(table, documents),
                limit,
            )
            self._check_age()
        return layout.frame(found).select(table.column_names)

    def _rows_there(self, table: RowTable, documents: Iterable[Document]) -> Iterator[Values]:
        """The rows of a row table that neither are gone nor have expired."""
        layout, floor = layout_of_rows(table), self._head.floors.buckets_before
        time = None if table.expires_by is None else len(table.group_key)
        for row in layout.rows_at(documents, self._head.revision, self._since[table.name]):
            if time is None or _number(row[time]) >= floor:
                yield row

    def _rows_of_groups(self, table: Table, groups: pl.DataFrame) -> Iterator[Values]:
        layout = layout_of(table)
        if groups.width == 1:
            condition: Document = {
                BUCKET_START: {"$in": [date(start) for (start,) in groups.rows()]}
            }
        else:
            places = Layout("", layout.place[:-1], ())
            condition = {"$or": [places.placed(row) for row in groups.rows()]}
        found = self._database.collection(layout.collection).find(condition, layout.projection)
        return self._visible(table, found, {})

    def _minutes(self, documents: Iterable[Document]) -> Iterator[Values]:
        floor = self._head.floors.uncounted_before
        for row in LEDGER.rows_at(documents, self._head.revision):
            if _number(row[0]) >= floor or _number(row[0]) <= 0:
                yield row

    def _records(self, documents: Iterable[Document]) -> Iterator[Values]:
        floor = self._head.floors.uncounted_before
        dates = UNCOUNTED_DATES | {"replayed_at"}
        for document in documents:
            received_at = int(document["received_at"])
            place = int(document["partition"]), int(document["offset"])
            is_old = 0 < received_at < floor
            if not (is_old and self._head.floors.has_expired(*place)):
                yield tuple(
                    int(value) if name in dates and value is not None else value
                    for name in UNCOUNTED_READ_SCHEMA.names()
                    for value in (document.get(name),)
                )


def _in_member_order(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The rows of each group as they are wanted, no more than it may have."""
    group = (BUCKET_START, *table.key)
    if table.bound == "heaviest_items":
        return rows.sort(*group, ITEM_COUNT, ITEM, descending=[*[False] * len(group), True, False])
    rows = rows.sort(table.primary_key)
    return rows.group_by(group, maintain_order=True).head(table.capacity)


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
