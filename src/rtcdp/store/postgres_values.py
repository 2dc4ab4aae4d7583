"""Values as PostgreSQL's binary protocol has them: whole columns as arrays, and answers as columns.

PostgreSQL's text can't hold the character U+0000. It rests as U+0001 U+0001, and U+0001 itself as
U+0001 U+0002: no two texts become one, and their order by bytes stays.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl


@dataclass(frozen=True)
class WireType:
    """The numbers of a type and of its array, and its name."""

    oid: int
    array_oid: int
    name: str


_WIRE_TYPES: Mapping[pl.DataType, WireType] = {
    pl.Int64(): WireType(20, 1016, "bigint"),
    pl.String(): WireType(25, 1009, "text"),
    pl.Float64(): WireType(701, 1022, "double precision"),
    pl.Binary(): WireType(17, 1001, "bytea"),
}
_BIG_ENDIAN: Mapping[pl.DataType, str] = {pl.Int64(): ">i8", pl.Float64(): ">f8"}
_ANSWERED = {20: ">i8", 23: ">i4", 701: ">f8"}
_UNTYPED = 0
_ESCAPE = re.compile("\1([\1\2])")


def wire_type(dtype: pl.DataType) -> WireType:
    """How a column's type is called. Raises `KeyError` for one that no store has."""
    return _WIRE_TYPES[dtype]


def oid_of(column: pl.Series) -> int:
    """The type of a single bound value; one that is null takes what its place asks for."""
    return _UNTYPED if column.null_count() else wire_type(column.dtype).oid


def to_value(value: int | float | str | bytes | None, dtype: pl.DataType) -> bytes | None:
    """One value to bind."""
    match value:
        case None:
            return None
        case str():
            return escaped(value).encode()
        case bytes():
            return value
        case _:
            return np.array(value, _BIG_ENDIAN[dtype]).tobytes()


def to_array(column: pl.Series) -> bytes:
    """A column as one array to bind, nulls among its values."""
    has_nulls = column.null_count() > 0
    element = wire_type(column.dtype).oid
    if column.is_empty():
        return np.array([0, 0, element], ">i4").tobytes()
    head = np.array([1, int(has_nulls), element, len(column), 1], ">i4").tobytes()
    if column.dtype in _BIG_ENDIAN:
        return head + _fixed_elements(column, has_nulls)
    return head + _long_elements(column)


def to_series(name: str, dtype: pl.DataType, oid: int, values: Sequence[bytes | None]) -> pl.Series:
    """A column of an answer; `oid` is the type that the server gave it."""
    if dtype == pl.Binary():
        return pl.Series(name, values, pl.Binary)
    if dtype == pl.String():
        texts = pl.Series(name, values, pl.Binary).cast(pl.String)
        return _unescaped(texts)
    layout = np.dtype(_ANSWERED[oid])
    missing = [position for position, value in enumerate(values) if value is None]
    zero = bytes(layout.itemsize)
    data = b"".join(zero if value is None else value for value in values)
    # A copy, in this machine's order of bytes, that belongs to the column.
    numbers = pl.Series(name, np.frombuffer(data, layout).astype(layout.newbyteorder("=")))
    numbers = numbers.cast(dtype)
    return numbers.scatter(missing, None) if missing else numbers


def escaped(text: str) -> str:
    """A text as it rests."""
    if "\0" not in text and "\1" not in text:
        return text
    return text.replace("\1", "\1\2").replace("\0", "\1\1")


def _unescaped(texts: pl.Series) -> pl.Series:
    if not texts.str.contains("\1", literal=True).any():
        return texts
    meant = [None if text is None else _ESCAPE.sub(_meant, text) for text in texts.to_list()]
    return pl.Series(texts.name, meant, pl.String)


def _meant(escape: re.Match[str]) -> str:
    return "\0" if escape[1] == "\1" else "\1"


def _fixed_elements(column: pl.Series, has_nulls: bool) -> bytes:
    elements = np.empty(len(column), [("size", ">i4"), ("value", _BIG_ENDIAN[column.dtype])])
    elements["size"] = 8
    elements["value"] = column.fill_null(0).to_numpy()
    if not has_nulls:
        return elements.tobytes()
    nulls = column.is_null().to_numpy()
    elements["size"][nulls] = -1
    # Of a null, only the size is sent.
    is_sent = np.ones((len(column), 12), dtype=bool)
    is_sent[nulls, 4:] = False
    return elements.view(np.uint8).reshape(-1, 12)[is_sent].tobytes()


def _long_elements(column: pl.Series) -> bytes:
    data, sizes = _data_and_sizes(column)
    nulls = column.is_null().to_numpy()
    lengths = np.where(nulls, 0, sizes)
    heads = np.arange(len(column)) * 4 + np.concatenate(([0], np.cumsum(lengths)[:-1]))
    sent = np.empty(4 * len(column) + len(data), np.uint8)
    is_data = np.ones(len(sent), dtype=bool)
    is_data[(heads[:, None] + np.arange(4)).ravel()] = False
    sent[~is_data] = np.where(nulls, -1, sizes).astype(">i4").view(np.uint8)
    sent[is_data] = np.frombuffer(data, np.uint8)
    return sent.tobytes()


def _data_and_sizes(column: pl.Series) -> tuple[bytes, np.ndarray]:
    """All values one after another, and how many bytes each has."""
    if column.dtype == pl.Binary():
        values = column.fill_null(b"").to_list()
        return b"".join(values), np.array([len(value) for value in values], np.int64)
    data = column.str.join("").item().encode()
    if b"\0" in data or b"\1" in data:
        column = column.str.replace_all("\1", "\1\2", literal=True)
        column = column.str.replace_all("\0", "\1\1", literal=True)
        data = column.str.join("").item().encode()
    return data, column.str.len_bytes().fill_null(0).to_numpy().astype(np.int64)
