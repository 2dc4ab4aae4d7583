"""Many rows of an answer as whole columns: a few long values instead of one for each field.

A field costs a client as much as what it does with it, where there are millions of them. So the
server puts the values of a column behind each other, and beside them what tells them apart: the
length of each text, and which numbers are there at all.
"""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl
from psycopg.pq import abc

from rtcdp.store.postgres.values import unescaped
from rtcdp.store.sql.statements import quote

ASKED_AT_ONCE = 4096
"""So many keys a statement is about: no value of its answer comes near the gigabyte that it may
have, and while one is read the server works on the next."""

_SENT: Mapping[pl.DataType, str] = {pl.Int64(): "int8send", pl.Float64(): "float8send"}
_LAYOUTS: Mapping[pl.DataType, str] = {pl.Int64(): ">i8", pl.Float64(): ">f8"}
_MISSING = -1


def in_columns(sql: str, schema: pl.Schema, never_null: tuple[str, ...]) -> str:
    """A query that gives the answer of another one in a single row, for `columns_of`. Columns that
    are `never_null` are not looked at for nulls."""
    packed = [each for name, dtype in schema.items() for each in _packed(quote(name), dtype)]
    missing = " | ".join(
        f"CASE WHEN {quote(name)} IS NULL THEN {1 << bit}::bigint ELSE 0 END"
        for bit, name in enumerate(_nullable(schema, never_null))
    )
    masks = f"string_agg(int8send({missing or '0::bigint'}), ''::bytea)"
    return f"SELECT {', '.join([masks, *packed])} FROM ({sql}) AS found"  # noqa: S608


def columns_of(
    answers: Collection[abc.PGresult], schema: pl.Schema, never_null: tuple[str, ...]
) -> pl.DataFrame:
    """The rows of all these answers to a query of `in_columns`, one after another."""
    frames = [_frame(answer, schema, never_null) for answer in answers]
    return pl.concat(frames) if frames else schema.to_frame()


def _nullable(schema: pl.Schema, never_null: tuple[str, ...]) -> list[str]:
    return [name for name, dtype in schema.items() if dtype in _SENT and name not in never_null]


def _packed(column: str, dtype: pl.DataType) -> Iterator[str]:
    if dtype in _SENT:
        yield f"string_agg({_SENT[dtype]}(COALESCE({column}, 0)), ''::bytea)"
        return
    yield f"string_agg({column}, '')"
    yield f"string_agg(int4send(COALESCE(octet_length({column}), {_MISSING})), ''::bytea)"


def _frame(answer: abc.PGresult, schema: pl.Schema, never_null: tuple[str, ...]) -> pl.DataFrame:
    values = iter([answer.get_value(0, place) or b"" for place in range(answer.nfields)])
    masks = np.frombuffer(next(values), ">i8")
    bits = {name: 1 << bit for bit, name in enumerate(_nullable(schema, never_null))}
    return pl.DataFrame(
        [
            _numbers(name, dtype, next(values), (masks & bits.get(name, 0)) != 0)
            if dtype in _SENT
            else _texts(name, dtype, next(values), np.frombuffer(next(values), ">i4"))
            for name, dtype in schema.items()
        ]
    )


def _numbers(
    name: str, dtype: pl.DataType, data: bytes, is_missing: npt.NDArray[np.bool_]
) -> pl.Series:
    layout = np.dtype(_LAYOUTS[dtype])
    # A copy, in this machine's order of bytes, that belongs to the column.
    numbers = pl.Series(name, np.frombuffer(data, layout).astype(layout.newbyteorder("=")))
    return numbers.scatter(np.flatnonzero(is_missing), None) if is_missing.any() else numbers


def _texts(name: str, dtype: pl.DataType, data: bytes, lengths: npt.NDArray[np.int32]) -> pl.Series:
    sizes = np.maximum(lengths, 0).astype(np.int64)
    cuts = pl.DataFrame({"start": np.cumsum(sizes) - sizes, "size": sizes, "length": lengths})
    value = pl.lit(data).bin.slice(pl.col("start"), pl.col("size"))
    is_there = pl.col("length") != _MISSING
    found = cuts.select(pl.when(is_there).then(value).alias(name))[name]
    if dtype == pl.Binary():
        return found
    texts = found.cast(pl.String())
    return texts if b"\1" not in data else pl.Series(name, unescaped(texts.to_list()), pl.String())
