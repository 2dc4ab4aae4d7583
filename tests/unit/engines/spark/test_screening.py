"""Kafka's records become slices and slim rows."""

import json

import polars as pl
import pyarrow as pa
import pytest

from rtcdp.engines.spark.screening import Screening, screener, stable_id_hashes
from rtcdp.engines.spark.slices import unpack_account, unpack_frame, unpack_offsets
from rtcdp.events.rules import AdmissionRules

SCREENING = Screening(("userId",), AdmissionRules(allowed_lateness_ms=1_000), {0: 2})


def batch(*values: bytes, first: int = 0, received_at: int = 5_000) -> pa.RecordBatch:
    count = len(values)
    return pa.RecordBatch.from_arrays(
        [
            pa.array(values, pa.binary()),
            pa.array([0] * count, pa.int32()),
            pa.array(range(first, first + count), pa.int64()),
            pa.array([received_at * 1000] * count, pa.timestamp("us", "UTC")),
            pa.nulls(count, pa.string()),
        ],
        ["value", "partition", "offset", "timestamp", "headers"],
    )


def event(event_id: str | None, timestamp: int = 5_000) -> bytes:
    fields = {"userId": "ada", "timestamp": timestamp, "eventType": "A"}
    return json.dumps(fields if event_id is None else {"eventId": event_id, **fields}).encode()


def screened(*batches: pa.RecordBatch) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The slices and the slim rows."""
    rows = pl.DataFrame(pa.Table.from_batches(screener(SCREENING)(iter(batches))))
    is_slice = pl.col("account").is_not_null()
    return rows.filter(is_slice), rows.filter(~is_slice)


def test_only_candidates_with_an_id_go_through_the_index() -> None:
    late, bad = event("late", 100), b"{"
    slices, slim = screened(batch(event("a"), event(None), late, bad, event("b"), first=2))
    assert slim["offset"].to_list() == [2, 6]
    account = unpack_account(slices["account"][0])
    assert unpack_offsets(account.candidates).tolist() == [2, 6]
    assert (account.record_count, account.admitted_count) == (5, 3)
    assert unpack_frame(account.uncounted)["verdict"].to_list() == ["late", "dead_letter"]
    assert unpack_frame(slices["events"][0])["offset"].to_list() == [2, 3, 6]


def test_slices_have_no_time_so_that_none_is_ever_late() -> None:
    slices, slim = screened(batch(event("a")))
    assert slices["received_at"].null_count() == len(slices)
    assert slim["received_at"].dt.epoch("ms").to_list() == [5_000]


def test_a_batch_is_cut_where_the_counted_records_begin() -> None:
    slices, slim = screened(batch(event("a"), event("b"), event("c")), batch(event("d"), first=3))
    accounts = [unpack_account(each) for each in slices["account"]]
    assert [(each.first_offset, each.next_offset) for each in accounts] == [(0, 2), (2, 3), (3, 4)]
    assert [each.is_counted for each in accounts] == [False, True, True]
    assert [each.position for each in accounts] == [0, 1, 2]
    assert [each.is_last for each in accounts] == [False, False, True]
    assert slices["events"].is_null().to_list() == [True, False, False]
    assert len(slim) == 4


def test_ids_of_two_sources_are_two_and_hashes_never_change() -> None:
    ids = pl.DataFrame({"source": ["web", "app", "web"], "eventId": ["a", "a", "a"]})
    hashes = stable_id_hashes(ids).tolist()
    assert hashes[0] == hashes[2] != hashes[1]
    assert hashes[0] == pytest.approx(hashes[0])
