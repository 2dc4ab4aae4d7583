"""Merging rows into a table where each row is a statement of its own that costs no journey.

For a database inside this process; one behind a connection merges all rows at once.
"""

import numpy as np
import polars as pl

from rtcdp.definitions import BUCKET_START, ITEM_COUNT, Table
from rtcdp.store.sql.statements import (
    SqlConnection,
    drop_spent_items,
    frame_schema,
    keep_smallest_members,
    overfull_groups,
    take_off_items,
    upsert,
)

_SORTED_FROM_ROWS = 4096


def merge_one_by_one(connection: SqlConnection, table: Table, rows: pl.DataFrame) -> None:
    """Merge rows as `SqlWriter.merge` promises."""
    ordered = in_key_order(rows, table)
    if connection.dialect.newest_first:
        ordered = newest_first(ordered)
    connection.run(upsert(connection.dialect, table), ordered)
    if table.bound != "none":
        _trim(connection, table, rows.select(BUCKET_START, *table.key).unique())


def in_key_order(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Many rows in key order touch each page of the table once, and are merged twice as fast."""
    first = rows[BUCKET_START]
    if rows.height < _SORTED_FROM_ROWS or first.flags["SORTED_ASC"]:
        return rows
    return rows.sort(table.primary_key)


def newest_first(rows: pl.DataFrame) -> pl.DataFrame:
    """Many rows in key order, but the newest window first, as in a tree that begins with it. Put
    before all others one by one, they would split its first page in the middle each time, and leave
    all pages half empty."""
    if rows.height < _SORTED_FROM_ROWS:
        return rows
    return rows[np.argsort(-rows[BUCKET_START].to_numpy(), kind="stable")]


def _trim(connection: SqlConnection, table: Table, groups: pl.DataFrame) -> None:
    dialect = connection.dialect
    if table.bound == "smallest_members":
        connection.run(keep_smallest_members(dialect, table), groups)
        return
    schema = frame_schema(table)
    wanted = pl.Schema({name: schema[name] for name in (*groups.columns, ITEM_COUNT)})
    overfull = connection.query(overfull_groups(dialect, table), wanted, groups)
    if overfull.is_empty():
        return
    connection.run(take_off_items(dialect, table), overfull)
    connection.run(drop_spent_items(dialect, table), overfull.select(groups.columns))
