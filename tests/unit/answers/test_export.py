"""Rows as files."""

import csv
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec
import polars as pl
import pytest

from rtcdp.answers.export import ColumnType, Row, exported, write_parquet

COLUMNS: dict[str, ColumnType] = {
    "window_start": "instant",
    "pageUrl": "text",
    "n": "integer",
    "share": "real",
    "final": "boolean",
    "best": "list",
    "estimated": "texts",
}
ROW = {
    "window_start": "2026-01-01T00:00:00.000Z",
    "pageUrl": 'a "b",\r\nc',
    "n": 7,
    "share": 0.5,
    "final": True,
    "best": [{"pageUrl": "/a", "count": 3}],
}
ROWS = [ROW, {**ROW, "pageUrl": None, "n": 0, "best": [], "estimated": ["n"]}]


def csv_rows(columns: dict[str, ColumnType], rows: list[dict[str, object]]) -> list[list[str]]:
    text = exported("csv", columns, rows).decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def test_csv_has_a_header_and_quotes_what_needs_it() -> None:
    raw = exported("csv", COLUMNS, ROWS)
    assert raw.startswith(b"window_start,pageUrl,n,share,final,best,estimated\r\n")
    assert raw.endswith(b"\r\n")
    header, one, other = csv_rows(COLUMNS, ROWS)
    assert dict(zip(header, one, strict=True)) == {
        "window_start": "2026-01-01T00:00:00.000Z",
        "pageUrl": 'a "b",\r\nc',
        "n": "7",
        "share": "0.5",
        "final": "true",
        "best": '[{"pageUrl":"/a","count":3}]',
        "estimated": "",
    }
    assert (other[1], other[5], other[6]) == ("", "[]", '["n"]')


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a1)", "\t=1", "\r=1", "\n=1"])
def test_csv_holds_no_formula(text: str) -> None:
    assert csv_rows({text: "text"}, [{text: text}]) == [[f"'{text}"], [f"'{text}"]]


def test_numbers_below_zero_stay_numbers() -> None:
    assert csv_rows({"n": "real"}, [{"n": -1.5}])[1] == ["-1.5"]


def test_a_text_that_is_no_utf_8_is_written_out() -> None:
    assert csv_rows({"a": "text"}, [{"a": "\ud800"}])[1] == ["\\ud800"]


def test_a_line_of_json_is_a_row_as_it_is() -> None:
    lines = exported("jsonl", COLUMNS, ROWS).splitlines()
    assert [msgspec.json.decode(line) for line in lines] == ROWS


def test_parquet_has_types() -> None:
    frame = pl.read_parquet(exported("parquet", COLUMNS, ROWS))
    assert frame.schema == {
        "window_start": pl.Datetime("ms", "UTC"),
        "pageUrl": pl.String,
        "n": pl.Int64,
        "share": pl.Float64,
        "final": pl.Boolean,
        "best": pl.List(pl.Struct({"pageUrl": pl.String, "count": pl.Int64})),
        "estimated": pl.List(pl.String),
    }
    expected = [
        {"estimated": None, **row, "window_start": datetime(2026, 1, 1, tzinfo=UTC)} for row in ROWS
    ]
    assert frame.to_dicts() == expected


def test_a_long_parquet_file_is_written_while_its_rows_are_read() -> None:
    sizes: list[int] = []
    with tempfile.TemporaryFile() as file:

        def parts() -> Iterator[Sequence[Row]]:
            for part in range(30):
                sizes.append(os.fstat(file.fileno()).st_size)
                yield [{"n": part * 1000 + row} for row in range(1000)]

        write_parquet(file, {"n": "integer"}, parts())
        file.seek(0)
        assert pl.read_parquet(file)["n"].to_list() == list(range(30_000))
    assert sizes[20] > len(b"PAR1")


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_no_row_is_a_file_too(form: str) -> None:
    content = exported(form, COLUMNS, [])  # type: ignore[arg-type]
    if form == "parquet":
        assert pl.read_parquet(content).height == 0
    else:
        assert len(content.splitlines()) == (1 if form == "csv" else 0)
