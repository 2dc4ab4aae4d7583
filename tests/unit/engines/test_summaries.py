"""A record may stand for several that were rejected: every one of them is in the ledger."""

import numpy as np
import pytest

from rtcdp.admission.batch import admit, decode_batch
from rtcdp.admission.event_id_index import SeenIds
from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_catalog
from rtcdp.log.contract import Delivery, RawRecord, summary_mark
from rtcdp.testing.driver import Driver
from rtcdp.verify.store_against_log import verify
from rtcdp.verify.stored import Kept

GOOD = b'{"userId":"u","timestamp":1767225600000,"eventType":"PAGE_VIEW"}\n'


@pytest.fixture
def driver(tmp_path) -> Driver:
    return Driver(load_catalog(None), tmp_path)


def rejects(driver: Driver, count: int) -> list[Delivery]:
    """A good event and a dead letter, and `count` more dead letters that have one summary."""
    now = driver.now_ms
    return [
        Delivery(b"", 0, now, rejects=((0, b"{}"),), replay_of=summary_mark(count)),
        Delivery(GOOD, 1, now, rejects=((1, b"{}"),)),
    ]


def test_the_ledger_counts_all_that_a_summary_stands_for(driver) -> None:
    driver.log.append(rejects(driver, 9_900))
    driver.process()
    with driver.store.snapshot() as snapshot:
        totals = snapshot.ledger_totals()
    assert (totals["received"], totals["admitted"], totals["dead_letter"]) == (9_902, 1, 9_901)


def test_the_ledger_of_a_summary_is_what_the_oracle_says(driver) -> None:
    driver.log.append(rejects(driver, 9_900))
    driver.process()
    kept = Kept(windows_ms=10**15, ledger_ms=10**15, now_ms=driver.now_ms)
    found = verify(driver.log, driver.store, load_catalog(None), AdmissionRules(), kept)
    assert found.differences == ()


def test_a_summary_is_one_dead_letter_that_says_how_many_it_stands_for(driver) -> None:
    driver.log.append(rejects(driver, 9_900))
    records = driver.log.read(0, 0, 10**6)
    assert (records.record_count, records.received_count) == (3, 9_902)
    seen = SeenIds(window_ms=3_600_000, capacity=100)
    rows = admit(decode_batch((records,), (), AdmissionRules()), seen).uncounted.to_dicts()
    assert [row["reason"] for row in rows] == ["missing_field"] * 2
    assert rows[0]["message"].startswith("9900 records of one request, of which this is the first:")
    assert rows[0]["raw"] == b"{}"


@pytest.mark.parametrize(
    ("mark", "count"),
    [
        (None, 1),
        ("0-17", 1),
        (summary_mark(7), 7),
        ("summary:0", 1),
        ("summary:-5", 1),
        ("summary:x", 1),
        ("summary:99999999", 1),
        ("summary:²", 1),
    ],
)
def test_a_mark_that_is_none_stands_for_one_record(mark: str | None, count: int) -> None:
    assert RawRecord(0, 0, 0, "default", "live", b"{}", replay_of=mark).stands_for == count
    assert np.int64(count) > 0
