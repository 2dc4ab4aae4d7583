# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""Changing rows of row tables of PostgreSQL, all in one statement that finds each row once.

What is there is found by its key, and then written or deleted where it lies. The statement also
answers what the rows of before brought to the sums of their days. There is one writer, so nothing
comes between the finding and the writing.
"""

from functools import lru_cache

import polars as pl

from rtcdp.definitions import RowTable
from rtcdp.store.postgres.connection import POSTGRES, unnested
from rtcdp.store.row_changes import CHECKSUM, key_schema, row_schema
from rtcdp.store.sql.rows import day_of, halves, same_key
from rtcdp.store.sql.statements import ASKED, names, quote, stored

_PLACE = "_place"
_WAS = "_was"
_DAY = "_day"


@lru_cache(maxsize=256)
def delete_all(table: RowTable) -> str:
    """Delete the rows whose keys are bound as arrays."""
    return (
        f"WITH n AS MATERIALIZED (SELECT found.* FROM {POSTGRES.asked(key_schema(table))}"
        f" CROSS JOIN {_found(table)}),"
        f" gone AS (DELETE FROM {stored(POSTGRES, table)} AS t USING n WHERE t.ctid = n.{_PLACE})"
        f" SELECT {_DAY} AS day, {halves(_WAS, 'bigint')} FROM n GROUP BY 1"
    )


@lru_cache(maxsize=256)
def replace_all(table: RowTable) -> str:
    """Write rows, bound as arrays in stored order with their numbers last, over those with the
    same key."""
    columns = (*table.column_names, CHECKSUM)
    types = [*row_schema(table).dtypes(), pl.Int64()]
    target = stored(POSTGRES, table)
    new = f"{unnested(types)} AS {ASKED} ({names(*columns)})"
    values = ", ".join(f"n.{quote(name)}" for name in columns)
    written = ", ".join(
        f"{quote(name)} = n.{quote(name)}" for name in (*table.value_names, CHECKSUM)
    )
    return (
        f"WITH n AS MATERIALIZED (SELECT {ASKED}.*, found.*"
        f" FROM {new} LEFT JOIN {_found(table)} ON true),"
        f" replaced AS (UPDATE {target} AS t SET {written} FROM n WHERE t.ctid = n.{_PLACE}),"
        f" added AS (INSERT INTO {target} ({names(*columns)})"
        f" SELECT {values} FROM n WHERE n.{_PLACE} IS NULL)"
        f" SELECT {_DAY} AS day, {halves(_WAS, 'bigint')} FROM n"
        f" WHERE {_PLACE} IS NOT NULL GROUP BY 1"
    )


@lru_cache(maxsize=256)
def write_over(table: RowTable) -> str:
    """Write rows, bound in stored order with their numbers last, over those with the same key, all
    of which are there. To insert them and find a conflict would lock each row before."""
    columns = (*table.column_names, CHECKSUM)
    types = [*row_schema(table).dtypes(), pl.Int64()]
    written = ", ".join(
        f"{quote(name)} = n.{quote(name)}" for name in (*table.value_names, CHECKSUM)
    )
    return (
        f"UPDATE {stored(POSTGRES, table)} AS t SET {written}"
        f" FROM {unnested(types)} AS n ({names(*columns)}) WHERE {same_key(table, 't', 'n')}"
    )


def _found(table: RowTable) -> str:
    """Where a row that is asked about lies, and what it brings to the sum of its day, looked up by
    its key: with OFFSET it is not made a join of two whole tables."""
    return (
        f"LATERAL (SELECT t.ctid AS {_PLACE}, t.{quote(CHECKSUM)} AS {_WAS},"
        f" {day_of(table, 't')} AS {_DAY} FROM {stored(POSTGRES, table)} AS t"
        f" WHERE {same_key(table, 't', ASKED)} OFFSET 0) AS found"
    )
