"""The timeline: what happened to each key, hour by hour, for folds that need the events again.

Every batch adds chunks, and changes none. Of a key's hour the first events count, as many as
`EVENTS_MAX`, whatever came when; those beyond are counted, so that nobody who never stops can make
a story explode.
"""

from collections.abc import Sequence

import polars as pl

from rtcdp.definitions import RowTable, RowType
from rtcdp.folds.rows import FRAME_TYPES, Difference, row_schema

HOUR_MS = 3_600_000
EVENTS_MAX = 10_000
"""So many events of a key are told of an hour."""

_SEPARATOR = "\n"


def timeline_table(name: str, key: str, fields: Sequence[str] = ()) -> RowTable:
    """Where a timeline of these fields rests: a row for each key, hour and chunk, with how many
    events it stands for and those that are told, one JSON text a line."""
    columns: tuple[tuple[str, RowType], ...] = (
        (key, "text"),
        ("hour", "integer"),
        ("chunk", "integer"),
        ("event_count", "integer"),
        ("events", "text"),
    )
    return RowTable(name, columns, (key,), ("hour", "chunk"), ",".join(fields))


def chunks_of(
    events: pl.DataFrame, table: RowTable, chunk: int, events_max: int = EVENTS_MAX
) -> pl.DataFrame:
    """The rows that a batch adds; `chunk` is a number that no batch before had. `events` has the
    key, `timestamp`, `eventId`, and the fields to keep."""
    (key,) = table.group_key
    hour = (pl.col("timestamp") // HOUR_MS * HOUR_MS).alias("hour")
    fields = [name for name in events.columns if name != key]
    with_hour = events.filter(pl.col(key).is_not_null()).with_columns(hour)
    ordered = with_hour.sort(key, "hour", *_order(fields))
    told = pl.struct(fields).struct.json_encode().head(events_max)
    rows = ordered.group_by(key, "hour", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("event_count"),
        told.str.join(_SEPARATOR).alias("events"),
    )
    return rows.with_columns(pl.lit(chunk, pl.Int64).alias("chunk")).select(table.column_names)


def events_in(
    rows: pl.DataFrame, table: RowTable, fields: pl.Schema, events_max: int = EVENTS_MAX
) -> pl.DataFrame:
    """The events of chunks: the key, and `fields` with their types, among them `timestamp` and
    `eventId`. All chunks of an hour must be there."""
    (key,) = table.group_key
    told = rows.select(key, "hour", pl.col("events").str.split(_SEPARATOR)).explode("events")
    decoded = told.with_columns(pl.col("events").str.json_decode(pl.Struct(fields)).alias("event"))
    events = decoded.select(key, "hour", "event").unnest("event")
    ordered = events.sort(key, "hour", *_order(fields.names()))
    place = pl.int_range(pl.len()).over(key, "hour")
    return ordered.filter(place < events_max).select(key, *fields.names())


def overflow_of(rows: pl.DataFrame, table: RowTable, events_max: int = EVENTS_MAX) -> pl.DataFrame:
    """The hours of keys that had more events than are told, and how many more (`not_told`)."""
    (key,) = table.group_key
    counts = rows.group_by(key, "hour").agg(pl.col("event_count").sum())
    beyond = (pl.col("event_count") - events_max).alias("not_told")
    return counts.select(key, "hour", beyond).filter(pl.col("not_told") > 0).sort(key, "hour")


def compacted(
    rows: pl.DataFrame, table: RowTable, fields: pl.Schema, events_max: int = EVENTS_MAX
) -> Difference:
    """What makes one chunk of all chunks of an hour, under the number of its first; it tells the
    same, and stands for as many events. Hours that have one chunk stay."""
    (key,) = table.group_key
    many = rows.filter(pl.len().over(key, "hour") > 1)
    counts = many.group_by(key, "hour").agg(pl.col("event_count").sum(), pl.col("chunk").min())
    whole = chunks_of(events_in(many, table, fields, events_max), table, 0, events_max)
    joined = whole.drop("chunk", "event_count").join(counts, on=[key, "hour"])
    kept = counts.select(table.primary_key)
    schema = row_schema(table.columns)
    return Difference(
        many.select(table.primary_key).join(kept, on=table.primary_key, how="anti"),
        joined.select(table.column_names).cast(schema),
    )


def field_types(names: Sequence[str]) -> pl.Schema:
    """The types of an event's fields."""
    numbers = {"timestamp": FRAME_TYPES["integer"], "value": FRAME_TYPES["real"]}
    return pl.Schema({name: numbers.get(name, FRAME_TYPES["text"]) for name in names})


def _order(fields: Sequence[str]) -> list[str]:
    """In which order events are told; one that two of them share has them alike in all fields."""
    first = ["timestamp", "eventId"]
    return [*first, *sorted(name for name in fields if name not in first)]
