"""What became of a batch makes epochs."""

import numpy as np
import polars as pl
import pytest

from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.engines.spark.accounts import (
    account_of,
    epoch_of,
    tally_of,
    tally_of_part,
    whole_of,
)
from rtcdp.engines.spark.exchange import (
    PART_LEDGER_SCHEMA,
    BucketVerdicts,
    SliceAccount,
    pack_frame,
    pack_offsets,
)
from rtcdp.engines.spark.failures import SparkFailed
from rtcdp.engines.spark.parts import Part
from rtcdp.store import Progress
from rtcdp.store.rules import check_balance

NOTHING = UNCOUNTED_SCHEMA.to_frame(eager=True)


def a_slice(first: int, end: int, position: int = 0, **given) -> SliceAccount:
    """All its records are candidates of minute 0."""
    count = end - first
    ledger = pl.DataFrame([("s", 0, count, count, 0, 0, 0, 0, 0)], LEDGER_SCHEMA, orient="row")
    fields = {
        "partition": 0,
        "position": position,
        "is_last": True,
        "is_counted": True,
        "first_offset": first,
        "next_offset": end,
        "record_count": count,
        "candidate_count": count,
        "value_bytes": 100,
        "uncounted_count": 0,
        "uncounted_bytes": 0,
        "min_event_time": first,
        "max_event_time": end,
        "max_received_at": 1_000 + end,
        "times": b"",
        "ledger": pack_frame(ledger),
    }
    return SliceAccount(**{**fields, **given})


def verdicts(count: int, *duplicates: int, conflicts: tuple[int, ...] = (), partition: int = 0):
    found, differing = (np.array(each, np.int64) for each in (duplicates, conflicts))
    return BucketVerdicts(partition, count, pack_offsets(found), pack_offsets(differing))


def uncounted(*offsets: int, reason: str = "duplicate") -> pl.DataFrame:
    rows = [
        (0, offset, "s", 500, "duplicate", reason, "duplicate", "m", f"e{offset}", "u", 1, None)
        for offset in offsets
    ]
    return pl.DataFrame(rows, UNCOUNTED_SCHEMA, orient="row")


def test_the_verdicts_of_all_buckets_come_together() -> None:
    slices = [a_slice(5, 8, 1), a_slice(2, 5, is_last=False)]
    batch = account_of(slices, [verdicts(2, 7, 3), verdicts(4, 4, conflicts=(4,))])
    assert batch.duplicates[0].offsets.tolist() == [3, 4, 7]
    assert batch.duplicates[0].conflicts.tolist() == [4]
    assert batch.duplicate_count == 3


def test_what_only_fills_the_index_is_not_counted_again() -> None:
    slices = [a_slice(0, 3, is_last=False, is_counted=False), a_slice(3, 5, 1)]
    batch = account_of(slices, [verdicts(2, 4)])
    progress = Progress(7, {0: 3})
    part = whole_of(batch, {0: 5}, progress)
    epoch = epoch_of(part, tally_of(batch), uncounted(4), (), progress)
    assert (epoch.number, epoch.spans[0].first_offset, epoch.spans[0].next_offset) == (8, 3, 5)
    assert epoch.ledger.rows() == [("s", 0, 2, 1, 1, 0, 0, 0, 0)]


@pytest.mark.parametrize(
    "slices",
    [
        [a_slice(0, 3, 1)],
        [a_slice(0, 3, is_last=False)],
        [a_slice(0, 3), a_slice(3, 5, 1)],
        [a_slice(0, 3, is_last=False), a_slice(3, 5, 0)],
    ],
)
def test_a_missing_slice_is_noticed(slices) -> None:
    with pytest.raises(SparkFailed, match="partition 0"):
        account_of(slices, [verdicts(5)])


@pytest.mark.parametrize("found", [[], [verdicts(2)], [verdicts(3), verdicts(1)]])
def test_a_missing_verdict_is_noticed(found) -> None:
    with pytest.raises(SparkFailed, match="partition 0"):
        account_of([a_slice(0, 3)], found)


def test_conflicts_are_counted_among_the_duplicates() -> None:
    batch = account_of([a_slice(0, 5)], [verdicts(5, 1, 2, conflicts=(2,))])
    rows = pl.concat([uncounted(1), uncounted(2, reason="conflict")])
    epoch = epoch_of(whole_of(batch, {0: 5}, Progress()), tally_of(batch), rows, (), Progress())
    assert epoch.ledger.rows() == [("s", 0, 5, 3, 2, 0, 0, 1, 0)]
    check_balance(epoch)


def test_offsets_without_records_are_gaps() -> None:
    batch = account_of([a_slice(2, 6, record_count=4)], [verdicts(4)])
    progress = Progress(1, {0: 0})
    epoch = epoch_of(whole_of(batch, {0: 9}, progress), tally_of(batch), NOTHING, (), progress)
    assert (epoch.spans[0].first_offset, epoch.spans[0].next_offset, epoch.gaps) == (0, 9, 5)
    check_balance(epoch)


def test_a_batch_that_was_counted_already_is_no_epoch() -> None:
    batch = account_of([a_slice(0, 3, is_counted=False)], [])
    progress = Progress(1, {0: 3})
    part = whole_of(batch, {0: 3}, progress)
    assert part.ranges == {}
    assert epoch_of(part, tally_of(batch), NOTHING, (), progress) is None


def test_a_batch_that_begins_before_the_store_means_another_engine() -> None:
    batch = account_of([a_slice(0, 3)], [verdicts(3)])
    with pytest.raises(SparkFailed, match="up to offset 2"):
        whole_of(batch, {0: 3}, Progress(1, {0: 2}))


def test_a_part_has_its_own_times_and_counts() -> None:
    rows = pl.DataFrame(
        [
            ("s", 0, 2, 2, 0, 0, 0, 0, 0, 0, 5, 9, 70),
            ("s", 0, 1, 1, 0, 0, 0, 0, 0, 0, 3, 4, 90),
            ("t", 0, 1, 0, 0, 0, 1, 0, 0, 1, None, None, 10),
        ],
        PART_LEDGER_SCHEMA,
        orient="row",
    )
    progress = Progress(1, {0: 4, 1: 0}, {0: 80, 1: 40})
    epoch = epoch_of(Part({0: (4, 7), 1: (0, 1)}), tally_of_part(rows), NOTHING, (), progress)
    assert [(s.min_event_time, s.max_event_time) for s in epoch.spans] == [(3, 9), (None, None)]
    assert epoch.max_received_at == {0: 90, 1: 40}
    assert epoch.ledger.rows() == [("s", 0, 3, 3, 0, 0, 0, 0, 0), ("t", 0, 1, 0, 0, 0, 1, 0, 0)]
