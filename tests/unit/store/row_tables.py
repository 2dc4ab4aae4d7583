"""A row table with a column of each type, and rows of it."""

import polars as pl

from rtcdp.definitions import RowTable
from rtcdp.store.epoch import RowChanges
from rtcdp.store.row_changes import key_schema, row_schema

VISITS = RowTable(
    name="visits",
    columns=(
        ("userId", "text"),
        ("start", "integer"),
        ("value", "real"),
        ("entry", "text"),
        ("packed", "bytes"),
    ),
    group_key=("userId",),
    order=("start",),
)


def row_changes(table, delete=(), put=()):
    """Changes of rows that are given as tuples."""
    return RowChanges(
        table,
        pl.DataFrame(list(delete), key_schema(table), orient="row"),
        pl.DataFrame(list(put), row_schema(table), orient="row"),
    )
