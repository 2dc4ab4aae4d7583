"""What one Arrow batch of records becomes on its way through Spark: a slice, and its event ids.

A *slice* is one row: the account of a run of records of one partition, and the events in them that
may count, packed as Arrow. Beside it goes one small row for each event with an id, which is all
that Spark has to compare to find duplicates. Everything here is pure; it runs in the executors.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh
import pyarrow as pa

from rtcdp.engines.admission import (
    ADMITTED,
    DUPLICATE_MESSAGE,
    Screened,
    account,
    screen,
)
from rtcdp.engines.engine import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.events.rules import AdmissionRules
from rtcdp.log.wire_records import WireBatch, records_of

ID_ROW = -1
"""In the column `place`: the row is that of an event id. Others have their partition there."""

ROW_SCHEMA = pa.schema(
    [
        ("place", pa.int32()),
        ("mark", pa.int64()),
        ("received_at", pa.timestamp("us", tz="UTC")),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("slice", pa.binary()),
        ("events", pa.binary()),
    ]
)
ROW_DDL = (
    "place INT, mark LONG, received_at TIMESTAMP, partition INT, offset LONG,"
    " slice BINARY, events BINARY"
)
"""`place` and `mark` tell rows apart: of id rows the mark is the id's hash, of slices their first
offset. `slice` is the account and `events` the packed events, both null in id rows."""


@dataclass(frozen=True)
class SliceAccount:
    """What the driver has to know of a slice. `ledger` and `uncounted` are as if no event were a
    duplicate; `id_offsets` and `id_received_at` are those of the events with an id."""

    partition: int
    first_offset: int
    next_offset: int
    record_count: int
    min_event_time: int | None
    max_event_time: int | None
    max_received_at: int
    ledger: pl.DataFrame
    uncounted: pl.DataFrame
    id_offsets: npt.NDArray[np.int64]
    id_received_at: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Screening:
    """How to make slices: the event columns that are needed, the rules, and per partition the
    offset that counting starts at; records before it are only there for their ids."""

    fields: tuple[str, ...]
    rules: AdmissionRules
    counted_from: Mapping[int, int]


def slice_rows(batch: WireBatch, how: Screening) -> pa.RecordBatch:
    """The rows of a run of records, in the order of the log."""
    records = records_of(batch)
    counted_from = how.counted_from.get(batch.partition, 0)
    rows: list[pa.RecordBatch] = []
    if batch.first_offset < counted_from:
        rows.append(_id_rows(screen(records.until(counted_from), (), how.rules)))
    if batch.next_offset > counted_from:
        counted = records.since(max(counted_from, batch.first_offset))
        screened = screen(counted, how.fields, how.rules)
        rows.append(_slice_row(screened, counted.first_offset, counted.next_offset))
        rows.append(_id_rows(screened))
    table = pa.Table.from_batches(rows, ROW_SCHEMA)
    return table.combine_chunks().to_batches(max_chunksize=None)[0]


def open_slice(row: bytes) -> SliceAccount:
    """The account in the column `slice`."""
    with pa.ipc.open_stream(row) as reader:
        about = reader.read_all().to_pylist()[0]
    return SliceAccount(
        **{
            **about,
            "ledger": _unpacked(about["ledger"]),
            "uncounted": _unpacked(about["uncounted"]),
            "id_offsets": np.frombuffer(about["id_offsets"], np.int64),
            "id_received_at": np.frombuffer(about["id_received_at"], np.int64),
        }
    )


def open_events(packed: bytes, dropped: npt.NDArray[np.int64]) -> pl.DataFrame:
    """The events in the column `events`, without those at the offsets `dropped`."""
    events = _unpacked(packed)
    if len(dropped) == 0:
        return events
    is_dropped = np.isin(events["_offset"].to_numpy(), dropped)
    return events.filter(~is_dropped)


def duplicates_in(packed: bytes, dropped: npt.NDArray[np.int64]) -> pl.DataFrame:
    """The events at the offsets `dropped` as rows of `UNCOUNTED_SCHEMA`."""
    events = _unpacked(packed)
    found = events.filter(np.isin(events["_offset"].to_numpy(), dropped))
    return found.select(
        pl.col("_partition").alias("partition"),
        pl.col("_offset").alias("offset"),
        pl.col("source"),
        pl.col("_received_at").alias("received_at"),
        pl.lit("duplicate").alias("verdict"),
        pl.lit("duplicate").alias("reason"),
        pl.lit("duplicate").alias("step"),
        pl.lit(DUPLICATE_MESSAGE).alias("message"),
        pl.col("eventId").alias("event_id"),
        pl.col("userId").alias("user_id"),
        pl.col("timestamp").alias("event_time"),
        pl.lit(None, pl.Binary).alias("raw"),
    ).cast(UNCOUNTED_SCHEMA)


def id_hashes(events: pl.DataFrame) -> npt.NDArray[np.int64]:
    """A 64-bit hash of source and event id, the same in every process; null ids give anything."""
    text = pl.concat_str(pl.col("source"), pl.lit("\0"), pl.col("eventId"), ignore_nulls=True)
    named = events.lazy().select(value=text).collect()
    hashed = named.select(plh.col("value").nchash.xxhash64().reinterpret(signed=True))
    found: npt.NDArray[np.int64] = hashed.to_series().to_numpy()
    return found


def _slice_row(screened: Screened, first_offset: int, next_offset: int) -> pa.RecordBatch:
    provisional = account(screened, screened.verdicts, np.zeros(len(screened.verdicts), np.bool_))
    is_candidate = screened.verdicts == ADMITTED
    ids = np.flatnonzero(is_candidate & screened.has_id)
    (piece,) = screened.pieces
    newest = [int(screened.received_at.max())] if len(screened.received_at) else []
    newest += [record.received_at for record, _ in screened.rejected]
    max_received_at = max(newest, default=0)
    about = {
        "partition": piece.partition,
        "first_offset": first_offset,
        "next_offset": next_offset,
        "record_count": len(screened.verdicts) + len(screened.rejected),
        "min_event_time": provisional.min_event_time,
        "max_event_time": provisional.max_event_time,
        "max_received_at": max_received_at,
        "ledger": _packed(provisional.ledger.cast(LEDGER_SCHEMA)),
        "uncounted": _packed(provisional.uncounted.cast(UNCOUNTED_SCHEMA)),
        "id_offsets": screened.offsets[ids].astype(np.int64).tobytes(),
        "id_received_at": screened.received_at[ids].astype(np.int64).tobytes(),
    }
    places = pl.DataFrame(
        {
            "_partition": np.full(len(screened.offsets), piece.partition, np.int64),
            "_offset": screened.offsets,
            "_received_at": screened.received_at,
        }
    )
    candidates = screened.events.hstack(places.get_columns()).filter(is_candidate)
    return pa.RecordBatch.from_arrays(
        [
            pa.array([piece.partition], pa.int32()),
            pa.array([first_offset], pa.int64()),
            pa.array([max_received_at * 1000], pa.timestamp("us", tz="UTC")),
            pa.array([piece.partition], pa.int32()),
            pa.array([first_offset], pa.int64()),
            pa.array([_about(about)], pa.binary()),
            pa.array([_packed(candidates)], pa.binary()),
        ],
        schema=ROW_SCHEMA,
    )


def _id_rows(screened: Screened) -> pa.RecordBatch:
    ids = np.flatnonzero((screened.verdicts == ADMITTED) & screened.has_id)
    (piece,) = screened.pieces
    hashes = id_hashes(screened.events[ids]) if len(ids) else np.zeros(0, np.int64)
    nothing = pa.nulls(len(ids), pa.binary())
    return pa.RecordBatch.from_arrays(
        [
            pa.array(np.full(len(ids), ID_ROW, np.int32)),
            pa.array(hashes),
            pa.array(screened.received_at[ids].astype(np.int64) * 1000).cast(
                pa.timestamp("us", tz="UTC")
            ),
            pa.array(np.full(len(ids), piece.partition, np.int32)),
            pa.array(screened.offsets[ids].astype(np.int64)),
            nothing,
            nothing,
        ],
        schema=ROW_SCHEMA,
    )


def _about(values: Mapping[str, object]) -> bytes:
    batch = pa.RecordBatch.from_pylist([dict(values)], _ABOUT_SCHEMA)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, _ABOUT_SCHEMA) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def _packed(frame: pl.DataFrame) -> bytes:
    sink = io.BytesIO()
    frame.write_ipc_stream(sink, compression="uncompressed")
    return sink.getvalue()


def _unpacked(packed: bytes) -> pl.DataFrame:
    return pl.read_ipc_stream(packed)


_ABOUT_SCHEMA = pa.schema(
    [
        ("partition", pa.int64()),
        ("first_offset", pa.int64()),
        ("next_offset", pa.int64()),
        ("record_count", pa.int64()),
        ("min_event_time", pa.int64()),
        ("max_event_time", pa.int64()),
        ("max_received_at", pa.int64()),
        ("ledger", pa.binary()),
        ("uncounted", pa.binary()),
        ("id_offsets", pa.binary()),
        ("id_received_at", pa.binary()),
    ]
)
