# ruff: noqa: S608 - only names and expressions of ours are put into SQL
"""Long keys: PostgreSQL's indexes take 2,704 bytes a row, and keys of an event may be longer.

A text that is too long for its table's key rests in a table of long texts, and a short one stands
for it: how it begins, and a hash of it. Such texts keep their place among others as far as they
begin alike; beyond that, their order is that of their hashes.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import polars as pl

from rtcdp.definitions import BUCKET_START, RowTable, Table
from rtcdp.store.contract import Scan
from rtcdp.store.postgres.values import escaped
from rtcdp.store.row_changes import key_schema
from rtcdp.store.sql.statements import frame_schema

KEY_BYTES_MAX = 2560
"""What all texts of a key have together."""

LONG_TEXT_SCHEMA = pl.Schema(
    {"short": pl.String(), "full_text": pl.String(), "newest_bucket": pl.Int64()}
)
"""`newest_bucket` is the start of the newest bucket (UTC ms) that has the text in a key, and far
ahead where such a row never expires."""

_NO_LONG_TEXTS = pl.DataFrame(schema=LONG_TEXT_SCHEMA)
_FOR_EVER = 2**63 - 1
_HASH_DIGITS = 32
_NEVER_LONG_BYTES = KEY_BYTES_MAX // 8
_MARK = "…#"
_STANDS_FOR_LONG = re.compile(rf"{_MARK}[0-9a-f]{{{_HASH_DIGITS}}}\Z")
_MARK_BYTES = len(_MARK.encode()) + _HASH_DIGITS


@dataclass(frozen=True)
class StoredRows:
    """Rows as they rest, and the long texts among their keys with the columns of
    `LONG_TEXT_SCHEMA`."""

    rows: pl.DataFrame
    long_texts: pl.DataFrame


def text_columns(table: Table | RowTable) -> list[str]:
    """The columns of a table's key that hold texts."""
    schema = key_schema(table) if isinstance(table, RowTable) else frame_schema(table)
    return [name for name in table.primary_key if schema[name] == pl.String()]


def stored_text(table: Table | RowTable, text: str) -> str:
    """The text that stands for a key of a table: itself, unless it is too long or looks like one
    that stands for another."""
    allowed = KEY_BYTES_MAX // len(text_columns(table))
    if len(escaped(text).encode()) <= allowed and not _looks_short(text):
        return text
    beginning = text.replace("\0", "").replace("\1", "").encode()[: allowed - _MARK_BYTES]
    digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{beginning.decode(errors='ignore')}{_MARK}{digest}"


def stored_rows(table: Table | RowTable, rows: pl.DataFrame) -> StoredRows:
    """Rows of a table, or columns of its key among others, as they rest."""
    allowed = KEY_BYTES_MAX // max(1, len(text_columns(table)))
    long_texts = []
    for name in text_columns(table):
        if name in rows.columns and _may_be_long(rows[name], allowed):
            shorts = {text: stored_text(table, text) for text in rows[name].unique().to_list()}
            shorts = {text: short for text, short in shorts.items() if short != text}
            if not shorts:
                continue
            long_texts.append(_long_texts(table, rows, name, shorts))
            rows = rows.with_columns(pl.col(name).replace(shorts))
    if not long_texts:
        return StoredRows(rows, _NO_LONG_TEXTS)
    found = pl.concat(long_texts).group_by("short", "full_text").agg(pl.max("newest_bucket"))
    # Writers of shards share these rows: in another order, two could wait for each other.
    return StoredRows(rows, found.sort("short"))


def stored_scan(scan: Scan) -> Scan:
    """A scan for the texts that rest."""
    table = scan.table
    after = scan.after
    if after is not None:
        after = tuple(stored_text(table, part) if isinstance(part, str) else part for part in after)
    equals = {name: stored_text(table, text) for name, text in scan.equals.items()}
    return replace(scan, equals=equals, after=after)


def restored(
    table: Table | RowTable, rows: pl.DataFrame, look_up: Callable[[pl.Series], Mapping[str, str]]
) -> pl.DataFrame:
    """Rows with the texts as they came. `look_up` gives the long texts by those that stand for
    them."""
    for name in text_columns(table):
        shorts = {text for text in rows[name].to_list() if _MARK in text and _looks_short(text)}
        if shorts:
            found = look_up(pl.Series("short", sorted(shorts)))
            rows = rows.with_columns(pl.col(name).replace(dict(found)))
    return rows


def full_text_in_sql(text: str) -> str:
    """SQL for the text as it came of one that rests in a key."""
    found = f"(SELECT l.full_text FROM _long_texts AS l WHERE l.short = {text})"
    is_long = f"POSITION('{_MARK}' IN {text}) > 0"
    return f"CASE WHEN {is_long} THEN COALESCE({found}, {text}) ELSE {text} END"


def same_text_in_sql(one: str, other: str) -> str:
    """SQL for texts in the keys of two tables being the same: a long one may rest in each with
    another beginning."""
    known = f"SELECT l.short FROM _long_texts AS l WHERE l.full_text = {full_text_in_sql(other)}"
    are_several = f"OCTET_LENGTH({other}) > {_NEVER_LONG_BYTES}"
    texts = f"CASE WHEN {are_several} THEN ARRAY({known}) || {other} ELSE ARRAY[{other}] END"
    return f"{one} = ANY ({texts})"


def _may_be_long(texts: pl.Series, allowed: int) -> bool:
    """Whether one of them deserves a closer look. An escape makes two of one byte."""
    is_long = texts.str.len_bytes() > allowed // 2
    return bool((is_long | texts.str.contains(_MARK, literal=True)).any())


def _looks_short(text: str) -> bool:
    return _STANDS_FOR_LONG.search(text) is not None


def _long_texts(
    table: Table | RowTable, rows: pl.DataFrame, name: str, shorts: Mapping[str, str]
) -> pl.DataFrame:
    time = table.expires_by if isinstance(table, RowTable) else BUCKET_START
    has_time = time is not None and time in rows.columns
    newest = pl.col(time) if has_time and time is not None else pl.lit(_FOR_EVER, pl.Int64)
    return (
        rows.select(pl.col(name).alias("full_text"), newest.alias("newest_bucket"))
        .filter(pl.col("full_text").is_in(list(shorts)))
        .with_columns(pl.col("full_text").replace(dict(shorts)).alias("short"))
        .select(LONG_TEXT_SCHEMA.names())
    )
