"""Changes of row tables made fit for any store.

What is refused here is refused by every store, so that none of them keeps what another can't.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from rtcdp.definitions import RANGE_FROM, RANGE_TO, RowTable
from rtcdp.errors import UsageError
from rtcdp.folds.rows import in_order
from rtcdp.store.checksums import DailySums, RowNumbers, numbers_of, sums_by_day
from rtcdp.store.contract import RowScan, RowsRefused
from rtcdp.store.epoch import RowChanges

CHECKSUM = "_checksum"
"""The column beside a table's own in which a row's number rests, where a store keeps it."""

ROW_BYTES_MAX = 128 * 1024
"""What all texts and bytes of a row have together. Some stores keep many versions of a row in one
place for a while."""

_TYPES: Mapping[str, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "real": pl.Float64(),
    "bytes": pl.Binary(),
}


@dataclass(frozen=True, kw_only=True)
class FittedRows(RowChanges):
    """Checked changes of a table, the frames with exactly the columns and types that rest.
    `numbers` are those of the rows in `replace`; `old` is what the rows that rest under all these
    keys bring to the sums of their days, and `resting` has the keys of these rows, both None where
    that isn't known."""

    numbers: RowNumbers
    old: DailySums | None = None
    resting: pl.DataFrame | None = None

    @property
    def touched(self) -> pl.DataFrame:
        """The keys of all rows that change."""
        replaced = self.replace.select(self.table.primary_key)
        if self.delete.is_empty():
            return replaced
        return pl.concat([self.delete, replaced]).unique(maintain_order=True)


@lru_cache(maxsize=256)
def row_schema(table: RowTable) -> pl.Schema:
    """The columns of a table's rows, in stored order."""
    return pl.Schema({name: _TYPES[kind] for name, kind in table.columns})


@lru_cache(maxsize=256)
def key_schema(table: RowTable) -> pl.Schema:
    """The columns of a table's primary key."""
    types = dict(table.columns)
    return pl.Schema({name: _TYPES[types[name]] for name in table.primary_key})


def fitted_rows(changes: Sequence[RowChanges]) -> list[FittedRows]:
    """The changes that hold anything. A row that is deleted and replaced is replaced. What is
    fitted already stays as it is, so that an engine may do what a store does at the latest.

    Raises `RowsRefused` for what no store takes: a key without a value or twice, a real that is not
    a number, or the same table twice.
    """
    names = [each.table.name for each in changes]
    if len(set(names)) < len(names):
        raise _refused(max(names, key=names.count), "is changed twice in one epoch")
    fitted = (each if isinstance(each, FittedRows) else _fitted(each) for each in changes)
    return [each for each in fitted if not (each.delete.is_empty() and each.replace.is_empty())]


def groups_asked(table: RowTable, groups: pl.DataFrame) -> pl.DataFrame:
    """The groups to look up, each once, in the order of their keys, with their ranges if they have
    any."""
    types: dict[str, pl.DataType] = {name: pl.String() for name in table.group_key}
    if RANGE_FROM in groups.columns:
        types |= {RANGE_FROM: pl.Int64(), RANGE_TO: pl.Int64()}
    asked = groups.lazy().select(*types).cast(pl.Schema(types))
    return asked.unique().sort(*types).collect()


def check_row_position(table: RowTable, after: tuple[int | str, ...] | None) -> None:
    """Raises `UsageError` when a position is not a primary key of the table."""
    kinds = [str if dtype == pl.String() else int for dtype in key_schema(table).dtypes()]
    if after is not None and [type(part) for part in after] != kinds:
        raise UsageError(
            f"{after!r} is not a row of {table.name}",
            "continue with the primary key of the last row of the page before",
        )


def check_row_scan(scan: RowScan) -> None:
    """Raises `UsageError` when a scan's table has no time, or its position is no primary key of
    it."""
    if scan.table.time is None:
        raise UsageError(
            f"the rows of {scan.table.name} have no time", "read them by row_page or by rows"
        )
    check_row_position(scan.table, scan.after)


def _fitted(changes: RowChanges) -> FittedRows:
    table = changes.table
    delete = _in_key_order(table, _with_types(changes.delete, key_schema(table)))
    replace = _in_key_order(table, _with_types(changes.replace, row_schema(table)))
    reals = [name for name, kind in table.columns if kind == "real"]
    for name in reals:
        if replace[name].is_nan().any():
            raise _refused(table.name, f"has a row whose {name} is not a number")
    if _largest(table, replace) > ROW_BYTES_MAX:
        raise _refused(table.name, f"has a row of more than {ROW_BYTES_MAX:,} bytes")
    if reals:
        # Databases don't agree on whether there is a zero below zero.
        replace = replace.with_columns(
            pl.when(pl.col(name) == 0).then(0.0).otherwise(pl.col(name)).alias(name)
            for name in reals
        )
    if not (delete.is_empty() or replace.is_empty()):
        delete = delete.join(replace, on=table.primary_key, how="anti", maintain_order="left")
    numbers = numbers_of(table, replace)
    if changes.before is None:
        return FittedRows(table, delete, replace, numbers=numbers)
    before = _with_types(changes.before, row_schema(table))
    old = sums_by_day(table, before, numbers_of(table, before))
    resting = before.select(table.primary_key)
    return FittedRows(table, delete, replace, numbers=numbers, old=old, resting=resting)


def _in_key_order(table: RowTable, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that touch each page of a table once. Raises `RowsRefused` unless all have keys, and
    each another one."""
    key = table.primary_key
    for name in key:
        if rows[name].null_count():
            raise _refused(table.name, f"has a row without {name}")
    if rows.height < 2:
        return rows
    ordered = in_order(rows, *key)
    if ordered.select(_one_stands_twice(key)).item():
        raise _refused(table.name, "has two rows with the same key")
    return ordered


@lru_cache(maxsize=256)
def _one_stands_twice(key: tuple[str, ...]) -> pl.Expr:
    return pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in key).any()


def _largest(table: RowTable, rows: pl.DataFrame) -> int:
    sizes = [
        pl.col(name).str.len_bytes() if kind == "text" else pl.col(name).bin.size()
        for name, kind in table.columns
        if kind in ("text", "bytes")
    ]
    largest = rows.select(pl.sum_horizontal(each.cast(pl.Int64) for each in sizes).max()).item()
    return largest or 0


def _with_types(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    return rows if rows.schema == schema else rows.select(schema.names()).cast(schema)


def _refused(table: str, what: str) -> RowsRefused:
    return RowsRefused(
        f"{table} {what}", "this is a defect of the engine; report it with this message"
    )
