"""Frames of rows: an empty one, the first or last of each group, and what changed in one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

from rtcdp.definitions import RowColumn, RowType
from rtcdp.folds.segments import Flags, Ints, order_by

FRAME_TYPES: Mapping[RowType, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "real": pl.Float64(),
    "bytes": pl.Binary(),
}


LIST_BYTES = 112 * 1024
"""What the texts of a list have together at most, each as JSON with a comma: so that no store
refuses the row, which may have 128 KiB, whatever its key is. Names without end may be sent."""


@dataclass(frozen=True)
class Difference:
    """What makes one set of rows into another: the keys of those to delete, and whole rows to put
    in the place of those with their keys. `before` are the rows that these keys have until then."""

    delete: pl.DataFrame
    replace: pl.DataFrame
    before: pl.DataFrame


def row_schema(columns: Iterable[tuple[str, RowType]]) -> pl.Schema:
    """The types of a frame with these columns."""
    return pl.Schema({name: FRAME_TYPES[type_] for name, type_ in columns})


def empty_rows(columns: Sequence[RowColumn]) -> pl.DataFrame:
    """A frame with these columns and no row."""
    return row_schema(columns).to_frame()


def changes_in(rows: pl.DataFrame, *columns: str) -> Flags:
    """Which rows have another value than the row before in one of the columns; the first has."""
    is_other = pl.any_horizontal(pl.col(name) != pl.col(name).shift() for name in columns)
    return rows.select(is_other.fill_null(True))[:, 0].to_numpy().copy()


def in_order(rows: pl.DataFrame, *columns: str, stable: bool = False) -> pl.DataFrame:
    """Rows sorted by these columns; `stable`: of equals as they are. Where they are in order
    already, which costs little to see, none is moved."""
    if rows.select(_are_in_order(columns)).item():
        return rows
    return rows.sort(columns, maintain_order=stable)


@lru_cache(maxsize=256)
def _are_in_order(columns: tuple[str, ...]) -> pl.Expr:
    """Kept: of few rows, to make this takes longer than to have it answered."""
    is_later, is_same = pl.lit(False), pl.lit(True)
    for name in columns:
        value, before = pl.col(name), pl.col(name).shift()
        is_later |= is_same & (value > before)
        is_same &= value == before
    return (is_later | is_same).slice(1).fill_null(False).all()


def by_key_and_time(rows: pl.DataFrame, key: str, time: str) -> pl.DataFrame:
    """Rows sorted by a text and an integer, of equals as they are. Each text is compared with the
    others once, however many rows have it, and all columns are moved once."""
    keys = rows.select(key).unique().sort(key).with_row_index("code")
    codes = rows.select(key).join(
        keys, on=key, how="left", nulls_equal=True, maintain_order="left"
    )["code"]
    order = order_by(codes.to_numpy().astype(np.int64), rows[time].to_numpy())
    # From a frame in pieces each row would be looked for, which takes three times as long.
    return rows.rechunk()[order]


def first_in_group(groups: Ints, rows: pl.DataFrame, *, latest: bool = False) -> pl.DataFrame:
    """Of each group the row that comes first, or `latest` last, by all columns in their order; the
    first column is an integer, and a row without it is not looked at. Gives `group` beside them."""
    rows = rows.with_columns(pl.Series("group", groups))
    names = [name for name in rows.columns if name != "group"]
    rows = rows.filter(pl.col(names[0]).is_not_null())
    if rows.is_empty():
        return rows
    group = rows["group"].to_numpy()
    begins = np.append(True, group[1:] != group[:-1])
    numbers, firsts = np.cumsum(begins) - 1, np.flatnonzero(begins)
    instants = rows[names[0]].to_numpy()
    best = (np.maximum if latest else np.minimum).reduceat(instants, firsts)
    is_best = instants == best[numbers]
    chosen = rows.filter(is_best)
    if chosen.height == len(firsts):
        return chosen
    ordered = chosen.sort("group", *names, descending=[False, *[latest] * len(names)])
    return ordered.unique("group", keep="first", maintain_order=True)


def by_group(found: pl.DataFrame, count: int) -> pl.DataFrame:
    """What was found of some of the groups from 0 to `count` - 1, as a row for each of them. Which
    one a row of `found` is of, it says in `group`; of no group there are two."""
    place = np.full(count, -1)
    place[found["group"].to_numpy()] = np.arange(found.height)
    places = pl.DataFrame({"place": place}).select(
        pl.when(pl.col("place") >= 0).then(pl.col("place"))
    )[:, 0]
    return found.drop("group").select(pl.all().gather(places))


def fitting(groups: Ints, texts: pl.Series, *, latest: bool = False) -> Flags:
    """Which of these texts, JSON each, are told in a list for each group: the first ones, or the
    `latest`, that have `LIST_BYTES` together. Groups are given in order."""
    sizes = texts.str.len_bytes().to_numpy().astype(np.int64) + 1
    counts = np.bincount(groups)
    if sizes.max(initial=0) * counts.max(initial=0) <= LIST_BYTES:
        return np.ones(len(sizes), np.bool_)
    places, stops = np.append(0, np.cumsum(sizes)), np.cumsum(counts)
    if latest:
        together = np.repeat(places[stops], counts) - places[:-1]
    else:
        together = places[1:] - np.repeat(places[stops - counts], counts)
    return np.asarray(together <= LIST_BYTES)


def difference(before: pl.DataFrame, after: pl.DataFrame, primary_key: Sequence[str]) -> Difference:
    """What is to be done to `before` so that it becomes `after`."""
    gone = before.select(primary_key).join(after, on=primary_key, how="anti")
    names = [name for name in after.columns if name not in primary_key]
    old = before.select(
        *primary_key, pl.lit(True).alias("was there"), pl.struct(names).alias("was")
    )
    beside = after.join(old, on=primary_key, how="left", maintain_order="left")
    is_same = pl.col("was there").fill_null(False) & pl.all_horizontal(
        pl.col(name).eq_missing(pl.col("was").struct.field(name)) for name in names
    )
    changed = beside.filter(~is_same).select(after.columns)
    return changing(before, gone, changed, primary_key)


def changing(
    before: pl.DataFrame, delete: pl.DataFrame, replace: pl.DataFrame, primary_key: Sequence[str]
) -> Difference:
    """A difference from some rows, among which are all that it changes."""
    if before.is_empty():
        return Difference(delete, replace, before)
    keys = pl.concat([delete.select(primary_key), replace.select(primary_key)])
    return Difference(delete, replace, before.join(keys, on=primary_key, how="semi"))
