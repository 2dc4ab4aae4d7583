"""From a line to its columns by name: CSV, JSON, and whatever a regular expression takes apart."""

import csv
import json
import re
from collections.abc import Callable

import msgspec

from rtcdp.sources.recorded.mapping import Mapping
from rtcdp.sources.recorded.template import Record
from rtcdp.sources.recorded.unmapped import Invalid

_ESCAPE = re.compile(rb'\\(x[0-9A-Fa-f]{2}|[\\"bnrtv])')
_ESCAPED = {b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}

RecordReader = Callable[[bytes], Record]
"""Gives the columns of a line; raises `Invalid` when it has none."""


def record_reader(mapping: Mapping, columns: tuple[str, ...]) -> RecordReader:
    """The function that takes lines apart as `mapping` says. For csv, `columns` are the file's."""
    absent = frozenset(mapping.empty)
    names = mapping.names()
    match mapping.format:
        case "csv":
            rows = _csv_reader(columns, mapping.delimiter)
        case "regex":
            rows = _regex_reader(re.compile(mapping.pattern or ""), unescapes=mapping.unescape)
        case _:
            rows = _json_reader(names)
    if absent <= {""}:
        return rows

    def without_absent(line: bytes) -> Record:
        record = rows(line)
        return {name: record[name] for name in names if record.get(name, "") not in absent}

    return without_absent


def csv_row(line: bytes, delimiter: str) -> list[str] | None:
    """The texts of one CSV row (RFC 4180 quoting), or None if it is no such row."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return None
    if '"' not in text:
        return text.split(delimiter)
    try:
        rows = list(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def unescaped(text: str) -> str:
    """A text of a web server's log as it was before the server escaped it: `\\xHH` is a byte, and
    `\\"`, `\\\\` and the like are what they are in C (Apache's and nginx's own rule).

    What is no UTF-8 then, or holds U+0000, which no event may, stays as it is.
    """
    if "\\" not in text:
        return text
    try:
        plain = _ESCAPE.sub(_byte_of, text.encode()).decode()
    except UnicodeError:
        return text
    return text if "\0" in plain else plain


def _byte_of(found: re.Match[bytes]) -> bytes:
    escape = found[1]
    if escape.startswith(b"x"):
        return bytes([int(escape[1:], 16)])
    return _ESCAPED.get(escape, escape)


def _csv_reader(columns: tuple[str, ...], delimiter: str) -> RecordReader:
    width = len(columns)

    def read(line: bytes) -> Record:
        row = csv_row(line, delimiter)
        if row is None:
            raise Invalid("", _shown(line), "one row of CSV in UTF-8")
        if len(row) != width:
            raise Invalid("", _shown(line), f"{width} columns, and it has {len(row)}")
        return dict(zip(columns, row, strict=True))

    return read


def _regex_reader(pattern: re.Pattern[str], *, unescapes: bool) -> RecordReader:
    def read(line: bytes) -> Record:
        try:
            found = pattern.fullmatch(line.decode())
        except UnicodeDecodeError:
            raise Invalid("", _shown(line), "UTF-8") from None
        if found is None:
            raise Invalid("", _shown(line), "what the pattern of the mapping describes")
        record = found.groupdict("")
        if unescapes and b"\\" in line:
            return {name: unescaped(text) for name, text in record.items()}
        return record

    return read


def _json_reader(names: frozenset[str]) -> RecordReader:
    paths = {name: name.split(".") for name in names}

    def read(line: bytes) -> Record:
        content = json_content(line)
        if not isinstance(content, dict):
            raise Invalid("", _shown(line), "a JSON object")
        return {name: text_at(content, path) for name, path in paths.items()}

    return read


def json_content(line: bytes) -> object:
    """What a line holds as JSON; None where it is none."""
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def text_at(content: object, path: list[str]) -> str:
    """The text at the end of a path of members, and of what is no text its JSON; empty where
    nothing is there."""
    for name in path:
        content = content.get(name) if isinstance(content, dict) else None
    if content is None:
        return ""
    return content if isinstance(content, str) else json.dumps(content)


def _shown(line: bytes) -> str:
    return line[:200].decode(errors="backslashreplace")
