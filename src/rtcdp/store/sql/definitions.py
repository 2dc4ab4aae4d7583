# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""Which metrics a SQL store holds, under which definition, and how far their backfill is."""

from collections.abc import Mapping, Sequence

import polars as pl

from rtcdp.definitions import Metric, RowTable, tables_of
from rtcdp.errors import UsageError
from rtcdp.store.checksums import NO_DAY, is_summed
from rtcdp.store.contract import Progress, StateMismatch
from rtcdp.store.epoch import RowChanges, TableChange
from rtcdp.store.sql.epoch import check_definitions, merge_changes, write_rows
from rtcdp.store.sql.reading import (
    Definition,
    read_backfill_offsets,
    read_definitions,
    read_progress,
)
from rtcdp.store.sql.schema import check_names, relations_of
from rtcdp.store.sql.statements import SqlConnection, SqlWriter, one_row, quote, stored_name
from rtcdp.store.sql.views import drop_views, make_views


def prepare_metrics(
    connection: SqlConnection, metrics: Sequence[Metric], row_tables: Sequence[RowTable] = ()
) -> list[Metric]:
    """Make the tables of `metrics` and the `row_tables`, anew where the definition changed.

    Returns the metrics that have to be backfilled: all events, or what they missed while they were
    not among the prepared ones. A metric that is left out now keeps its tables, and the store
    remembers up to where they are complete.
    """
    wanted: list[Metric | RowTable] = [*metrics, *row_tables]
    check_names(connection.dialect, wanted)
    progress = read_progress(connection)
    stored = {definition.name: definition for definition in read_definitions(connection)}
    for name in sorted(stored.keys() - {each.name for each in wanted}):
        if stored[name].is_active:
            _pause(connection, stored[name], progress)
    for table in row_tables:
        _prepare(connection, table, stored.get(table.name), progress)
    to_backfill = [m for m in metrics if not _prepare(connection, m, stored.get(m.name), progress)]
    make_views(connection, wanted)
    return to_backfill


def backfill_offsets(connection: SqlConnection, metric: str) -> Mapping[int, int] | None:
    """Where the backfill of a metric goes on; None when it is complete.

    Raises `UsageError` for a metric that was never prepared.
    """
    for definition in read_definitions(connection):
        if definition.name == metric:
            return None if definition.is_complete else read_backfill_offsets(connection, metric)
    raise UsageError(f"the store has no metric {metric}", "prepare the store with it first")


def backfills(connection: SqlConnection) -> dict[str, Mapping[int, int] | None]:
    """The same of all of them."""
    return {
        each.name: None if each.is_complete else read_backfill_offsets(connection, each.name)
        for each in read_definitions(connection)
    }


def apply_backfill(
    connection: SqlWriter,
    metric: str,
    changes: Sequence[TableChange | RowChanges],
    next_offsets: Mapping[int, int],
    *,
    complete: bool,
    prepared: Mapping[str, str] | None,
) -> None:
    """Merge a step of a backfill. Raises `StateMismatch` when the backfill was complete already, or
    a change is for another metric."""
    check_definitions(connection, prepared, changes)
    others = {change.definition for change in changes} - {metric}
    if others or backfill_offsets(connection, metric) is None:
        raise StateMismatch(
            f"a step of a backfill does not fit: {metric} "
            + (f"is not {', '.join(sorted(others))}" if others else "is complete"),
            "ask the store for the offsets to go on from, and backfill one metric at a time",
        )
    merge_changes(connection, [each for each in changes if isinstance(each, TableChange)])
    write_rows(connection, [each for each in changes if isinstance(each, RowChanges)])
    _remember(connection, metric, {} if complete else next_offsets)
    if complete:
        _mark(connection, metric, is_active=True, is_complete=True)


def limit_completeness(connection: SqlConnection, metric: str, complete_from: int) -> None:
    """Remember from where on a metric's windows are whole, unless it is later already."""
    p = connection.dialect.placeholder
    connection.run(
        f"UPDATE _metrics SET complete_from = {p(2)} WHERE name = {p(1)}"
        f" AND (complete_from IS NULL OR complete_from < {p(2)})",
        one_row(metric, complete_from),
    )


def raise_floors(connection: SqlConnection, **floors: int) -> None:
    """Remember by name what retention deletes, unless it has deleted more already."""
    p = connection.dialect.placeholders
    for name, instant in floors.items():
        connection.run(
            f"INSERT INTO _floors (name, instant) VALUES ({p(2)}) ON CONFLICT (name) DO UPDATE"
            " SET instant = excluded.instant WHERE excluded.instant > _floors.instant",
            one_row(name, instant),
        )


def _prepare(
    connection: SqlConnection,
    metric: Metric | RowTable,
    stored: Definition | None,
    progress: Progress,
) -> bool:
    """Make a metric or a row table ready; True when its tables are complete."""
    if stored is None or stored.fingerprint != metric.fingerprint:
        if stored is not None:
            _drop(connection, stored.name)
        is_complete = progress.epoch == 0 and not _has_own_stream(metric)
        return _create(connection, metric, is_complete=is_complete)
    if stored.is_active:
        return stored.is_complete
    offsets = read_backfill_offsets(connection, metric.name)
    missed_nothing = offsets == progress.next_offsets and not _has_own_stream(metric)
    if missed_nothing:
        _remember(connection, metric.name, {})
    _mark(connection, metric.name, is_active=True, is_complete=missed_nothing)
    return missed_nothing


def _has_own_stream(metric: Metric | RowTable) -> bool:
    return isinstance(metric, RowTable) and bool(metric.stream)


def _pause(connection: SqlConnection, stored: Definition, progress: Progress) -> None:
    if stored.is_complete:
        _remember(connection, stored.name, progress.next_offsets)
    _mark(connection, stored.name, is_active=False, is_complete=False)


def _create(connection: SqlConnection, metric: Metric | RowTable, *, is_complete: bool) -> bool:
    p = connection.dialect.placeholders
    for relation in relations_of(connection.dialect, metric):
        for statement in relation.statements:
            connection.run(statement)
        connection.run(
            f"INSERT INTO _relations (name, metric, kind, time_column) VALUES ({p(4)})",
            one_row(relation.name, metric.name, relation.kind, relation.time),
        )
    for name in _summed_tables(metric):
        # So that it is known that the table's sums are kept from its beginning.
        connection.run(
            f"INSERT INTO _checksums (table_name, day, low, high) VALUES ({p(4)})",
            one_row(name, NO_DAY, 0, 0),
        )
    connection.run(
        f"INSERT INTO _metrics (name, fingerprint, is_active, is_complete) VALUES ({p(4)})",
        one_row(metric.name, metric.fingerprint, 1, int(is_complete)),
    )
    return is_complete


def _summed_tables(metric: Metric | RowTable) -> list[str]:
    if isinstance(metric, RowTable):
        return [metric.name]
    return [table.name for table in tables_of(metric) if is_summed(table)]


def _drop(connection: SqlConnection, metric: str) -> None:
    p = connection.dialect.placeholder
    relations = connection.query(
        f"SELECT name FROM _relations WHERE metric = {p(1)}",
        pl.Schema({"name": pl.String}),
        one_row(metric),
    )
    drop_views(connection, metric)
    for name in relations["name"].to_list():
        connection.run(f"DROP TABLE {quote(stored_name(connection.dialect, name))}")
        connection.run(f"DELETE FROM _checksums WHERE table_name = {p(1)}", one_row(name))
    connection.run(f"DELETE FROM _relations WHERE metric = {p(1)}", one_row(metric))
    connection.run(f"DELETE FROM _backfill WHERE metric = {p(1)}", one_row(metric))
    connection.run(f"DELETE FROM _metrics WHERE name = {p(1)}", one_row(metric))


def _mark(connection: SqlConnection, metric: str, *, is_active: bool, is_complete: bool) -> None:
    p = connection.dialect.placeholder
    connection.run(
        f"UPDATE _metrics SET is_active = {p(1)}, is_complete = {p(2)} WHERE name = {p(3)}",
        one_row(int(is_active), int(is_complete), metric),
    )


def _remember(connection: SqlConnection, metric: str, next_offsets: Mapping[int, int]) -> None:
    p = connection.dialect.placeholder
    connection.run(f"DELETE FROM _backfill WHERE metric = {p(1)}", one_row(metric))
    for partition, next_offset in next_offsets.items():
        connection.run(
            'INSERT INTO _backfill (metric, "partition", next_offset)'
            f" VALUES ({connection.dialect.placeholders(3)})",
            one_row(metric, partition, next_offset),
        )
