"""From a text of lines to its columns, all lines at once: CSV, JSON, regular expressions.

What a column says of a line is what `rtcdp.sources.records` says of that line by itself. Lines that
this can't be sure of are left out, for that.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl

from rtcdp.events.codec import LINE_BREAK, count_of
from rtcdp.events.columns import split_lines
from rtcdp.sources.recorded.mapping import Mapping
from rtcdp.sources.records import json_content, text_at

_JSON_LINES = 256
_decode_lines = msgspec.json.Decoder().decode_lines


class LineColumns(NamedTuple):
    """The columns of the lines for which `is_read` holds, one row for each of those. `is_plain`
    says that no text in them can hold what JSON escapes."""

    columns: pl.DataFrame
    is_read: pl.Series
    is_plain: bool


ColumnReader = Callable[[bytes, pl.Series], LineColumns | None]
"""Gives the columns of lines, which come as one text (UTF-8), each ended by LF, and as a column;
None where they have to be read one by one."""

_NEVER_SPLIT = b"\x01"
"""What the parser that splits lines takes for the end of a column."""


def column_reader(mapping: Mapping, columns: tuple[str, ...]) -> ColumnReader:
    """The function that takes lines apart as `mapping` says. For csv, `columns` are the file's."""
    names = tuple(sorted(mapping.names()))
    match mapping.format:
        case "csv":
            read = _csv_reader(columns, mapping.delimiter, names)
        case "regex":
            read = _regex_reader(re.compile(mapping.pattern or ""), names, mapping.unescape)
        case _:
            read = _json_reader(names)
    absent = sorted({*mapping.empty} - {""})
    if not absent:
        return read

    def without_absent(text: bytes, lines: pl.Series) -> LineColumns | None:
        found = read(text, lines)
        if found is None:
            return None
        kept = [column.zip_with(~column.is_in(absent), pl.Series([""])) for column in found.columns]
        return found._replace(columns=pl.DataFrame(kept))

    return without_absent


def lines_of(text: bytes) -> pl.Series:
    """The lines of a text (UTF-8), each ended by LF, as a column."""
    if _NEVER_SPLIT not in text:
        lines = split_lines(text)
        # The parser leaves out a byte order mark, and what ends a line besides LF; lines without
        # anything in them it takes for absent. As many bytes as the text has, it has left out none.
        is_whole = not lines.null_count() and len(lines) == count_of(LINE_BREAK, text)
        if is_whole and lines.str.len_bytes().sum() + len(lines) == len(text):
            return lines
    return pl.Series("line", text[:-1].decode().split("\n"), dtype=pl.String)


def _csv_reader(columns: tuple[str, ...], delimiter: str, names: tuple[str, ...]) -> ColumnReader:
    width, gap = len(columns), re.escape(delimiter)
    field = f'(?:[^"{gap}\r]*|"(?:[^"\r]|"")*")'
    row = f"^{field}(?:{gap}{field}){{{width - 1}}}$"
    schema = pl.Schema({name: pl.String() for name in map(str, range(width))})
    # Of columns with one name the last one counts, as in a dictionary.
    place_of = {name: str(place) for place, name in enumerate(columns)}
    wanted = [pl.col(place_of[name]).alias(name) for name in names]

    def read(text: bytes, lines: pl.Series) -> LineColumns | None:
        if b'"' not in text and b"\r" not in text:
            rows = lines.str.split_exact(delimiter, width).struct.unnest()
            rows.columns = [*schema.names(), "more"]
            is_read = rows["more"].is_null() & rows[str(width - 1)].is_not_null()
        elif len(delimiter.encode()) == 1 and width > 1:
            is_read = lines.str.contains(row)
            if not is_read.any():
                return None
            kept = "\n".join([*lines.filter(is_read), ""])
            rows = pl.read_csv(
                kept.encode(),
                has_header=False,
                separator=delimiter,
                schema=schema,
                empty_string_is_null=False,
            )
            if rows.height != is_read.sum():
                return None
            return LineColumns(rows.select(wanted), is_read, is_plain=False)
        else:
            return None
        kept_rows = rows if is_read.all() else rows.filter(is_read)
        return LineColumns(kept_rows.select(wanted), is_read, _is_plain(text, delimiter))

    return read


def _regex_reader(
    pattern: re.Pattern[str], names: tuple[str, ...], unescapes: bool
) -> ColumnReader:
    places = [pattern.groupindex[name] for name in names]

    def read(text: bytes, _: pl.Series) -> LineColumns:
        found = [
            None if unescapes and "\\" in line else pattern.fullmatch(line)
            for line in text[:-1].decode().split("\n")
        ]
        matches = [match for match in found if match is not None]
        columns = pl.DataFrame(
            [
                pl.Series(name, [match[place] or "" for match in matches], dtype=pl.String)
                for name, place in zip(names, places, strict=True)
            ]
        )
        is_read = pl.Series([match is not None for match in found], dtype=pl.Boolean)
        return LineColumns(columns, is_read, is_plain=False)

    return read


def _json_reader(names: tuple[str, ...]) -> ColumnReader:
    paths = {name: name.split(".") for name in names}

    def read(text: bytes, _: pl.Series) -> LineColumns | None:
        lines = text[:-1].split(b"\n")
        found = [
            content
            for first in range(0, len(lines), _JSON_LINES)
            for content in _contents(lines[first : first + _JSON_LINES])
        ]
        objects = [content for content in found if isinstance(content, dict)]
        texts = {name: [text_at(each, path) for each in objects] for name, path in paths.items()}
        try:
            columns = pl.DataFrame(texts, schema=dict.fromkeys(texts, pl.String))
        except UnicodeEncodeError:
            return None
        is_read = pl.Series([isinstance(content, dict) for content in found], dtype=pl.Boolean)
        return LineColumns(columns, is_read, is_plain=False)

    return read


def _contents(lines: list[bytes]) -> list[object]:
    """What each line holds as JSON; None where it is none."""
    together = b"\n".join(lines)
    # The decoder minds no line breaks. Where each line begins and ends like an object, no value
    # goes over two of them, so that as many values as lines are one in each.
    is_object_each = together.startswith(b"{") and together.endswith(b"}")
    if is_object_each and together.count(b"}\n{") == len(lines) - 1:
        try:
            found = _decode_lines(together)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            found = []
        if len(found) == len(lines):
            return found
    return list(map(json_content, lines))


def _is_plain(text: bytes, delimiter: str) -> bool:
    """Whether nothing in a text without quotation marks has to be escaped, between delimiters and
    line breaks."""
    if b"\\" in text:
        return False
    controls = np.count_nonzero(np.frombuffer(text, np.uint8) < ord(" "))
    between = count_of(LINE_BREAK, text)
    if delimiter < " ":
        between += text.count(delimiter.encode())
    return int(controls) == between
