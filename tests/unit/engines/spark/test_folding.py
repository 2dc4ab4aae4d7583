"""Slices are unpacked: what counts, what does not, and where it is."""

import numpy as np
import polars as pl
import pyarrow as pa
import xxhash

from rtcdp.admission.verdicts import UNCOUNTED_SCHEMA
from rtcdp.engines.spark.exchange import (
    IDENTITY_SCHEMA,
    SLICE_UNCOUNTED_SCHEMA,
    Duplicates,
    pack_frame,
)
from rtcdp.engines.spark.folding import (
    Unpacking,
    event_unpacker,
    ledger_unpacker,
    place_unpacker,
    uncounted_unpacker,
)

EVENTS = pl.DataFrame(
    {
        "userId": ["a", "b", "c"],
        "value": [1.0, None, 2.0],
        "source": ["s"] * 3,
        "timestamp": [1, 2, 3],
        "offset": [10, 11, 14],
        "received_at": [100, 60_100, 200],
    }
)
IDENTITIES = pl.DataFrame([(10, 7, "x", "a"), (11, 8, "y", "b")], IDENTITY_SCHEMA, orient="row")
UNCOUNTED = pl.DataFrame(
    [(0, 12, "s", 150, "late", "late", "lateness", "m", None, "u", 0, b"raw", 1)],
    SLICE_UNCOUNTED_SCHEMA,
    orient="row",
)
ALL = {0: (0, 100)}


def offsets(*values: int):
    return np.array(values, np.int64)


DUPLICATES = {0: Duplicates(offsets(11), offsets()), 3: Duplicates(offsets(10), offsets(10))}


def unpacked(unpacker, *columns: str, partition: int = 0) -> pl.DataFrame:
    frames = {"events": EVENTS, "identities": IDENTITIES, "uncounted": UNCOUNTED}
    values = [pa.array([pack_frame(frames[name])], pa.binary()) for name in columns]
    batch = pa.RecordBatch.from_arrays(
        [pa.array([partition], pa.int32()), *values], ["partition", *columns]
    )
    return pl.concat([pl.DataFrame(each) for each in unpacker(iter([batch]))])


def test_events_come_without_duplicates_and_with_hashed_members() -> None:
    unpacking = Unpacking(("userId", "value"), ("userId",), DUPLICATES, ALL)
    frame = unpacked(event_unpacker(unpacking), "events")
    assert frame["userId"].to_list() == ["a", "c"]
    expected = [xxhash.xxh64_intdigest(text) for text in (b"a", b"c")]
    assert [member % 2**64 for member in frame["userId__member"]] == expected
    assert unpacking.schema.startswith("`userId` string, `value` double, source string")


def test_events_come_from_their_own_partition_and_range() -> None:
    unpacking = Unpacking(("userId",), (), {}, {0: (11, 14), 1: (0, 100)})
    assert unpacked(event_unpacker(unpacking), "events")["userId"].to_list() == ["b"]
    other = unpacked(event_unpacker(unpacking), "events", partition=1)
    assert other["userId"].to_list() == ["a", "b", "c"]


def test_what_does_not_count_comes_with_what_tells_who_it_is() -> None:
    columns = ("events", "identities", "uncounted")
    frame = unpacked(uncounted_unpacker(DUPLICATES, ALL), *columns).sort("offset")
    assert frame.schema == UNCOUNTED_SCHEMA
    asked = ("offset", "reason", "event_id", "user_id", "received_at", "event_time", "raw")
    assert frame.select(asked).rows() == [
        (11, "duplicate", "y", "b", 60_100, 2, None),
        (12, "late", None, "u", 150, 0, b"raw"),
    ]
    conflict = unpacked(uncounted_unpacker(DUPLICATES, {3: (0, 11)}), *columns, partition=3)
    assert conflict.select("partition", "offset", "reason").rows() == [(3, 10, "conflict")]


def test_a_part_s_ledger_has_its_records_alone() -> None:
    frame = unpacked(ledger_unpacker({0: (11, 13)}), "events", "uncounted")
    assert frame.select("minute", "received", "admitted", "late").rows() == [
        (0, 1, 0, 1),
        (60_000, 1, 1, 0),
    ]
    assert frame.select("partition", "min_event_time", "max_received_at").row(0) == (0, 0, 60_100)


def test_every_record_has_its_place() -> None:
    frame = unpacked(place_unpacker(ALL), "events", "identities", "uncounted").sort("offset")
    assert frame.select("offset", "received_at", "id_hash").rows() == [
        (10, 100, 7),
        (11, 60_100, 8),
        (12, 150, None),
        (14, 200, None),
    ]
    assert (frame["bytes"] > 0).to_list() == [False, False, True, False]
