"""What travels through Spark: slices of the log, packed, and a slim row for each event id.

A slice is what one Arrow batch of a partition's records became: an account of every record, and the
events that are candidates for being counted, as columns. Only the slim rows go through the index of
seen ids one by one; the events stay packed until it is known which of them are duplicates.
"""

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

Int64Array = npt.NDArray[np.int64]

SCREENED_SCHEMA = (
    "key bigint, received_at timestamp, partition int, offset bigint,"
    " account binary, events binary, identities binary"
)
"""Rows of two kinds. Slim: `key` is the hash of source and event id, `received_at` the intake time,
and the place of the record. Slice: `key` is a hash of its place, `received_at` is null so that it
moves no watermark and is never late, and the three packed columns are there."""

SURVIVORS_SCHEMA = "partition int, offsets binary, account binary, events binary, identities binary"
"""What the index lets through: slices as they were, and a row a partition with the `offsets`
(int64) of the slim rows that survived."""

IDENTITY_SCHEMA = pl.Schema(
    {
        "offset": pl.Int64,
        "source": pl.String,
        "received_at": pl.Int64,
        "event_id": pl.String,
        "user_id": pl.String,
        "event_time": pl.Int64,
    }
)
"""What the answer to "why was this not counted" needs of each candidate with an event id."""


class SliceAccount(msgspec.Struct, frozen=True):
    """What became of the records in `[first_offset, next_offset)`, duplicates not yet told apart.

    Slices of one partition and batch are numbered by `position`, and the last one says so. Where
    `is_counted` is false, the records were counted by an earlier epoch and only fill the index.
    `candidates` are the offsets of the events with an id that the index decides on (int64), and
    `oldest_candidate` the smallest intake time among them. `ledger` and `uncounted` are rows of
    `LEDGER_SCHEMA` and `UNCOUNTED_SCHEMA`. Times are UTC ms.
    """

    partition: int
    position: int
    is_last: bool
    is_counted: bool
    first_offset: int
    next_offset: int
    record_count: int
    admitted_count: int
    candidates: bytes
    oldest_candidate: int | None
    min_event_time: int | None
    max_event_time: int | None
    max_received_at: int
    ledger: bytes
    uncounted: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SliceAccount).decode


def pack_account(account: SliceAccount) -> bytes:
    """An account as bytes."""
    return _encode(account)


def unpack_account(packed: bytes) -> SliceAccount:
    """The account that was packed."""
    return _decode(packed)


def pack_frame(frame: pl.DataFrame) -> bytes:
    """Columns as bytes, compressed: they go through a shuffle and rest in a cache."""
    return frame.write_ipc_stream(None, compression="lz4").getvalue()


def unpack_frame(packed: bytes) -> pl.DataFrame:
    """The columns that were packed."""
    return pl.read_ipc_stream(packed)


def pack_offsets(offsets: Int64Array) -> bytes:
    """Offsets as bytes."""
    return offsets.astype("<i8", copy=False).tobytes()


def unpack_offsets(packed: bytes) -> Int64Array:
    """The offsets that were packed."""
    return np.frombuffer(packed, "<i8")
