"""Slices unpacked again, in the executors: events to group, and the records that don't count."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import polars_hash as plh
import pyarrow as pa

from rtcdp.admission.batch import CONFLICT_MESSAGE, DUPLICATE_MESSAGE
from rtcdp.admission.verdicts import UNCOUNTED_SCHEMA
from rtcdp.engines.spark.decoding import BatchMapper
from rtcdp.engines.spark.exchange import (
    ARROW_TYPES,
    EVENT_COLUMNS,
    IDENTITY_SCHEMA,
    PART_LEDGER_SCHEMA,
    PLACES_SCHEMA,
    SLICE_UNCOUNTED_SCHEMA,
    SPARK_TYPES,
    Duplicates,
    are_among,
    arrow_schema,
    unpack_frame,
)
from rtcdp.engines.spark.lowering import member_column
from rtcdp.engines.spark.slice_accounts import ledger_of, weights_of
from rtcdp.events.columns import column_type

Ranges = Mapping[int, tuple[int, int]]
"""By partition the offsets `[start, end)` that are wanted."""


@dataclass(frozen=True)
class Unpacking:
    """Which columns to unpack: the `fields` of events, of which `distinct` are hashed as well; of
    the records in `ranges`, without `duplicates`, both by partition."""

    fields: tuple[str, ...]
    distinct: tuple[str, ...]
    duplicates: Mapping[int, Duplicates]
    ranges: Ranges

    @property
    def schema(self) -> str:
        """The columns of the admitted events, as Spark names types."""
        types = [SPARK_TYPES[type(column_type(field))] for field in self.fields]
        columns = [f"`{name}` {kind}" for name, kind in zip(self.fields, types, strict=True)]
        columns += ["source string", "timestamp bigint"]
        columns += [f"`{member_column(field)}` bigint" for field in self.distinct]
        return ", ".join(columns)


@dataclass(frozen=True)
class _Unpacked:
    """A slice's columns, of the wanted records: `EVENT_COLUMNS` and fields, `IDENTITY_SCHEMA`,
    `SLICE_UNCOUNTED_SCHEMA`."""

    partition: int
    events: pl.DataFrame
    identities: pl.DataFrame
    uncounted: pl.DataFrame


def event_unpacker(unpacking: Unpacking) -> BatchMapper:
    """What turns slices into the admitted events."""

    def unpack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for events in admitted_in(batches, unpacking.duplicates, unpacking.ranges):
            yield from packed_events(events, unpacking)

    return unpack


def admitted_in(
    batches: Iterator[pa.RecordBatch], duplicates: Mapping[int, Duplicates], ranges: Ranges
) -> Iterator[pl.DataFrame]:
    """The admitted events of slices (`partition`, `events`): those in `ranges` that are not among
    `duplicates`, both by partition."""
    for each in _unpacked(batches, ranges, ("events",)):
        found = duplicates.get(each.partition)
        if found is None:
            yield each.events
        else:
            offsets = each.events["offset"].to_numpy()
            yield each.events.filter(~are_among(offsets, found.offsets))


def packed_events(events: pl.DataFrame, unpacking: Unpacking) -> Sequence[pa.RecordBatch]:
    """Events in the columns that are wanted, those that are counted once hashed as well."""
    schema = pa.schema(
        [(field, ARROW_TYPES[type(column_type(field))]) for field in unpacking.fields]
        + [("source", pa.string()), ("timestamp", pa.int64())]
        + [(member_column(field), pa.int64()) for field in unpacking.distinct]
    )
    members = [
        plh.col(field).nchash.xxhash64().reinterpret(signed=True).alias(member_column(field))
        for field in unpacking.distinct
    ]
    return _batches(events.with_columns(members), schema)


def uncounted_unpacker(duplicates: Mapping[int, Duplicates], ranges: Ranges) -> BatchMapper:
    """What turns slices into rows of `UNCOUNTED_SCHEMA`: the late and dead ones, and the
    duplicates, which are given by partition."""

    def unpack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for each in _unpacked(batches, ranges, ("events", "identities", "uncounted")):
            yield from _batches(each.uncounted, arrow_schema(UNCOUNTED_SCHEMA))
            found = duplicates.get(each.partition)
            if found is not None:
                yield from _batches(_as_uncounted(each, found), arrow_schema(UNCOUNTED_SCHEMA))

    return unpack


def ledger_unpacker(ranges: Ranges) -> BatchMapper:
    """What turns slices into rows of `PART_LEDGER_SCHEMA`, the duplicates not yet told apart."""

    def unpack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for each in _unpacked(batches, ranges, ("events", "uncounted")):
            event_time = pl.concat([each.events["timestamp"], each.uncounted["event_time"]])
            received_at = pl.concat([each.events["received_at"], each.uncounted["received_at"]])
            ledger = ledger_of(each.events, each.uncounted).with_columns(
                partition=pl.lit(each.partition, pl.Int64),
                min_event_time=pl.lit(event_time.min(), pl.Int64),
                max_event_time=pl.lit(event_time.max(), pl.Int64),
                max_received_at=pl.lit(received_at.max(), pl.Int64),
            )
            yield from _batches(ledger, arrow_schema(PART_LEDGER_SCHEMA))

    return unpack


def place_unpacker(ranges: Ranges) -> BatchMapper:
    """What turns slices into rows of `PLACES_SCHEMA`, one a record."""

    def unpack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for each in _unpacked(batches, ranges, ("events", "identities", "uncounted")):
            judged = each.events.select("offset", "received_at").join(
                each.identities.select("offset", "id_hash"), "offset", "left"
            )
            judged = judged.with_columns(bytes=pl.lit(0, pl.Int64))
            others = each.uncounted.select("offset", "received_at").with_columns(
                bytes=weights_of(each.uncounted)
            )
            places = pl.concat([judged, others], how="diagonal")
            number = pl.lit(each.partition, pl.Int64).alias("partition")
            yield from _batches(places.with_columns(number), arrow_schema(PLACES_SCHEMA))

    return unpack


def _unpacked(
    batches: Iterator[pa.RecordBatch], ranges: Ranges, columns: Sequence[str]
) -> Iterator[_Unpacked]:
    """The wanted records of every slice that has any; columns that aren't named stay empty."""
    for batch in batches:
        rows = batch.select(["partition", *columns])
        for row in range(batch.num_rows):
            partition, *packed = (column[row].as_py() for column in rows.columns)
            if partition not in ranges:
                continue
            given = dict(zip(columns, packed, strict=True))
            frames = [
                _within(given.get(name), schema, ranges[partition])
                for name, schema in (
                    ("events", EVENT_COLUMNS),
                    ("identities", IDENTITY_SCHEMA),
                    ("uncounted", SLICE_UNCOUNTED_SCHEMA),
                )
            ]
            if any(frame.height for frame in frames):
                yield _Unpacked(partition, *frames)


def _within(packed: bytes | None, schema: pl.Schema, ends: tuple[int, int]) -> pl.DataFrame:
    if packed is None:
        return schema.to_frame(eager=True)
    frame = unpack_frame(packed)
    offsets = frame["offset"].to_numpy()
    start, stop = ends
    is_wanted = (offsets >= start) & (offsets < stop)
    return frame if is_wanted.all() else frame.filter(is_wanted)


def _as_uncounted(unpacked: _Unpacked, duplicates: Duplicates) -> pl.DataFrame:
    identities = unpacked.identities
    identities = identities.filter(
        are_among(identities["offset"].to_numpy(), duplicates.offsets)
    ).join(unpacked.events.select(EVENT_COLUMNS.names()), "offset", "left")
    is_conflict = pl.Series(
        are_among(identities["offset"].to_numpy(), duplicates.conflicts), dtype=pl.Boolean
    )
    return identities.select(
        pl.lit(unpacked.partition, pl.Int64).alias("partition"),
        "offset",
        "source",
        "received_at",
        pl.lit("duplicate").alias("verdict"),
        pl.when(is_conflict)
        .then(pl.lit("conflict"))
        .otherwise(pl.lit("duplicate"))
        .alias("reason"),
        pl.lit("duplicate").alias("step"),
        pl.when(is_conflict)
        .then(pl.lit(CONFLICT_MESSAGE))
        .otherwise(pl.lit(DUPLICATE_MESSAGE))
        .alias("message"),
        "event_id",
        "user_id",
        pl.col("timestamp").alias("event_time"),
        pl.lit(None, pl.Binary).alias("raw"),
    )


def _batches(frame: pl.DataFrame, schema: pa.Schema) -> Sequence[pa.RecordBatch]:
    table = frame.select(schema.names).to_arrow(compat_level=pl.CompatLevel.oldest())
    batches: list[pa.RecordBatch] = table.cast(schema).to_batches()
    return batches
