"""What went into the index of ids and what came out of it makes an epoch."""

import numpy as np
import polars as pl
import pytest

from rtcdp.engines.engine import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.engines.spark.accounts import account_of, check_watermark, epoch_of
from rtcdp.engines.spark.checkpoint import PlannedBatch
from rtcdp.engines.spark.failures import SparkFailed, WatermarkPassed
from rtcdp.engines.spark.slices import IDENTITY_SCHEMA, SliceAccount, pack_frame, pack_offsets
from rtcdp.store.balance import check_balance
from rtcdp.store.store import Progress


def a_slice(first: int, end: int, position: int = 0, **given) -> SliceAccount:
    """All its records are candidates of minute 0."""
    count = end - first
    ledger = pl.DataFrame([("s", 0, count, count, 0, 0, 0, 0)], LEDGER_SCHEMA, orient="row")
    fields = {
        "partition": 0,
        "position": position,
        "is_last": True,
        "is_counted": True,
        "first_offset": first,
        "next_offset": end,
        "record_count": count,
        "admitted_count": count,
        "candidates": pack_offsets(np.arange(first, end)),
        "oldest_candidate": 100,
        "min_event_time": first,
        "max_event_time": end,
        "max_received_at": 1_000 + end,
        "ledger": pack_frame(ledger),
        "uncounted": pack_frame(UNCOUNTED_SCHEMA.to_frame(eager=True)),
    }
    return SliceAccount(**{**fields, **given})


def offsets(*values: int):
    return np.array(values, np.int64)


def duplicates(*values: int) -> pl.DataFrame:
    rows = [(offset, "s", 500, f"e{offset}", "ada", 1) for offset in values]
    frame = pl.DataFrame(rows, IDENTITY_SCHEMA, orient="row")
    return frame.with_columns(partition=pl.lit(0, dtype=pl.Int32))


def test_candidates_that_did_not_survive_are_duplicates() -> None:
    slices = [a_slice(5, 8, 1), a_slice(2, 5, is_last=False)]
    batch = account_of(slices, [(0, offsets(7, 2)), (0, offsets(3, 6))], 0)
    assert {p: found.tolist() for p, found in batch.duplicates.items()} == {0: [4, 5]}


def test_what_only_fills_the_index_is_not_counted_again() -> None:
    slices = [a_slice(0, 3, is_last=False, is_counted=False), a_slice(3, 5, 1)]
    batch = account_of(slices, [(0, offsets(0, 3))], 0)
    assert batch.duplicates[0].tolist() == [4]
    epoch = epoch_of(batch, PlannedBatch({0: 5}, 0), duplicates(4), (), Progress(7, {0: 3}))
    assert epoch is not None
    assert (epoch.spans[0].first_offset, epoch.spans[0].next_offset) == (3, 5)
    assert epoch.ledger.rows() == [("s", 0, 2, 1, 1, 0, 0, 0)]


@pytest.mark.parametrize(
    "slices",
    [
        [a_slice(0, 3, 1)],
        [a_slice(0, 3, is_last=False)],
        [a_slice(0, 3), a_slice(3, 5, 1)],
        [a_slice(0, 3, is_last=False), a_slice(3, 5, 0)],
    ],
)
def test_a_missing_slice_is_noticed(slices: list[SliceAccount]) -> None:
    with pytest.raises(SparkFailed, match="partition 0"):
        account_of(slices, [], 0)


def test_what_fills_the_index_must_not_come_behind_the_watermark() -> None:
    with pytest.raises(WatermarkPassed):
        account_of([a_slice(0, 3, is_counted=False)], [], 101)
    account_of([a_slice(0, 3, is_counted=False)], [], 100)


def test_a_dropped_record_behind_the_watermark_may_be_no_duplicate() -> None:
    check_watermark(duplicates(3), 500)
    with pytest.raises(WatermarkPassed, match="offset 3"):
        check_watermark(duplicates(3), 501)


def test_an_epoch_balances_with_gaps_and_duplicates() -> None:
    batch = account_of([a_slice(2, 6)], [(0, offsets(2, 3, 4))], 0)
    epoch = epoch_of(batch, PlannedBatch({0: 9, 1: 4}, 0), duplicates(5), (), Progress(1, {0: 1}))
    assert epoch is not None
    check_balance(epoch)
    assert (epoch.number, epoch.gaps, epoch.engine) == (2, 4, "spark")
    assert epoch.next_offsets == {0: 9}
    assert epoch.max_received_at == {0: 1_006}
    assert epoch.uncounted.select("offset", "verdict", "event_id").rows() == [
        (5, "duplicate", "e5")
    ]


def test_a_batch_that_the_store_has_already_is_no_epoch() -> None:
    batch = account_of([a_slice(0, 3, is_counted=False)], [(0, offsets(0, 1, 2))], 0)
    planned = PlannedBatch({0: 3}, 0)
    assert epoch_of(batch, planned, duplicates(), (), Progress(1, {0: 3})) is None


def test_records_that_the_store_has_counted_are_never_counted_again() -> None:
    batch = account_of([a_slice(0, 3)], [(0, offsets(0, 1, 2))], 0)
    with pytest.raises(SparkFailed, match="already"):
        epoch_of(batch, PlannedBatch({0: 3}, 0), duplicates(), (), Progress(1, {0: 2}))
