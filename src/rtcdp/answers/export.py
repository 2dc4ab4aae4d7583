"""Rows as files: CSV for spreadsheets, JSON lines for programs, Parquet for tables of both.

All three hold the same rows and columns. Times are UTC; in Parquet they are times, and lists are
lists. CSV is as RFC 4180 has it, with one difference: a text that a spreadsheet would take for a
formula gets an apostrophe before it, since what users send as ids and addresses must not be
computed on somebody's desk (https://owasp.org/www-community/attacks/CSV_Injection).
"""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
import polars as pl

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


def exported(form: Form, columns: Mapping[str, ColumnType], rows: Sequence[Row]) -> bytes:
    """A file of the rows, with these columns in their order; a row may lack some."""
    match form:
        case "csv":
            return _csv(list(columns), rows)
        case "jsonl":
            return b"".join(
                msgspec.json.encode({name: row[name] for name in columns if name in row}) + b"\n"
                for row in rows
            )
        case "parquet":
            return _parquet(columns, rows)


def _csv(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_cell(name) for name in columns])
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
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


def _parquet(columns: Mapping[str, ColumnType], rows: Sequence[Row]) -> bytes:
    data = {name: [row.get(name) for row in rows] for name in columns}
    frame = pl.DataFrame([_series(name, kind, data[name]) for name, kind in columns.items()])
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def _series(name: str, kind: ColumnType, values: list[Any]) -> pl.Series:
    match kind:
        case "instant":
            times = [None if text is None else datetime.fromisoformat(text) for text in values]
            return pl.Series(name, times, pl.Datetime("ms", "UTC"))
        case "integer":
            return pl.Series(name, values, pl.Int64)
        case "real":
            return pl.Series(name, values, pl.Float64, strict=False)
        case "boolean":
            return pl.Series(name, values, pl.Boolean)
        case "text":
            return pl.Series(name, values, pl.String)
        case "texts":
            return pl.Series(name, values, pl.List(pl.String))
        case "list":
            return pl.Series(name, values, pl.List(pl.Struct(_item_schema(values))))


def _item_schema(values: Sequence[Sequence[Mapping[str, object]]]) -> dict[str, Any]:
    """The names in the first item that there is; one that counts nothing has the counts alone."""
    items = (item for items in values for item in items)
    names = next(items, {_ITEM_COUNT: 0})
    return {name: pl.Int64 if name == _ITEM_COUNT else pl.String for name in names}
