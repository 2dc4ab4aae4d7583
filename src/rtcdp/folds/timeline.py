"""The timeline: what happened to each key, hour by hour, for folds that need the events again.

Every batch adds chunks, and changes none. Of a key's hour the first events count, as many as
`EVENTS_MAX`, whatever came when; those beyond are counted, so that nobody who never stops can make
a story explode.

All folds of a key share one timeline, which tells the same fields of an event whoever asks; so a
new fold finds all that was told before it. What asks for more has a timeline of its own.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rtcdp.clock import HOUR_MS
from rtcdp.definitions import NO_VIEW, RANGE_FROM, Fold, RowTable, RowType
from rtcdp.events.columns import column_type
from rtcdp.folds.rows import FRAME_TYPES, Difference, row_schema
from rtcdp.folds.segments import Flags, Ints, order_by

EVENTS_MAX = 10_000
"""So many events of a key are told of an hour."""

CHUNK_BYTES = 96 * 1024
"""What the events of a chunk have together, about. A story is cut before a store refuses it."""

PARTS_MAX = 2**16
"""So many chunks of an hour a batch may add."""

DECODED_AT_ONCE = 100_000
"""So many events are decoded together, about."""

TOLD = ("eventId", "eventType", "pageUrl", "productId", "sessionId", "userId", "value")
"""What every timeline tells of an event beside its time."""

TIMELINE = "timeline__"
"""How the tables of all timelines begin; nothing else can."""

_SEPARATOR, _BETWEEN_FIELDS = "\n", "\t"
_NULL = "\\N"
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}
_FORMAT = "tab-separated"
_PLACE, _NUMBER = "a place", "a number"


@dataclass(frozen=True)
class Telling:
    """A timeline: where it rests, and the fields of events that it tells, with their types."""

    table: RowTable
    fields: pl.Schema

    @property
    def key(self) -> str:
        """The field whose stories it tells."""
        return self.table.group_key[0]

    @property
    def columns(self) -> tuple[str, ...]:
        """The key and all fields."""
        return (self.key, *self.fields.names())


def timeline_of(fold: Fold) -> Telling:
    """The timeline of a fold; those of the same key share one, unless they ask for more."""
    return _telling(fold.key, sorted({*fold.step.fields} - {*TOLD, fold.key, "timestamp"}))


def row_tables_of(folds: Iterable[Fold]) -> tuple[RowTable, ...]:
    """Where the rows of folds rest, and the timelines that they need."""
    folds = tuple(folds)
    return (*(fold.table for fold in folds), *(each.table for each in timelines_of(folds)))


def timelines_of(folds: Iterable[Fold]) -> tuple[Telling, ...]:
    """The timelines that folds need, each once."""
    return tuple({each.table.name: each for each in map(timeline_of, folds)}.values())


def standard_timeline(key: str) -> Telling:
    """The timeline that the folds of a key share."""
    return _telling(key, [])


def _telling(key: str, further: Sequence[str]) -> Telling:
    name = f"{TIMELINE}{key.lower()}"
    if further:
        name += f"__{hashlib.sha256(','.join(further).encode()).hexdigest()[:8]}"
    fields = field_types(["timestamp", *(each for each in TOLD if each != key), *further])
    return Telling(timeline_table(name, key, tuple(fields.names())), fields)


def timeline_table(name: str, key: str, fields: Sequence[str] = ()) -> RowTable:
    """Where a timeline of these fields rests: a row for each key, hour and chunk, with how many
    events it stands for and those that are told.

    Each is a line, its fields with tabs between and escaped as in the text format of PostgreSQL's
    COPY. JSON would take twice the room, and be read three times as slowly.
    """
    columns: tuple[tuple[str, RowType], ...] = (
        (key, "text"),
        ("hour", "integer"),
        ("chunk", "integer"),
        ("event_count", "integer"),
        ("events", "text"),
    )
    definition = f"{_FORMAT}:{','.join(fields)}"
    return RowTable(name, columns, (key,), ("hour", "chunk"), definition, NO_VIEW, grows=True)


def chunks_of(
    events: pl.DataFrame, table: RowTable, number: int, events_max: int = EVENTS_MAX
) -> pl.DataFrame:
    """The rows that a batch adds; `number` is one that no batch before had. `events` has the
    key, `timestamp`, `eventId`, and the fields to keep."""
    (key,) = table.group_key
    hour = (pl.col("timestamp") // HOUR_MS * HOUR_MS).alias("hour")
    fields = [name for name in events.columns if name != key]
    known = events.filter(pl.col(key).is_not_null())
    told = known.select(key, hour, _lines(known.select(fields)).alias("events"))
    count = pl.len().cast(pl.Int64).alias("event_count")
    # Lists are joined at once, groups one after the other, which takes more than twice as long.
    rows = told.group_by(key, "hour", maintain_order=True).agg(count, pl.col("events"))
    rows = rows.with_columns(pl.col("events").list.join(_SEPARATOR))
    chunk = pl.lit(number * PARTS_MAX, pl.Int64)
    is_large = (pl.col("event_count") > events_max) | (
        pl.col("events").str.len_bytes() > CHUNK_BYTES
    )
    large = rows.filter(is_large)
    rows = rows.with_columns(chunk.alias("chunk"))
    if large.is_empty():
        return rows.select(table.column_names)
    beside = told.with_columns(known.select(fields)).join(
        large.select(key, "hour"), on=[key, "hour"], how="semi"
    )
    ordered = beside.sort(key, "hour", *_order(fields))
    place, size = pl.int_range(pl.len()).over(key, "hour"), pl.col("events").str.len_bytes() + 1
    is_told = place < events_max
    size = pl.when(is_told).then(size).otherwise(0).cast(pl.Int64).alias("size")
    parts = ordered.with_columns(size, is_told.alias("told"))
    before = (pl.col("size").cum_sum().over(key, "hour") - pl.col("size")) // CHUNK_BYTES
    last = before.filter(pl.col("told")).max().over(key, "hour")
    cut = (
        parts.with_columns(pl.min_horizontal(before, last).alias("part"))
        .group_by(key, "hour", "part", maintain_order=True)
        .agg(count, pl.col("events").filter("told").str.join(_SEPARATOR))
        .with_columns((chunk + pl.col("part")).alias("chunk"))
    )
    return pl.concat(
        [rows.filter(~is_large).select(table.column_names), cut.select(table.column_names)]
    )


def events_in(
    rows: pl.DataFrame, table: RowTable, fields: pl.Schema, events_max: int = EVENTS_MAX
) -> pl.DataFrame:
    """The events of chunks, in order of key and time: the key, and `fields` with their types, among
    them `timestamp` and `eventId`. All chunks of an hour must be there."""
    (key,) = table.group_key
    events = first_of_hours(decoded(rows, key, fields), key, events_max)
    return events.sort(key, *_order(fields.names()))


def decoded(rows: pl.DataFrame, key: str, fields: pl.Schema) -> pl.DataFrame:
    """What chunks tell, in no order; some of an hour may not be told when all of it is known."""
    told = rows.filter(pl.col("events") != "")
    # Some after others use the same memory again, and what is new to a process costs more than
    # what is done with it.
    parts = -(-int(told["event_count"].sum()) // DECODED_AT_ONCE)
    if parts > 1:
        some = -(-told.height // parts)
        return pl.concat(_decoded(part, key, fields) for part in told.iter_slices(some))
    return _decoded(told, key, fields)


def _decoded(told: pl.DataFrame, key: str, fields: pl.Schema) -> pl.DataFrame:
    lines = told.select(key, pl.col("events").str.split(_SEPARATOR)).explode("events")
    parts = pl.col("events").str.split_exact(_BETWEEN_FIELDS, len(fields) - 1)
    texts = lines.select(key, parts.struct.rename_fields(fields.names())).unnest("events")
    texts = texts.with_columns(
        pl.when(pl.col(name) != _NULL).then(pl.col(name)).alias(name) for name in fields
    )
    if _contain(texts.select(_text_fields(fields)), ["\\"]):
        texts = texts.with_columns(
            pl.col(name).str.replace_many(list(_ESCAPES.values()), list(_ESCAPES))
            for name in fields
        )
    return texts.with_columns(pl.col(name).cast(dtype) for name, dtype in fields.items())


def _lines(events: pl.DataFrame) -> pl.Series:
    """Each event as a line."""
    texts = events.select(pl.all().cast(pl.String))
    if _contain(texts.select(_text_fields(events.schema)), list(_ESCAPES)):
        texts = texts.select(pl.all().str.replace_many(_ESCAPES))
    fields = pl.all().fill_null(_NULL)
    return texts.select(pl.concat_str(fields, separator=_BETWEEN_FIELDS)).to_series()


def _text_fields(fields: pl.Schema) -> list[str]:
    """The fields that could have anything to escape: no number has."""
    return [name for name, dtype in fields.items() if dtype == pl.String]


def _contain(texts: pl.DataFrame, parts: list[str]) -> bool:
    """Whether any of these texts has one of these parts."""
    for column in texts.iter_columns():
        # One search after another through all of it at once is quicker than one for all in each.
        together = column.drop_nulls().str.join("").cast(pl.Binary).item()
        if any(part.encode() in together for part in parts):
            return True
    return False


def first_of_hours(events: pl.DataFrame, key: str, events_max: int = EVENTS_MAX) -> pl.DataFrame:
    """The events that are told, in no order, of all that are known of whole hours."""
    if events.height <= events_max:
        return events
    hour = (pl.col("timestamp") // HOUR_MS).alias("hour")
    large = events.group_by(key, hour).len().filter(pl.col("len") > events_max)
    if large.is_empty():
        return events
    beside = events.with_columns(hour)
    ordered = beside.join(large, on=[key, "hour"], how="semi").sort(
        key, "hour", *_order([name for name in events.columns if name != key])
    )
    place = pl.int_range(pl.len()).over(key, "hour")
    rest = beside.join(large, on=[key, "hour"], how="anti")
    return pl.concat([rest, ordered.filter(place < events_max)]).select(events.columns)


def may_be_full(count: int) -> bool:
    """Whether so many events of a key could be too many for an hour, or just enough."""
    return count >= EVENTS_MAX


def crowded(numbers: Ints) -> Flags:
    """Which events are of a key that has enough of them for a full hour; `numbers` says of which
    key each is."""
    return (np.bincount(numbers, minlength=1) >= EVENTS_MAX)[numbers]


def story_order(events: pl.DataFrame, spans: pl.DataFrame, key: str) -> tuple[pl.DataFrame, Ints]:
    """The events of the keys from the beginnings of their spans (`from`) on, in the order in which
    they are told if the spans are in that of their keys; and the number of each one's span."""
    # From a frame in pieces each event would be looked for, which takes three times as long.
    events = events.rechunk()
    codes = events.select(key, "timestamp").join(
        spans.select(key, RANGE_FROM).with_row_index("code"),
        on=key,
        how="left",
        maintain_order="left",
    )
    since = codes[RANGE_FROM].fill_null(np.iinfo(np.int64).max).to_numpy()
    numbers = codes["code"].cast(pl.Int64).fill_null(-1).to_numpy()
    times = codes["timestamp"].to_numpy()
    places = np.flatnonzero(times >= since)
    numbers, times = numbers[places], times[places]
    order = order_by(numbers, times)
    numbers, times = numbers[order], times[order]
    is_tied = (numbers[1:] == numbers[:-1]) & (times[1:] == times[:-1])
    chosen = places[order]
    if is_tied.any():
        tied = np.flatnonzero(np.append(is_tied, False) | np.append(False, is_tied))
        fields = [name for name in events.columns if name != key]
        at_once = events[chosen[tied]].with_columns(
            pl.Series(_PLACE, chosen[tied]), pl.Series(_NUMBER, numbers[tied])
        )
        chosen[tied] = at_once.sort(_NUMBER, *_order(fields))[_PLACE].to_numpy()
    return events[chosen], numbers


def full_hours(events: pl.DataFrame, key: str, events_max: int = EVENTS_MAX) -> pl.DataFrame:
    """The hours of which as many events are there as are told: the key, `hour`, and `last`, the
    time after which none is told any more."""
    hour = (pl.col("timestamp") // HOUR_MS * HOUR_MS).alias("hour")
    counts = events.group_by(key, hour).len().filter(pl.col("len") >= events_max)
    if counts.is_empty():
        schema = {key: pl.String(), "hour": pl.Int64(), "last": pl.Int64()}
        return pl.DataFrame(schema=schema)
    beside = events.select(key, "timestamp", hour).join(counts, on=[key, "hour"], how="semi")
    last = pl.col("timestamp").sort().get(events_max - 1)
    return beside.group_by(key, "hour").agg(last.alias("last"))


def with_untold(
    chunks: pl.DataFrame, untold: pl.DataFrame, table: RowTable, number: int
) -> pl.DataFrame:
    """The chunks of a batch, which stand for events besides that are only counted: those of hours
    that are full, with the key and `timestamp`."""
    (key,) = table.group_key
    hour = (pl.col("timestamp") // HOUR_MS * HOUR_MS).alias("hour")
    counts = untold.group_by(key, hour, maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("more")
    )
    first = pl.lit(number * PARTS_MAX, pl.Int64).alias("chunk")
    counts = counts.with_columns(first)
    more = pl.col("event_count") + pl.col("more").fill_null(0)
    chunks = chunks.join(counts, on=table.primary_key, how="left", maintain_order="left")
    alone = counts.join(chunks, on=table.primary_key, how="anti").with_columns(
        pl.col("more").alias("event_count"), pl.lit("").alias("events")
    )
    return pl.concat(
        [
            chunks.with_columns(more).select(table.column_names),
            alone.select(table.column_names),
        ]
    )


def overflow_of(rows: pl.DataFrame, table: RowTable, events_max: int = EVENTS_MAX) -> pl.DataFrame:
    """The hours of keys that had more events than are told, and how many more (`not_told`)."""
    (key,) = table.group_key
    counts = rows.group_by(key, "hour").agg(pl.col("event_count").sum())
    beyond = (pl.col("event_count") - events_max).alias("not_told")
    return counts.select(key, "hour", beyond).filter(pl.col("not_told") > 0).sort(key, "hour")


def compacted(
    rows: pl.DataFrame,
    table: RowTable,
    fields: pl.Schema,
    events_max: int = EVENTS_MAX,
    chunks_max: int = 1,
) -> Difference:
    """What makes as few chunks as can be of all chunks of an hour, from the number of its first one
    on; they tell the same, and stand for as many events. Hours that have `chunks_max` chunks, or no
    more than they need, stay."""
    (key,) = table.group_key
    hour = [key, "hour"]
    needed = pl.col("events").str.len_bytes().sum() // CHUNK_BYTES + 1
    many = rows.filter((pl.len() > pl.max_horizontal(needed, chunks_max)).over(hour))
    whole = chunks_of(events_in(many, table, fields, events_max), table, 0, events_max)
    counts = many.group_by(hour).agg(
        pl.col("event_count").sum().alias("all"), pl.col("chunk").min().alias("first")
    )
    told, is_last = pl.col("event_count").sum().over(hour), pl.col("chunk").max().over(hour)
    beyond = pl.when(pl.col("chunk") == is_last).then(pl.col("all") - told).otherwise(0)
    joined = whole.join(counts, on=hour).with_columns(
        pl.col("event_count") + beyond, pl.col("chunk") + pl.col("first")
    )
    kept = joined.select(table.column_names).cast(row_schema(table.columns))
    gone = many.select(table.primary_key).join(kept, on=table.primary_key, how="anti")
    return Difference(gone, kept, many)


def aged(rows: pl.DataFrame, telling: Telling, until: Mapping[str, int]) -> Difference:
    """What takes the events of each type in `until` that happened before its time (UTC ms) out of
    these chunks. Nobody knows the types of events that are counted and not told: these stay."""
    table, (key,) = telling.table, telling.table.group_key
    lines = (
        rows.with_row_index("row")
        .filter(pl.col("events") != "")
        .select("row", key, pl.col("events").str.split(_SEPARATOR).alias("line"))
        .explode("line")
    )
    places = {name: place for place, name in enumerate(telling.fields.names())}
    parts = pl.col("line").str.split(_BETWEEN_FIELDS).list
    type_of = pl.col(key) if key == "eventType" else parts.get(places["eventType"])
    ends = type_of.replace_strict(dict(until), default=None, return_dtype=pl.Int64)
    is_gone = (parts.get(places["timestamp"]).cast(pl.Int64) < ends).fill_null(False)
    kept = lines.group_by("row", maintain_order=True).agg(
        is_gone.sum().cast(pl.Int64).alias("gone"),
        pl.col("line").filter(~is_gone).str.join(_SEPARATOR),
    )
    before = rows.with_row_index("row").join(kept.filter(pl.col("gone") > 0), on="row")
    after = before.with_columns(
        pl.col("event_count") - pl.col("gone"), pl.col("line").fill_null("").alias("events")
    ).select(table.column_names)
    is_left = pl.col("event_count") > 0
    gone = after.filter(~is_left).select(table.primary_key)
    return Difference(gone, after.filter(is_left), before.select(table.column_names))


def field_types(names: Sequence[str]) -> pl.Schema:
    """The types of an event's fields."""
    plain = {"timestamp": FRAME_TYPES["integer"], "source": FRAME_TYPES["text"]}
    return pl.Schema({name: plain.get(name) or column_type(name) for name in names})


def _order(fields: Sequence[str]) -> list[str]:
    """In which order events are told; one that two of them share has them alike in all fields."""
    first = ["timestamp", "eventId"]
    return [*first, *sorted(name for name in fields if name not in first)]
