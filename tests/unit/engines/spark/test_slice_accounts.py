"""The account of a slice."""

import json

import polars as pl

from rtcdp.engines.admission import account, screen
from rtcdp.engines.spark.slice_accounts import (
    SlicePlace,
    account_of_slice,
    ledger_of,
    times_of,
    weights_of,
)
from rtcdp.engines.spark.slices import unpack_frame
from rtcdp.events.rules import AdmissionRules
from rtcdp.log.log import Delivery
from rtcdp.testing.memory_log import MemoryLog

NOW = 1_767_225_600_000


def line(at: int, user: str = "ada") -> bytes:
    return json.dumps({"userId": user, "timestamp": NOW + at, "eventType": "A"}).encode()


def test_it_says_of_every_record_what_the_native_engine_says() -> None:
    log = MemoryLog()
    lines = b"\n".join([line(0), line(-(10**7)), line(10**7), b""])
    log.append([Delivery(lines, 3, NOW, "shop", rejects=((1, b"{"),))])
    records = log.read(0, 0, 10**6)
    screened = screen(records, (), AdmissionRules())
    admitted = account(screened, screened.verdicts, screened.verdicts > 9)
    events = admitted.events.with_columns(received_at=pl.lit(NOW, pl.Int64))
    found = account_of_slice(events, admitted.uncounted, SlicePlace(0, 2, True, True, records), 0)
    assert unpack_frame(found.ledger).equals(admitted.ledger)
    assert ledger_of(events, admitted.uncounted).equals(admitted.ledger)
    assert (found.min_event_time, found.max_event_time) == (NOW - 10**7, NOW + 10**7)
    assert (found.record_count, found.uncounted_count, found.max_received_at) == (4, 3, NOW)
    assert found.value_bytes == len(lines) + 1
    assert found.uncounted_bytes == int(weights_of(admitted.uncounted).sum()) > len(lines) // 2
    assert [each.tolist() for each in times_of(records)] == [[0, 1, 2, 3], [NOW] * 4]
