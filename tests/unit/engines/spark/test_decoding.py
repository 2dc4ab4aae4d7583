"""Kafka's records become slices and ids."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import xxhash
from pyspark import cloudpickle

from rtcdp.admission.erased import ErasedUser, ErasedUsers
from rtcdp.admission.rules import AdmissionRules
from rtcdp.engines.spark import decoding as module
from rtcdp.engines.spark.decoding import Decoding, decoder, stable_id_hashes, translator
from rtcdp.engines.spark.exchange import unpack_account, unpack_frame, unpack_ids, unpack_offsets

RULES = AdmissionRules(allowed_lateness_ms=1_000)
DECODING = Decoding(("userId",), RULES, {0: 2}, {0: np.array([1], np.int64)})


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


def decoded(*batches: pa.RecordBatch) -> tuple[pl.DataFrame, list[int]]:
    """The slices, and the offsets whose ids are to be judged."""
    rows = pl.DataFrame(pa.Table.from_batches(decoder(DECODING)(iter(batches))))
    ids = [unpack_ids(packed) for packed in rows["ids"].drop_nulls()]
    offsets = [offset for each in ids for offset in unpack_offsets(each.offsets).tolist()]
    return rows.filter(pl.col("account").is_not_null()), sorted(offsets)


def test_only_candidates_with_an_id_go_through_the_index() -> None:
    late, bad = event("late", 100), b"{"
    slices, judged = decoded(batch(event("a"), event(None), late, bad, event("b"), first=2))
    assert judged == [2, 6]
    account = unpack_account(slices["account"][0])
    assert (account.record_count, account.candidate_count, account.uncounted_count) == (5, 2, 2)
    uncounted = unpack_frame(slices["uncounted"][0])
    assert uncounted.select("verdict", "raw").rows() == [("late", late), ("dead_letter", bad)]
    assert unpack_frame(slices["events"][0])["offset"].to_list() == [2, 3, 6]


def test_no_bytes_of_records_are_in_an_account() -> None:
    slices, _ = decoded(batch(*(event("x" * 90, n) for n in range(3_000)), first=2))
    account = unpack_account(slices["account"][0])
    assert account.uncounted_count == 3_000
    assert len(slices["account"][0]) < 3_000


def test_a_batch_is_cut_where_the_counted_records_begin() -> None:
    slices, judged = decoded(batch(event("a"), event("b"), event("c")), batch(event("d"), first=3))
    accounts = [unpack_account(each) for each in slices["account"]]
    assert [(each.first_offset, each.next_offset) for each in accounts] == [(0, 2), (2, 3), (3, 4)]
    assert [each.is_counted for each in accounts] == [False, True, True]
    assert [each.position for each in accounts] == [0, 1, 2]
    assert [each.is_last for each in accounts] == [False, False, True]
    assert slices["events"].is_null().to_list() == [True, False, False]
    assert judged == [0, 2, 3]


def test_what_was_decided_is_judged_by_no_rule_again() -> None:
    """Offset 0 would be late by these rules, but was admitted; 1 was not, whatever they say."""
    _, judged = decoded(batch(event("a", 100), event("b"), event("c", 100)))
    assert judged == [0]


def test_a_record_that_can_t_be_decoded_is_set_aside(monkeypatch) -> None:
    real = module.decode_batch

    def failing(pieces, *how):
        if any(b"bad" in piece.lines for piece in pieces):
            raise pl.exceptions.PanicException("planted")
        return real(pieces, *how)

    monkeypatch.setattr(module, "decode_batch", failing)
    slices, judged = decoded(batch(*(event(each) for each in ("a", "b", "bad", "c")), first=2))
    assert judged == [2, 3, 5]
    uncounted = pl.concat([unpack_frame(each) for each in slices["uncounted"].drop_nulls()])
    assert uncounted.select("offset", "reason").rows() == [(4, "processor_error")]
    accounts = [unpack_account(each) for each in slices["account"]]
    assert [each.is_last for each in accounts] == [False] * (len(accounts) - 1) + [True]


def test_ids_of_two_sources_are_two_and_hashes_never_change() -> None:
    ids = pl.DataFrame({"source": ["web", "app", "web"], "eventId": ["a", "a", "a"]})
    hashes = stable_id_hashes(ids).tolist()
    assert hashes[0] == hashes[2] != hashes[1]
    assert hashes[0] % 2**64 == xxhash.xxh64_intdigest(b"web\0a")


def test_of_erased_users_nothing_counts_that_happened_before() -> None:
    ada = ErasedUser.of("ada", "5a" * 16, 4_500)
    decoding = replace(DECODING, erased=ErasedUsers([ada]))
    records = batch(event("a", 4_499), event("b", 4_500), first=2)
    # As it comes to an executor.
    received = cloudpickle.loads(cloudpickle.dumps(decoding))
    rows = pl.DataFrame(pa.Table.from_batches(decoder(received)(iter([records]))))
    slices = rows.filter(pl.col("account").is_not_null())
    uncounted = unpack_frame(slices["uncounted"][0])
    told = uncounted.select("offset", "verdict", "user_id", "raw").rows()
    assert told == [(2, "erased", None, None)]
    assert unpack_frame(slices["events"][0])["offset"].to_list() == [3]


def test_messages_go_through_a_translation_with_their_headers() -> None:
    plain = batch(b"a", b"b", first=7)
    headers = [None, json.dumps([{"key": "k", "value": "dg=="}])]
    column = plain.schema.get_field_index("headers")
    given = plain.set_column(column, "headers", pa.array(headers, pa.string()))
    seen: list[object] = []

    def shout(values, headers):  # type: ignore[no-untyped-def]
        seen.extend([list(values), headers])
        return [value.upper() for value in values]

    [out] = translator(shout)(iter([given]))
    assert seen == [[b"a", b"b"], [None, [("k", b"v")]]]
    assert out.column("value").to_pylist() == [b"A", b"B"]
    assert out.drop_columns(["value"]) == given.drop_columns(["value"])
    assert out.schema == given.schema
