# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""An epoch as SQL: everything of it, inside a transaction that the caller holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import polars as pl

from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.definitions import larger_of, smaller_of
from rtcdp.store.checksums import changed_sums, sums_by_day, sums_of_changes
from rtcdp.store.division import ShardState
from rtcdp.store.epoch import Epoch, EpochSpan, RowChanges, TableChange
from rtcdp.store.row_changes import fitted_rows
from rtcdp.store.rules import (
    SPAN_AGE_MS_MAX,
    SPAN_RECORDS_MAX,
    check_balance,
    check_follows,
    check_prepared,
    fitted,
)
from rtcdp.store.sql.erasures import apply_erasure, begin_erasures_again, taken_off
from rtcdp.store.sql.reading import read_definitions, read_progress
from rtcdp.store.sql.statements import (
    SqlConnection,
    SqlWriter,
    frame_schema,
    names,
    one_row,
)

_PARTITION_COLUMNS = (
    *("partition", "next_offset", "max_received_at"),
    *("remembered_from", "decided_from", "mark_offset", "mark_checksum"),
)

Sums = Iterable[tuple[str, int, int, int]]
"""What is added to the sums by table and day."""

COUNTS = tuple(LEDGER_SCHEMA.names()[2:])
"""What the ledger counts."""

CHECKSUM_SCHEMA = pl.Schema(
    {"table_name": pl.String(), "day": pl.Int64(), "low": pl.Int64(), "high": pl.Int64()}
)

_SPAN_SCHEMA = pl.Schema(
    dict.fromkeys(
        (
            "partition",
            "first_offset",
            "next_offset",
            "min_event_time",
            "max_event_time",
            "committed_at",
        ),
        pl.Int64(),
    )
)


def apply_epoch(connection: SqlWriter, epoch: Epoch, prepared: Mapping[str, str] | None) -> None:
    """Apply an epoch. `prepared` are the fingerprints by metric that the writer works with.

    Raises `EpochRefused` when the epoch does not follow, and `EpochUnbalanced`.
    """
    check_follows(read_progress(connection), epoch)
    check_definitions(connection, prepared, (*epoch.changes, *epoch.rows))
    check_balance(epoch)
    if epoch.erasure is not None:
        apply_erasure(connection, epoch.erasure, epoch.uncounted)
        _add_sums(connection, taken_off(epoch.erasure))
    merge_changes(connection, epoch.changes)
    write_rows(connection, epoch.rows)
    _account(connection, epoch)


def apply_shard_epoch(
    connection: SqlWriter, epoch: Epoch, prepared: Mapping[str, str] | None, shard: ShardState
) -> None:
    """Apply an epoch of a shard, which has to follow that shard's last one. Readers see it under
    the number that it has among all commits. Raises what `apply_epoch` raises.

    Epochs of other shards may be applied at the same time. What is a user's is no other shard's,
    and is written first. The rest is written by one shard after the other, and in the same order.
    """
    check_follows(replace(read_progress(connection), epoch=shard.epoch), epoch, shard.shard)
    check_definitions(connection, prepared, (*epoch.changes, *epoch.rows))
    check_balance(epoch)
    own = [change for change in epoch.changes if _is_of_one_shard(change)]
    shared = [change for change in epoch.changes if not _is_of_one_shard(change)]
    sums = [*_merged(connection, own), *_written(connection, epoch.rows)]
    number = _next_number(connection)
    rows = () if epoch.at_number is None else epoch.at_number(number)
    sums += [*_merged(connection, shared), *_written(connection, rows)]
    _add_sums(connection, sums)
    _account(connection, replace(epoch, number=number))


def _is_of_one_shard(change: TableChange) -> bool:
    """Whether the rows are of users each, and nothing is trimmed by what rests beside them."""
    return "userId" in change.table.key and change.table.bound == "none"


def _next_number(connection: SqlConnection) -> int:
    """The number of this commit among all; until it ends, no other one gets further than here."""
    rows = connection.query(
        "INSERT INTO _progress (id, epoch, committed_at, engine, log_id) VALUES (1, 1, 0, '', '')"
        " ON CONFLICT (id) DO UPDATE SET epoch = _progress.epoch + 1 RETURNING epoch",
        pl.Schema({"epoch": pl.Int64}),
    )
    return int(rows.item())


def _account(connection: SqlWriter, epoch: Epoch) -> None:
    """What an epoch says of the records that it read, and where to go on."""
    _add_to_ledger(connection, epoch.ledger)
    _insert_uncounted(connection, epoch.uncounted)
    if epoch.erasure is None and _has_erased(epoch.ledger):
        begin_erasures_again(connection)
    for span in epoch.spans:
        _add_span(connection, span, epoch.committed_at)
    _advance(connection, epoch)


def check_definitions(
    connection: SqlConnection,
    prepared: Mapping[str, str] | None,
    changes: Sequence[TableChange | RowChanges],
) -> None:
    """Raises what `check_prepared` does, of the definitions that the store has."""
    active = {d.name: d.fingerprint for d in read_definitions(connection) if d.is_active}
    check_prepared(active, prepared, changes)


def merge_changes(connection: SqlWriter, changes: Sequence[TableChange]) -> None:
    """Merge rows into tables by their columns' rules, and keep bounded tables within bounds."""
    _add_sums(connection, _merged(connection, changes))


def _merged(connection: SqlWriter, changes: Sequence[TableChange]) -> Sums:
    """The same, but for what it adds to the sums."""
    fitting = [
        TableChange(change.table, fitted(change.rows, frame_schema(change.table)))
        for change in changes
        if not change.rows.is_empty()
    ]
    for change in fitting:
        connection.merge(change.table, change.rows)
    return sums_of_changes(fitting)


def write_rows(connection: SqlWriter, changes: Sequence[RowChanges]) -> None:
    """Delete and replace rows of row tables. Raises `RowsRefused`."""
    _add_sums(connection, _written(connection, changes))


def _written(connection: SqlWriter, changes: Sequence[RowChanges]) -> Sums:
    """The same, but for what it adds to the sums."""
    sums: list[tuple[str, int, int, int]] = []
    for fitted_changes in fitted_rows(changes):
        table = fitted_changes.table
        old = connection.change_rows(fitted_changes)
        new = sums_by_day(table, fitted_changes.replace, fitted_changes.numbers)
        sums += changed_sums(table.name, new, old)
    return sums


def _add_sums(connection: SqlWriter, sums: Sums) -> None:
    rows = pl.DataFrame(list(sums), CHECKSUM_SCHEMA, orient="row")
    if rows.is_empty():
        return
    connection.send_rows(
        f"INSERT INTO _checksums ({names(*CHECKSUM_SCHEMA.names())})"
        f" {connection.dialect.source(CHECKSUM_SCHEMA.dtypes())}"
        " ON CONFLICT (table_name, day) DO UPDATE SET"
        " low = _checksums.low + excluded.low, high = _checksums.high + excluded.high",
        rows,
    )


def _add_to_ledger(connection: SqlWriter, ledger: pl.DataFrame) -> None:
    if ledger.is_empty():
        return
    rows = fitted(ledger, LEDGER_SCHEMA)
    _add_counts(connection, "_ledger", ("source", "minute"), rows)
    # Kept beside: to add up the minutes of years at every look would take seconds.
    total = one_row(1, *(int(rows[name].sum()) for name in COUNTS))
    _add_counts(connection, "_ledger_totals", ("id",), total)


def _has_erased(ledger: pl.DataFrame) -> bool:
    """Whether records of users came in who were erased."""
    return not ledger.is_empty() and bool(fitted(ledger, LEDGER_SCHEMA)["erased"].sum())


def _add_counts(
    connection: SqlWriter, table: str, keys: tuple[str, ...], rows: pl.DataFrame
) -> None:
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in COUNTS)
    connection.send_rows(
        f"INSERT INTO {table} ({names(*keys, *COUNTS)})"
        f" {connection.dialect.source(rows.schema.dtypes())}"
        f" ON CONFLICT ({names(*keys)}) DO UPDATE SET {sums}",
        rows,
    )


def _insert_uncounted(connection: SqlWriter, uncounted: pl.DataFrame) -> None:
    if uncounted.is_empty():
        return
    # Without ON CONFLICT: a second verdict on a record is a fault, and ends the epoch.
    connection.send_rows(
        f"INSERT INTO _uncounted ({names(*UNCOUNTED_SCHEMA.names())})"
        f" {connection.dialect.source(UNCOUNTED_SCHEMA.dtypes())}",
        fitted(uncounted, UNCOUNTED_SCHEMA),
    )


def _add_span(connection: SqlWriter, span: EpochSpan, committed_at: int) -> None:
    """Append a span, or lengthen the last one while that is short and young. One without offsets
    leads nowhere."""
    if span.first_offset == span.next_offset:
        return
    p = connection.dialect.placeholder
    values = pl.DataFrame(
        {
            "partition": [span.partition],
            "first_offset": [span.first_offset],
            "next_offset": [span.next_offset],
            "min_event_time": [span.min_event_time],
            "max_event_time": [span.max_event_time],
            "committed_at": [committed_at],
        },
        _SPAN_SCHEMA,
    )
    partition, first, following, oldest, newest, committed = (p(n) for n in range(1, 7))
    is_last = (
        f'"partition" = {partition} AND first_offset ='
        f' (SELECT MAX(first_offset) FROM _spans WHERE "partition" = {partition})'
    )
    connection.send(
        f"UPDATE _spans SET next_offset = {following},"
        f" min_event_time = {smaller_of('min_event_time', oldest)},"
        f" max_event_time = {larger_of('max_event_time', newest)}"
        f" WHERE {is_last} AND next_offset = {first}"
        f" AND {following} - first_offset <= {SPAN_RECORDS_MAX}"
        f" AND {committed} - committed_at < {SPAN_AGE_MS_MAX}",
        values,
    )
    connection.send(
        f"INSERT INTO _spans ({names(*values.columns)})"
        f" SELECT {connection.dialect.placeholders(6)} WHERE NOT EXISTS"
        f" (SELECT 1 FROM _spans WHERE {is_last} AND next_offset = {following})",
        values,
    )


def _advance(connection: SqlWriter, epoch: Epoch) -> None:
    dialect = connection.dialect
    partitions = epoch.next_offsets
    marks = [epoch.marks.get(partition) for partition in partitions]
    rows = pl.DataFrame(
        {
            "partition": list(partitions),
            "next_offset": list(partitions.values()),
            "max_received_at": [epoch.max_received_at.get(p) for p in partitions],
            "remembered_from": [epoch.remembered_from.get(p) for p in partitions],
            "decided_from": [span.first_offset for span in epoch.spans],
            "mark_offset": [mark and mark.offset for mark in marks],
            "mark_checksum": [mark and mark.checksum for mark in marks],
        },
        dict.fromkeys(_PARTITION_COLUMNS, pl.Int64),
    )
    newest = larger_of("_partitions.max_received_at", "excluded.max_received_at")
    remembered = larger_of("_partitions.remembered_from", "excluded.remembered_from")
    if not rows.is_empty():
        connection.send_rows(
            f"INSERT INTO _partitions ({names(*rows.columns)})"
            f" {dialect.source(rows.schema.dtypes())}"
            ' ON CONFLICT ("partition") DO UPDATE SET'
            f" next_offset = excluded.next_offset, max_received_at = {newest},"
            f" remembered_from = {remembered},"
            " mark_offset = coalesce(excluded.mark_offset, _partitions.mark_offset),"
            " mark_checksum = coalesce(excluded.mark_checksum, _partitions.mark_checksum)",
            rows,
        )
    connection.send(
        "INSERT INTO _progress (id, epoch, committed_at, engine, log_id)"
        f" VALUES ({dialect.placeholders(5)}) ON CONFLICT (id) DO UPDATE SET"
        " epoch = excluded.epoch, committed_at = excluded.committed_at, engine = excluded.engine,"
        " log_id = CASE WHEN excluded.log_id = '' THEN _progress.log_id ELSE excluded.log_id END",
        one_row(1, epoch.number, epoch.committed_at, epoch.engine, epoch.log_id),
    )
