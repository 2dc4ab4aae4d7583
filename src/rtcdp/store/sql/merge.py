"""Merging rows into a table where each row is a statement of its own that costs no journey.

For a database inside this process; one behind a connection merges all rows at once.
"""

import numpy as np
import polars as pl

from rtcdp.definitions import BUCKET_START, ITEM_COUNT, Table
from rtcdp.store.sql.statements import (
    Dialect,
    SqlConnection,
    drop_spent_items,
    frame_schema,
    groups_with_too_many,
    is_indexed_by_key,
    is_too_long,
    keep_smallest_members,
    one_row,
    overfull_groups,
    take_off_items,
    upsert,
)

_SORTED_FROM_ROWS = 4096

_WALKED_FOR_A_GROUP = 8
"""So many members are walked through at most, for each group that would have to be looked at."""


def merge_one_by_one(connection: SqlConnection, table: Table, rows: pl.DataFrame) -> None:
    """Merge rows as `SqlWriter.merge` promises."""
    dialect = connection.dialect
    connection.run(upsert(dialect, table), in_merge_order(dialect, rows, table))
    if table.bound != "none":
        _trim(connection, table, rows.select(BUCKET_START, *table.key).unique())


def in_merge_order(dialect: Dialect, rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Many rows in the order of that of a table's trees in which they lie furthest apart, so that
    each page of it is looked for once. Where there is an index by key, that is it: it goes through
    all of history, while the rows of a batch lie near each other in the table, by their windows."""
    if rows.height >= _SORTED_FROM_ROWS and is_indexed_by_key(table):
        return rows.sort(*table.key, BUCKET_START)
    ordered = in_key_order(rows, table)
    return newest_first(ordered) if dialect.newest_first else ordered


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
        crowded = _overfull(connection, table, groups)
        if not crowded.is_empty():
            connection.run(keep_smallest_members(dialect, table), crowded)
        return
    schema = frame_schema(table)
    wanted = pl.Schema({name: schema[name] for name in (*groups.columns, ITEM_COUNT)})
    overfull = connection.query(overfull_groups(dialect, table), wanted, groups)
    if overfull.is_empty():
        return
    connection.run(take_off_items(dialect, table), overfull)
    connection.run(drop_spent_items(dialect, table), overfull.select(groups.columns))


def _overfull(connection: SqlConnection, table: Table, groups: pl.DataFrame) -> pl.DataFrame:
    """Those of many groups that have more members than they may, or all of these groups.

    One walk through a stretch of the table costs a tenth of looking into each group by itself,
    unless much else lies in the stretch.
    """
    if groups.height < _SORTED_FROM_ROWS:
        return groups
    starts = groups[BUCKET_START].to_numpy()
    stretch = one_row(int(starts.min()), int(starts.max()), _WALKED_FOR_A_GROUP * groups.height)
    schema = frame_schema(table)
    whole = pl.Schema({"walked": pl.Int64()})
    if connection.query(is_too_long(connection.dialect, table), whole, stretch).height:
        return groups
    found = pl.Schema({name: schema[name] for name in groups.columns})
    sql = groups_with_too_many(connection.dialect, table)
    return connection.query(sql, found, stretch[:, :2])
