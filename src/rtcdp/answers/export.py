"""Rows as files: CSV for spreadsheets, JSON lines for programs, Parquet for tables of both.

All three hold the same rows and columns. Times are UTC; in Parquet they are times, and lists are
lists. CSV is as RFC 4180 has it, with one difference: a text that a spreadsheet would take for a
formula gets an apostrophe before it, since what users send as ids and addresses must not be
computed on somebody's desk (https://owasp.org/www-community/attacks/CSV_Injection).
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import IO, Any, Literal

import msgspec
import polars as pl
from polars.io.plugins import register_io_source

Form = Literal["csv", "jsonl", "parquet"]

MEDIA_TYPES: Mapping[Form, str] = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}

Row = Mapping[str, Any]
ColumnType = Literal["instant", "integer", "real", "text", "boolean", "list", "texts"]
"""What is in a column: `list` of items with their counts, `texts` a list of texts."""

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")

_ITEM_COUNT = "count"

_GROUP_ROWS = 4096
"""So many rows of a Parquet file of many are gathered before they are written."""

_TYPES: Mapping[ColumnType, Any] = {
    "instant": pl.Datetime("ms", "UTC"),
    "integer": pl.Int64,
    "real": pl.Float64,
    "boolean": pl.Boolean,
    "text": pl.String,
    "texts": pl.List(pl.String),
}
"""What there is one type for; that of a list depends on what is counted in it."""


def exported(form: Form, columns: Mapping[str, ColumnType], rows: Sequence[Row]) -> bytes:
    """A file of the rows, with these columns in their order; a row may lack some."""
    match form:
        case "csv":
            return csv_head(columns) + csv_lines(columns, rows)
        case "jsonl":
            return json_lines({name: row[name] for name in columns if name in row} for row in rows)
        case "parquet":
            file = io.BytesIO()
            _frame(columns, rows).write_parquet(file)
            return file.getvalue()


def csv_head(columns: Iterable[str]) -> bytes:
    """What a CSV file begins with: the names of its columns."""
    return _csv([list(columns)])


def csv_lines(columns: Sequence[str] | Mapping[str, ColumnType], rows: Iterable[Row]) -> bytes:
    """The lines of some rows."""
    return _csv([row.get(name) for name in columns] for row in rows)


def json_lines(items: Iterable[object]) -> bytes:
    """The lines of some items."""
    return b"".join(msgspec.json.encode(item) + b"\n" for item in items)


def write_parquet(
    file: IO[bytes],
    columns: Mapping[str, ColumnType],
    parts: Iterable[Sequence[Row]],
    counted: Mapping[str, str] | None = None,
) -> None:
    """Write a file of many rows, of which those of one part are in memory. `counted` says what the
    items of a `list` have beside their count. What `parts` raise is raised."""
    fields = counted or {}
    schema: dict[Any, Any] = {
        name: pl.List(pl.Struct({fields[name]: pl.String, _ITEM_COUNT: pl.Int64}))
        if kind == "list"
        else _TYPES[kind]
        for name, kind in columns.items()
    }

    def frames(*_: object) -> Iterator[pl.DataFrame]:
        return (_frame(columns, rows).cast(schema) for rows in parts)

    register_io_source(frames, schema=schema).sink_parquet(file, row_group_size=_GROUP_ROWS)


def _csv(lines: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(map(_cell, line) for line in lines)
    # A lone surrogate can't be UTF-8; what stands in a column is the same in every row that has it.
    return text.getvalue().encode(errors="backslashreplace")


def _cell(value: object) -> object:
    match value:
        case str():
            return f"'{value}" if value.startswith(_FORMULAS) else value
        case bool():
            return "true" if value else "false"
        case list() | tuple() | dict():
            return msgspec.json.encode(value).decode()
        case _:
            return value


def _frame(columns: Mapping[str, ColumnType], rows: Sequence[Row]) -> pl.DataFrame:
    data = {name: [row.get(name) for row in rows] for name in columns}
    return pl.DataFrame([_series(name, kind, data[name]) for name, kind in columns.items()])


def _series(name: str, kind: ColumnType, values: list[Any]) -> pl.Series:
    match kind:
        case "instant":
            times = [None if text is None else datetime.fromisoformat(text) for text in values]
            return pl.Series(name, times, _TYPES[kind])
        case "real":
            return pl.Series(name, values, _TYPES[kind], strict=False)
        case "list":
            return pl.Series(name, values, pl.List(pl.Struct(_item_schema(values))))
        case _:
            return pl.Series(name, values, _TYPES[kind])


def _item_schema(values: Sequence[Sequence[Mapping[str, object]]]) -> dict[str, Any]:
    """The names in the first item that there is; one that counts nothing has the counts alone."""
    items = (item for items in values for item in items)
    names = next(items, {_ITEM_COUNT: 0})
    return {name: pl.Int64 if name == _ITEM_COUNT else pl.String for name in names}
