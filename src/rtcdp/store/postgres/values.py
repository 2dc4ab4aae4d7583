"""Values as PostgreSQL's binary protocol has them: whole columns as arrays, and answers as columns.

PostgreSQL's text can't hold the character U+0000. It rests as U+0001 U+0001, and U+0001 itself as
U+0001 U+0002: no two texts become one, and their order by bytes stays.
"""

import re
import struct
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
_ENDS = struct.Struct(">iii")
"""Dimensions, whether there are nulls, the type of the elements."""

_BOUNDS = struct.Struct(">ii")
_SIZE = struct.Struct(">i")
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
        return _ENDS.pack(0, 0, element)
    head = _ENDS.pack(1, has_nulls, element) + _BOUNDS.pack(len(column), 1)
    if column.dtype in _BIG_ENDIAN:
        return head + _fixed_elements(column, has_nulls)
    return head + _long_elements(column)


def to_series(name: str, dtype: pl.DataType, oid: int, values: Sequence[bytes | None]) -> pl.Series:
    """A column of an answer; `oid` is the type that the server gave it."""
    if dtype == pl.Binary():
        return pl.Series(name, values, pl.Binary)
    if dtype == pl.String():
        return pl.Series(name, _texts(values), pl.String)
    layout = np.dtype(_ANSWERED[oid])
    missing = [position for position, value in enumerate(values) if value is None]
    zero = bytes(layout.itemsize)
    data = b"".join([zero if value is None else value for value in values])
    # A copy, in this machine's order of bytes, that belongs to the column.
    numbers = pl.Series(name, np.frombuffer(data, layout).astype(layout.newbyteorder("=")))
    if numbers.dtype != dtype:
        numbers = numbers.cast(dtype)
    return numbers.scatter(missing, None) if missing else numbers


def escaped(text: str) -> str:
    """A text as it rests."""
    if "\0" not in text and "\1" not in text:
        return text
    return text.replace("\1", "\1\2").replace("\0", "\1\1")


def unescaped(texts: Sequence[str | None]) -> list[str | None]:
    """Texts that rest, as they came."""
    return [
        text if text is None or "\1" not in text else _ESCAPE.sub(_meant, text) for text in texts
    ]


def _texts(values: Sequence[bytes | None]) -> list[str | None]:
    texts = [None if value is None else value.decode() for value in values]
    if any(value is not None and b"\1" in value for value in values):
        return unescaped(texts)
    return texts


def _meant(escape: re.Match[str]) -> str:
    return "\0" if escape[1] == "\1" else "\1"


def _fixed_elements(column: pl.Series, has_nulls: bool) -> bytes:
    layout = _BIG_ENDIAN[column.dtype]
    elements = np.empty(len(column), [("size", ">i4"), ("value", layout)])
    elements["size"] = 8
    elements["value"] = (column.fill_null(0) if has_nulls else column).to_numpy()
    if not has_nulls:
        return elements.tobytes()
    is_null = column.is_null().to_numpy()
    elements["size"][is_null] = -1
    # Of what is null there is the size alone.
    bytes_of = elements.view(np.uint8).reshape(len(column), elements.itemsize)
    is_sent = np.ones(bytes_of.shape, np.bool_)
    is_sent[is_null, _SIZE.size :] = False
    return bytes_of[is_sent].tobytes()


def _long_elements(column: pl.Series) -> bytes:
    """Each value behind its size. All of them are laid out at once; only texts that don't rest as
    they are, which are rare, are looked at one by one."""
    is_text = column.dtype == pl.String()
    if is_text and column.str.contains("[\0\1]").any():
        values = column.to_list()
        column = pl.Series([v if v is None else escaped(v) for v in values], dtype=pl.String)
    sizes = (column.str.len_bytes() if is_text else column.bin.size()).cast(pl.Int64)
    elements = np.frombuffer(_behind_places(column), np.uint8)
    ends = np.cumsum(sizes.fill_null(0).to_numpy() + _SIZE.size)
    begins = np.append(0, ends[:-1])
    shown = sizes.fill_null(-1).to_numpy().astype(">i4").view(np.uint8).reshape(-1, _SIZE.size)
    for place in range(_SIZE.size):
        elements[begins + place] = shown[:, place]
    return elements.tobytes()


def _behind_places(column: pl.Series) -> bytearray:
    """All values behind each other, each of them behind the place of its size."""
    place = bytes(_SIZE.size)
    if column.dtype == pl.Binary():
        return bytearray(place + place.join(column.fill_null(b"").to_list()))
    joined = column.fill_null("").str.join(place.decode()).cast(pl.Binary()).item()
    return bytearray(place + joined)
