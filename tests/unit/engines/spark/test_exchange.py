"""What travels through Spark comes out as it went in."""

import numpy as np
import polars as pl

from rtcdp.engines.spark.exchange import (
    BUCKETS,
    BucketVerdicts,
    SliceAccount,
    SliceIds,
    are_among,
    bucket_of,
    pack,
    pack_frame,
    pack_offsets,
    pack_raw,
    pack_times,
    spark_schema,
    unpack_account,
    unpack_frame,
    unpack_ids,
    unpack_offsets,
    unpack_times,
    unpack_verdicts,
)


def test_an_account_comes_out_as_it_went_in() -> None:
    account = SliceAccount(1, 0, True, True, 5, 9, 4, 3, 900, 1, 300, None, -7, 12, b"t", b"l")
    assert unpack_account(pack(account)) == account


def test_ids_and_verdicts_come_out_as_they_went_in() -> None:
    ids = SliceIds(1, 0, True, 5, b"h", b"r", b"c", b"o", b"")
    assert unpack_ids(pack(ids)) == ids
    verdicts = BucketVerdicts(1, 4, b"d", b"c")
    assert unpack_verdicts(pack(verdicts)) == verdicts


def test_columns_come_out_as_they_went_in() -> None:
    frame = pl.DataFrame({"text": ["ä😀", None, ""], "number": [1.5, None, -0.5]})
    assert unpack_frame(pack_frame(frame)).equals(frame)
    assert unpack_frame(pack_raw(frame)).equals(frame)


def test_offsets_come_out_as_they_went_in() -> None:
    offsets = np.array([0, 7, 2**62], np.int64)
    assert unpack_offsets(pack_offsets(offsets)).tolist() == offsets.tolist()


def test_every_hash_has_a_bucket() -> None:
    hashes = np.random.default_rng(1).integers(-(2**63), 2**63 - 1, 1_000)
    assert set(bucket_of(hashes).tolist()) == set(range(BUCKETS))


def test_offsets_are_found_among_sorted_ones() -> None:
    offsets = np.array([1, 5, 9], np.int64)
    assert are_among(offsets, np.array([5, 7], np.int64)).tolist() == [False, True, False]
    assert are_among(offsets, np.empty(0, np.int64)).tolist() == [False] * 3


def test_times_come_out_as_they_went_in_and_take_little() -> None:
    walk = np.random.default_rng(5)
    offsets = np.cumsum(walk.integers(1, 3, 50_000)) + 10**9
    times = 86_400_000 * 20_000 + np.cumsum(walk.integers(-20, 100, 50_000))
    packed = pack_times(offsets, times)
    assert len(packed) < 3 * len(times)
    assert [each.tolist() for each in unpack_times(packed)] == [offsets.tolist(), times.tolist()]
    assert [len(each) for each in unpack_times(pack_times(offsets[:0], times[:0]))] == [0, 0]


def test_a_schema_in_spark_s_words() -> None:
    given = pl.Schema({"a": pl.Int64, "b": pl.String, "c": pl.Binary})
    assert spark_schema(given) == "`a` bigint, `b` string, `c` binary"
