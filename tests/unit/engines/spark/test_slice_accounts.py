"""The account of a slice."""

import json

import polars as pl

from rtcdp.admission.batch import account, decode_batch
from rtcdp.admission.rules import AdmissionRules
from rtcdp.engines.spark.exchange import unpack_frame
from rtcdp.engines.spark.slice_accounts import (
    SlicePlace,
    account_of_slice,
    ledger_of,
    times_of,
    weights_of,
    with_stands_for,
)
from rtcdp.log.contract import Delivery, summary_mark
from rtcdp.testing.memory_log import MemoryLog

NOW = 1_767_225_600_000


def line(at: int, user: str = "ada") -> bytes:
    return json.dumps({"userId": user, "timestamp": NOW + at, "eventType": "A"}).encode()


def test_it_says_of_every_record_what_the_native_engine_says() -> None:
    log = MemoryLog()
    lines = b"\n".join([line(0), line(-(10**7)), line(10**7), b""])
    mark = summary_mark(30)
    log.append(
        [
            Delivery(lines, 3, NOW, "shop", rejects=((1, b"{"),)),
            Delivery(b"", 0, NOW, "shop", rejects=((0, b"["),), replay_of=mark),
        ]
    )
    records = log.read(0, 0, 10**6)
    decoded = decode_batch((records,), (), AdmissionRules())
    admitted = account(decoded, decoded.verdicts, decoded.verdicts > 9)
    events = admitted.events.with_columns(received_at=pl.lit(NOW, pl.Int64))
    uncounted = with_stands_for(admitted.uncounted, records)
    found = account_of_slice(events, uncounted, SlicePlace(0, 2, True, True, records, b""), 0)
    assert unpack_frame(found.ledger).equals(admitted.ledger)
    assert ledger_of(events, uncounted).equals(admitted.ledger)
    assert admitted.ledger.select("received", "dead_letter").row(0) == (34, 32)
    assert (found.min_event_time, found.max_event_time) == (NOW - 10**7, NOW + 10**7)
    assert (found.record_count, found.uncounted_count, found.max_received_at) == (5, 4, NOW)
    assert found.value_bytes == len(lines) + 2
    assert found.uncounted_bytes == int(weights_of(admitted.uncounted).sum()) > len(lines) // 2
    assert [each.tolist() for each in times_of(records)] == [[0, 1, 2, 3, 4], [NOW] * 5]
