"""Slices are unpacked without the duplicates, or the duplicates alone."""

import numpy as np
import polars as pl
import pyarrow as pa
import xxhash

from rtcdp.engines.spark.folding import Unpacking, duplicate_unpacker, event_unpacker
from rtcdp.engines.spark.slices import IDENTITY_SCHEMA, pack_frame

EVENTS = pl.DataFrame(
    {
        "userId": ["a", "b", "c"],
        "value": [1.0, None, 2.0],
        "source": ["s"] * 3,
        "timestamp": [1, 2, 3],
        "offset": [10, 11, 14],
    }
)
IDENTITIES = pl.DataFrame(
    [(10, "s", 1, "x", "a", 1), (11, "s", 1, "y", "b", 2)], IDENTITY_SCHEMA, orient="row"
)


def packed(column: str, frame: pl.DataFrame, partition: int = 0) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array([partition], pa.int32()), pa.array([pack_frame(frame)], pa.binary())],
        ["partition", column],
    )


def test_events_come_without_duplicates_and_with_hashed_members() -> None:
    unpacking = Unpacking(("userId", "value"), ("userId",), {0: np.array([11], np.int64)})
    batches = event_unpacker(unpacking)(iter([packed("events", EVENTS)]))
    frame = pl.DataFrame(pa.Table.from_batches(batches))
    assert frame["userId"].to_list() == ["a", "c"]
    expected = [xxhash.xxh64_intdigest(text) for text in (b"a", b"c")]
    assert [member % 2**64 for member in frame["userId__member"]] == expected
    assert unpacking.schema.startswith("`userId` string, `value` double, source string")


def test_another_partition_s_offsets_are_no_duplicates_here() -> None:
    unpacking = Unpacking(("userId",), (), {1: np.array([10], np.int64)})
    (batch,) = event_unpacker(unpacking)(iter([packed("events", EVENTS)]))
    assert batch.num_rows == 3


def test_duplicates_come_with_what_tells_who_they_are() -> None:
    unpack = duplicate_unpacker({0: np.array([11], np.int64)})
    batches = [packed("identities", IDENTITIES), packed("identities", IDENTITIES, 3)]
    frame = pl.DataFrame(pa.Table.from_batches(unpack(iter(batches))))
    assert frame.select("partition", "offset", "event_id").rows() == [(0, 11, "y")]
