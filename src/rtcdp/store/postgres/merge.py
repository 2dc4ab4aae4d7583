# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""Keeping bounded tables of PostgreSQL within bounds, for all touched groups in one statement."""

from functools import lru_cache

import polars as pl

from rtcdp.definitions import BUCKET_START, ITEM_COUNT, MEMBER, Table
from rtcdp.store.postgres.connection import POSTGRES, unnested
from rtcdp.store.sql.statements import frame_schema, names, quote, stored


@lru_cache(maxsize=1024)
def trim(table: Table) -> str:
    """Trim the groups that are bound as arrays of `group_columns`."""
    if table.bound == "smallest_members":
        return _keep_smallest_members(table)
    return _take_off_overfull(table)


def groups_of(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """The groups that rows of a bounded table are in."""
    return rows.select(_group_columns(table)).unique()


def _group_columns(table: Table) -> tuple[str, ...]:
    return (BUCKET_START, *table.key)


def _keep_smallest_members(table: Table) -> str:
    target, member = stored(POSTGRES, table), quote(MEMBER)
    first_too_many = (
        f"SELECT s.{member} FROM {target} AS s WHERE {_same_group(table, 's', 'g')}"
        f" ORDER BY s.{member} LIMIT 1 OFFSET {table.capacity}"
    )
    # MATERIALIZED: the limit of a group is looked up once, and not for each of its members.
    return (
        f"WITH overfull AS MATERIALIZED (SELECT * FROM (SELECT g.*, ({first_too_many}) AS limit_at"
        f" FROM {_groups(table)}) AS looked_up WHERE limit_at IS NOT NULL)"
        f" DELETE FROM {target} AS t USING overfull AS o"
        f" WHERE {_same_group(table, 't', 'o')} AND t.{member} >= o.limit_at"
    )


def _take_off_overfull(table: Table) -> str:
    target, count = stored(POSTGRES, table), quote(ITEM_COUNT)
    group = _same_group(table, "s", "g")
    first_too_many = (
        f"SELECT s.{count} FROM {target} AS s WHERE {group}"
        f" ORDER BY s.{count} DESC LIMIT 1 OFFSET {table.capacity}"
    )
    is_overfull = (
        f"EXISTS (SELECT 1 FROM {target} AS s WHERE {group} LIMIT 1 OFFSET {2 * table.capacity})"
    )
    same_group = _same_group(table, "t", "o")
    return (
        f"WITH overfull AS MATERIALIZED (SELECT g.*, ({first_too_many}) AS amount"
        f" FROM {_groups(table)} WHERE {is_overfull}),"
        f" spent AS (DELETE FROM {target} AS t USING overfull AS o"
        f" WHERE {same_group} AND t.{count} <= o.amount)"
        f" UPDATE {target} AS t SET {count} = t.{count} - o.amount FROM overfull AS o"
        f" WHERE {same_group} AND t.{count} > o.amount"
    )


def _groups(table: Table) -> str:
    columns = _group_columns(table)
    schema = frame_schema(table)
    return f"{unnested([schema[name] for name in columns])} AS g ({names(*columns)})"


def _same_group(table: Table, one: str, other: str) -> str:
    columns = map(quote, _group_columns(table))
    return " AND ".join(f"{one}.{column} = {other}.{column}" for column in columns)
