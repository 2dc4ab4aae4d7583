"""What travels through Spark, all of it: slices of the log, packed, and the ids of a slice, bucket
by bucket; verdicts on their way back; events on their way to the task of their key; and the rows
that are gathered on the driver.

A slice is what one Arrow batch of a partition's records became: an account of every record, the
events that may be counted, and the records that may not, as columns. Only the hashes of event ids
go through the index of seen ids; the rest stays packed until its verdict is known.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA

Int64Array = npt.NDArray[np.int64]

ARROW_TYPES = {
    pl.Int64: pa.int64(),
    pl.Float64: pa.float64(),
    pl.String: pa.string(),
    pl.Binary: pa.binary(),
}
"""What Arrow calls the types of columns."""

SPARK_TYPES = {
    pl.Int64: "bigint",
    pl.Float64: "double",
    pl.String: "string",
    pl.Binary: "binary",
}
"""What Spark calls them."""

NEVER = int(np.iinfo(np.int64).max)
"""A due time (UTC ms) after every other."""

BUCKETS = 16
"""Of the index of seen ids. A checkpoint is bound to it."""

DECODED_SCHEMA = (
    "bucket int, partition int, first_offset bigint, next_offset bigint, ids binary,"
    " account binary, events binary, identities binary, uncounted binary"
)
"""Rows of two kinds. Ids: `bucket` is theirs, 0 or above, and `ids` is a packed `SliceIds`. Slice:
`bucket` is below 0, and the packed columns after `ids` are there; those that nobody will ask for
are null. `[first_offset, next_offset)` is the slice's place in both."""

DECODED_ARROW_SCHEMA = pa.schema(
    [
        ("bucket", pa.int32()),
        ("partition", pa.int32()),
        ("first_offset", pa.int64()),
        ("next_offset", pa.int64()),
        ("ids", pa.binary()),
        ("account", pa.binary()),
        ("events", pa.binary()),
        ("identities", pa.binary()),
        ("uncounted", pa.binary()),
    ]
)
"""`DECODED_SCHEMA` as Arrow names types."""

JUDGED_SCHEMA = (
    "partition int, first_offset bigint, next_offset bigint, verdicts binary,"
    " account binary, events binary, identities binary, uncounted binary"
)
"""What the index gives back: slices as they were, and a row a bucket and partition with a packed
`BucketVerdicts`."""

EVENT_COLUMNS = pl.Schema(
    {"offset": pl.Int64, "received_at": pl.Int64, "source": pl.String, "timestamp": pl.Int64}
)
"""What every packed event has besides the fields that metrics need."""

IDENTITY_SCHEMA = pl.Schema(
    {"offset": pl.Int64, "id_hash": pl.Int64, "event_id": pl.String, "user_id": pl.String}
)
"""Who the events with an id are; by offset, each of them is a packed event as well."""


STANDS_FOR = "stands_for"

SLICE_UNCOUNTED_SCHEMA = pl.Schema({**UNCOUNTED_SCHEMA, STANDS_FOR: pl.Int64()})
"""The records of a slice that do not count, and for how many each of them was taken in."""


PLACES_SCHEMA = pl.Schema(
    {
        "partition": pl.Int64,
        "offset": pl.Int64,
        "received_at": pl.Int64,
        "id_hash": pl.Int64,
        "bytes": pl.Int64,
    }
)
"""A row a record: its intake time (UTC ms, 0 where it is unknown), the hash of its id if that was
judged (else null), and the bytes that it takes on the driver if it is not counted."""


PART_LEDGER_SCHEMA = pl.Schema(
    [
        *LEDGER_SCHEMA.items(),
        ("partition", pl.Int64()),
        ("min_event_time", pl.Int64()),
        ("max_event_time", pl.Int64()),
        ("max_received_at", pl.Int64()),
    ]
)
"""Rows of `LEDGER_SCHEMA` of a slice, each with the partition and the times of the whole slice."""


KEYED_SCHEMA = "task int, key string, events binary"
"""Admitted events on their way to the task that folds them: packed columns, and by which of them
the events are told apart."""

KEYED_ARROW_SCHEMA = pa.schema(
    [("task", pa.int32()), ("key", pa.string()), ("events", pa.binary())]
)
"""`KEYED_SCHEMA` as Arrow names types."""

DIFFERENCE_SCHEMA = "table_name string, gone binary, replaced binary, trouble binary"
"""What a task found to change, a row a table: the keys of the rows to delete and the rows to
replace, packed; or else, alone, a packed `TaskTrouble`."""

DIFFERENCE_ARROW_SCHEMA = pa.schema(
    [
        ("table_name", pa.string()),
        ("gone", pa.binary()),
        ("replaced", pa.binary()),
        ("trouble", pa.binary()),
    ]
)
"""`DIFFERENCE_SCHEMA` as Arrow names types."""


class SliceAccount(msgspec.Struct, frozen=True):
    """What became of the records in `[first_offset, next_offset)`, duplicates not yet told apart.

    Slices of one partition and batch are numbered by `position`, and the last one says so. Where
    `is_counted` is false, the records were decided by an earlier epoch and only fill the index.
    `candidate_count` says how many ids the index has to judge. `value_bytes` is what the records
    weigh in the log, `uncounted_bytes` what those weigh that are not counted whatever the index
    says. `times` are the offsets and intake times of its events, packed. `ledger` has rows of
    `LEDGER_SCHEMA`. Times are UTC ms.
    """

    partition: int
    position: int
    is_last: bool
    is_counted: bool
    first_offset: int
    next_offset: int
    record_count: int
    candidate_count: int
    value_bytes: int
    uncounted_count: int
    uncounted_bytes: int
    min_event_time: int | None
    max_event_time: int | None
    max_received_at: int
    times: bytes
    ledger: bytes


class SliceIds(msgspec.Struct, frozen=True):
    """The ids of a slice that belong to one bucket, in log order; packed columns of int64.

    `due` are the due times within the slice (empty where they are the intake times), and
    `oldest_due` is the earliest of all its records, whether they are ids or not. `is_counted` as in
    the account.
    """

    partition: int
    position: int
    is_counted: bool
    oldest_due: int
    hashes: bytes
    received_at: bytes
    contents: bytes
    offsets: bytes
    due: bytes


class BucketVerdicts(msgspec.Struct, frozen=True):
    """How many ids of a partition a bucket judged, and the offsets (int64, sorted) of those that
    are duplicates, and of the conflicts among these."""

    partition: int
    judged_count: int
    duplicates: bytes
    conflicts: bytes


TroubleKind = Literal["fault", "away", "refused", "failed"]


class TaskTrouble(msgspec.Struct, frozen=True):
    """Why a task gives no difference: a record may be at `fault`; or the store is `away`, another
    engine has gone on with it, or trying again would not help (`failed`), as an error says it."""

    kind: TroubleKind
    message: str
    hint: str


@dataclass(frozen=True)
class Duplicates:
    """The duplicates of one partition in a batch, and the conflicts among them: sorted offsets."""

    offsets: Int64Array
    conflicts: Int64Array


_encode = msgspec.msgpack.Encoder().encode
_decode_account = msgspec.msgpack.Decoder(SliceAccount).decode
_decode_ids = msgspec.msgpack.Decoder(SliceIds).decode
_decode_verdicts = msgspec.msgpack.Decoder(BucketVerdicts).decode
_decode_trouble = msgspec.msgpack.Decoder(TaskTrouble).decode


def pack(packable: SliceAccount | SliceIds | BucketVerdicts | TaskTrouble) -> bytes:
    """As bytes."""
    return _encode(packable)


def unpack_account(packed: bytes) -> SliceAccount:
    """The account that was packed."""
    return _decode_account(packed)


def unpack_ids(packed: bytes) -> SliceIds:
    """The ids that were packed."""
    return _decode_ids(packed)


def unpack_verdicts(packed: bytes) -> BucketVerdicts:
    """The verdicts that were packed."""
    return _decode_verdicts(packed)


def unpack_trouble(packed: bytes) -> TaskTrouble:
    """The trouble that was packed."""
    return _decode_trouble(packed)


def pack_frame(frame: pl.DataFrame) -> bytes:
    """Columns as bytes, compressed: they go through a shuffle and rest in a cache."""
    return frame.write_ipc_stream(None, compression="lz4").getvalue()


def pack_raw(frame: pl.DataFrame) -> bytes:
    """Columns with the bytes of records, compressed as well as is worth it."""
    return frame.write_ipc_stream(None, compression="zstd").getvalue()


def unpack_frame(packed: bytes) -> pl.DataFrame:
    """The columns that were packed."""
    return pl.read_ipc_stream(packed)


def pack_offsets(offsets: Int64Array) -> bytes:
    """Numbers as bytes."""
    return offsets.astype("<i8", copy=False).tobytes()


def unpack_offsets(packed: bytes) -> Int64Array:
    """The numbers that were packed."""
    return np.frombuffer(packed, "<i8")


def pack_times(offsets: Int64Array, received_at: Int64Array) -> bytes:
    """The offsets and intake times (UTC ms) of a slice's events, in log order: a byte or two each,
    since both hardly change from one to the next."""
    steps = {"offset": np.diff(offsets, prepend=0), "received_at": np.diff(received_at, prepend=0)}
    return pack_raw(pl.DataFrame(steps))


def unpack_times(packed: bytes) -> tuple[Int64Array, Int64Array]:
    """The offsets and intake times that were packed."""
    steps = unpack_frame(packed)
    return np.cumsum(steps["offset"].to_numpy()), np.cumsum(steps["received_at"].to_numpy())


def are_among(offsets: Int64Array, wanted: Int64Array) -> npt.NDArray[np.bool_]:
    """Which of the offsets are in `wanted`, which is sorted."""
    if len(wanted) == 0:
        return np.zeros(len(offsets), np.bool_)
    places = np.searchsorted(wanted, offsets)
    places[places == len(wanted)] = 0
    is_among: npt.NDArray[np.bool_] = wanted[places] == offsets
    return is_among


def bucket_of(hashes: Int64Array) -> Int64Array:
    """The bucket of each hash; not of the bits that sort the runs."""
    return hashes & (BUCKETS - 1)


def spark_schema(schema: pl.Schema) -> str:
    """A schema as Spark names types."""
    return ", ".join(f"`{name}` {SPARK_TYPES[type(kind)]}" for name, kind in schema.items())


def arrow_schema(schema: pl.Schema) -> pa.Schema:
    """A schema as Arrow names types."""
    return pa.schema([(name, ARROW_TYPES[type(kind)]) for name, kind in schema.items()])
