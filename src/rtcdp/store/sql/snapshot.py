# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""One consistent state of a SQL store, and the state of a store that is not there yet."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import polars as pl

from rtcdp.admission.verdicts import LEDGER_SCHEMA, RECORDED_SCHEMA, UNCOUNTED_READ_SCHEMA
from rtcdp.clock import KeptTime
from rtcdp.definitions import BUCKET_START, ITEM, ITEM_COUNT, MEMBER, Metric, RowTable, Table
from rtcdp.store.contract import (
    Acknowledgement,
    Floors,
    Progress,
    RowScan,
    RulesInForce,
    Scan,
    UncountedScan,
)
from rtcdp.store.epoch import EpochSpan
from rtcdp.store.row_changes import check_row_position, check_row_scan, groups_asked, row_schema
from rtcdp.store.sql.acknowledgements import read_acknowledgements
from rtcdp.store.sql.epoch import COUNTS
from rtcdp.store.sql.reading import (
    ledger_queries,
    read_complete_from,
    read_daily_sums,
    read_floors,
    read_pages,
    read_progress,
    read_spans,
    read_tables,
    scan_queries,
    uncounted_query,
)
from rtcdp.store.sql.rows import read_row_page, read_row_scan, read_rows
from rtcdp.store.sql.statements import SqlConnection, frame_schema, in_group, names, quote, stored
from rtcdp.store.sql.verdicts import read_rules, read_time, read_verdicts
from rtcdp.store.sql.views import readable_query, readable_schema


class SqlSnapshot:
    """Reads inside one read transaction of a connection, which the caller opens and ends.

    Tables that were not prepared yet are empty.
    """

    def __init__(self, connection: SqlConnection) -> None:
        self.connection = connection
        self.progress: Progress = read_progress(connection)

    def scan(self, scan: Scan) -> pl.DataFrame:
        queries = scan_queries(self.connection.dialect, scan)
        if scan.table.name not in self._tables:
            return pl.DataFrame(schema=frame_schema(scan.table))
        return read_pages(self.connection, queries, scan.limit)

    def members(self, table: Table, groups: pl.DataFrame) -> pl.DataFrame:
        schema = frame_schema(table)
        if groups.is_empty() or table.name not in self._tables:
            return pl.DataFrame(schema=schema)
        order = quote(MEMBER)
        if table.bound == "heaviest_items":
            order = f"{quote(ITEM_COUNT)} DESC, {quote(ITEM)}"
        group_columns = (BUCKET_START, *table.key)
        return self.connection.query(
            f"SELECT {names(*table.column_names)} FROM {stored(self.connection.dialect, table)}"
            f" WHERE {in_group(self.connection.dialect, table)} ORDER BY {order}",
            schema,
            groups.select(group_columns).cast({name: schema[name] for name in group_columns}),
        )

    def rows(self, table: RowTable, groups: pl.DataFrame) -> pl.DataFrame:
        wanted = groups_asked(table, groups)
        if wanted.is_empty() or table.name not in self._tables:
            return pl.DataFrame(schema=row_schema(table))
        return read_rows(self.connection, table, wanted).sort(table.primary_key)

    def row_page(
        self, table: RowTable, *, after: tuple[int | str, ...] | None = None, limit: int = 1000
    ) -> pl.DataFrame:
        check_row_position(table, after)
        if table.name not in self._tables:
            return pl.DataFrame(schema=row_schema(table))
        return read_row_page(self.connection, table, after, limit)

    def row_scan(self, scan: RowScan) -> pl.DataFrame:
        check_row_scan(scan)
        if scan.table.name not in self._tables:
            return row_schema(scan.table).to_frame().select(scan.names)
        return read_row_scan(self.connection, scan)

    def ledger(
        self,
        *,
        minute_from: int | None = None,
        after: tuple[int, str] | None = None,
        limit: int = 1000,
    ) -> pl.DataFrame:
        queries = ledger_queries(self.connection.dialect, minute_from, after)
        return read_pages(self.connection, queries, limit)

    def ledger_totals(self) -> dict[str, int]:
        totals = self.connection.query(
            f"SELECT {names(*COUNTS)} FROM _ledger_totals",
            pl.Schema(dict.fromkeys(COUNTS, pl.Int64)),
        )
        return dict.fromkeys(COUNTS, 0) if totals.is_empty() else totals.row(0, named=True)

    def uncounted(self, scan: UncountedScan) -> pl.DataFrame:
        query = uncounted_query(self.connection.dialect, scan)
        return query.rows(self.connection, scan.limit)

    def verdicts(self, partition: int, offset_from: int, offset_to: int) -> pl.DataFrame:
        return read_verdicts(self.connection, partition, offset_from, offset_to)

    def admission_rules(self) -> Sequence[RulesInForce]:
        return read_rules(self.connection)

    def kept_time(self) -> KeptTime:
        return read_time(self.connection)

    def spans(self, event_time_from: int, event_time_to: int) -> Sequence[EpochSpan]:
        return read_spans(self.connection, event_time_from, event_time_to)

    def acknowledgements(self, window_from: int, window_to: int) -> Sequence[Acknowledgement]:
        return read_acknowledgements(self.connection, window_from, window_to)

    def complete_from(self, metric: str) -> int | None:
        return read_complete_from(self.connection, metric)

    def daily_sums(self, table: Table | RowTable) -> Mapping[int, int] | None:
        return read_daily_sums(self.connection, table.name)

    @cached_property
    def floors(self) -> Floors:
        return read_floors(self.connection)

    def dump(self, table: Table | RowTable) -> pl.DataFrame:
        """The whole table, sorted by primary key."""
        schema = _schema_of(table)
        if table.name not in self._tables:
            return pl.DataFrame(schema=schema)
        return self.connection.query(
            f"SELECT {names(*table.column_names)} FROM {stored(self.connection.dialect, table)}"
            f" ORDER BY {names(*table.primary_key)}",
            schema,
        )

    def readable(self, metric: Metric) -> pl.DataFrame:
        """What SQL readers see of a metric that is in the store, sorted by window and key: the
        columns of `readable_schema`."""
        return self.connection.query(
            readable_query(self.connection, metric), readable_schema(metric)
        )

    @cached_property
    def _tables(self) -> frozenset[str]:
        return frozenset(read_tables(self.connection))


class EmptySnapshot:
    """What there is to read before a store's first writer came."""

    progress = Progress()
    floors = Floors()

    def dump(self, table: Table | RowTable) -> pl.DataFrame:
        """The whole table."""
        return pl.DataFrame(schema=_schema_of(table))

    def daily_sums(self, table: Table | RowTable) -> Mapping[int, int] | None:
        del table
        return {}

    def complete_from(self, metric: str) -> int | None:
        del metric
        return None

    def scan(self, scan: Scan) -> pl.DataFrame:
        return pl.DataFrame(schema=frame_schema(scan.table))

    def members(self, table: Table, groups: pl.DataFrame) -> pl.DataFrame:
        del groups
        return pl.DataFrame(schema=frame_schema(table))

    def rows(self, table: RowTable, groups: pl.DataFrame) -> pl.DataFrame:
        del groups
        return pl.DataFrame(schema=row_schema(table))

    def row_page(
        self, table: RowTable, *, after: tuple[int | str, ...] | None = None, limit: int = 1000
    ) -> pl.DataFrame:
        del after, limit
        return pl.DataFrame(schema=row_schema(table))

    def row_scan(self, scan: RowScan) -> pl.DataFrame:
        return row_schema(scan.table).to_frame().select(scan.names)

    def ledger(
        self,
        *,
        minute_from: int | None = None,
        after: tuple[int, str] | None = None,
        limit: int = 1000,
    ) -> pl.DataFrame:
        del minute_from, after, limit
        return pl.DataFrame(schema=LEDGER_SCHEMA)

    def ledger_totals(self) -> dict[str, int]:
        return dict.fromkeys(COUNTS, 0)

    def uncounted(self, scan: UncountedScan) -> pl.DataFrame:
        del scan
        return pl.DataFrame(schema=UNCOUNTED_READ_SCHEMA)

    def verdicts(self, partition: int, offset_from: int, offset_to: int) -> pl.DataFrame:
        del partition, offset_from, offset_to
        return pl.DataFrame(schema=RECORDED_SCHEMA)

    def admission_rules(self) -> Sequence[RulesInForce]:
        return ()

    def kept_time(self) -> KeptTime:
        return KeptTime()

    def acknowledgements(self, window_from: int, window_to: int) -> Sequence[Acknowledgement]:
        del window_from, window_to
        return ()

    def spans(self, event_time_from: int, event_time_to: int) -> Sequence[EpochSpan]:
        del event_time_from, event_time_to
        return ()


def _schema_of(table: Table | RowTable) -> pl.Schema:
    return row_schema(table) if isinstance(table, RowTable) else frame_schema(table)
