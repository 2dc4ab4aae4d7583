"""Long keys: PostgreSQL's indexes take 2,704 bytes a row, and keys of an event may be longer.

A text that is too long for its table's key rests in a table of long texts, and a short one stands
for it: how it begins, and a hash of it. Such texts keep their place among others as far as they
begin alike; beyond that, their order is that of their hashes.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import polars as pl

from rtcdp.store.postgres_values import escaped
from rtcdp.store.sql import frame_schema
from rtcdp.store.store import Scan
from rtcdp.vocabulary.table import BUCKET_START, Table

KEY_BYTES_MAX = 2560
"""What all texts of a key have together."""

LONG_TEXT_SCHEMA = pl.Schema(
    {"short": pl.String(), "full_text": pl.String(), "newest_bucket": pl.Int64()}
)
"""`newest_bucket` is the start of the newest bucket (UTC ms) that has the text in a key."""

_HASH_DIGITS = 32
_MARK = "…#"
_STANDS_FOR_LONG = rf"{_MARK}[0-9a-f]{{{_HASH_DIGITS}}}\z"
_MARK_BYTES = len(_MARK.encode()) + _HASH_DIGITS


@dataclass(frozen=True)
class StoredRows:
    """Rows as they rest, and the long texts among their keys with the columns of
    `LONG_TEXT_SCHEMA`."""

    rows: pl.DataFrame
    long_texts: pl.DataFrame


def text_columns(table: Table) -> list[str]:
    """The columns of a table's key that hold texts."""
    schema = frame_schema(table)
    return [name for name in table.primary_key if schema[name] == pl.String()]


def stored_text(table: Table, text: str) -> str:
    """The text that stands for a key of a table: itself, unless it is too long or looks like one
    that stands for another."""
    allowed = KEY_BYTES_MAX // len(text_columns(table))
    plain = text.encode()
    if len(escaped(text).encode()) <= allowed and not _looks_short(text):
        return text
    beginning = text.replace("\0", "").replace("\1", "").encode()[: allowed - _MARK_BYTES]
    digest = hashlib.sha256(plain).hexdigest()[:_HASH_DIGITS]
    return f"{beginning.decode(errors='ignore')}{_MARK}{digest}"


def stored_rows(table: Table, rows: pl.DataFrame) -> StoredRows:
    """Rows of a table, or columns of its key among others, as they rest."""
    long_texts = []
    for name in text_columns(table):
        if name not in rows.columns:
            continue
        column = rows[name]
        suspects = column.filter(_may_be_long(column, KEY_BYTES_MAX // len(text_columns(table))))
        if suspects.is_empty():
            continue
        shorts = {text: stored_text(table, text) for text in suspects.unique().to_list()}
        shorts = {text: short for text, short in shorts.items() if short != text}
        long_texts.append(_long_texts(rows, name, shorts))
        rows = rows.with_columns(pl.col(name).replace(shorts))
    found = pl.concat([pl.DataFrame(schema=LONG_TEXT_SCHEMA), *long_texts])
    return StoredRows(rows, found.group_by("short", "full_text").agg(pl.max("newest_bucket")))


def stored_scan(scan: Scan) -> Scan:
    """A scan for the texts that rest."""
    table = scan.table
    after = scan.after
    if after is not None:
        after = tuple(stored_text(table, part) if isinstance(part, str) else part for part in after)
    equals = {name: stored_text(table, text) for name, text in scan.equals.items()}
    return replace(scan, equals=equals, after=after)


def restored(
    table: Table, rows: pl.DataFrame, look_up: Callable[[pl.Series], Mapping[str, str]]
) -> pl.DataFrame:
    """Rows with the texts as they came. `look_up` gives the long texts by those that stand for
    them."""
    for name in text_columns(table):
        shorts = rows[name].filter(rows[name].str.contains(_STANDS_FOR_LONG))
        if not shorts.is_empty():
            rows = rows.with_columns(pl.col(name).replace(dict(look_up(shorts.unique()))))
    return rows


def _may_be_long(column: pl.Series, allowed: int) -> pl.Series:
    """Texts that deserve a closer look: escapes make a text twice as long at most."""
    return (column.str.len_bytes() > allowed // 2) | column.str.contains(_STANDS_FOR_LONG)


def _looks_short(text: str) -> bool:
    return _MARK in text and bool(pl.Series([text]).str.contains(_STANDS_FOR_LONG).item())


def _long_texts(rows: pl.DataFrame, name: str, shorts: Mapping[str, str]) -> pl.DataFrame:
    return (
        rows.select(pl.col(name).alias("full_text"), pl.col(BUCKET_START).alias("newest_bucket"))
        .filter(pl.col("full_text").is_in(list(shorts)))
        .with_columns(pl.col("full_text").replace(dict(shorts)).alias("short"))
        .select(LONG_TEXT_SCHEMA.names())
    )
