"""Traffic that is spread over partitions, with clients that repeat themselves on any of them."""

import random

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_catalog
from rtcdp.log.contract import Delivery
from rtcdp.sources.synthetic.bulk import START_MS, bench_events
from rtcdp.testing.memory_log import MemoryLog
from rtcdp.verify.independent import verify_independently
from rtcdp.verify.store_against_log import verify
from rtcdp.verify.stored import Kept

ENGINES = ("native",)
"""Spark takes the first of two records that it happens to read, so that a repetition on another
partition may count in the minute of the one or of the other."""

PARTITIONS = 3
EVENTS = 3_000
REPEATS = 600
RULES = AdmissionRules()
FOREVER = Kept(windows_ms=10**13, ledger_ms=10**13, now_ms=START_MS)
NEVER = Kept(windows_ms=10**13, ledger_ms=10**13, now_ms=START_MS)


@pytest.fixture(scope="module")
def spread() -> MemoryLog:
    """An hour of events; each fifth comes again a little later, on some other partition."""
    rng = random.Random(9)
    lines = b"".join(bench_events(EVENTS, users=40, with_ids=True)).splitlines(keepends=True)
    sent = [(number, number % PARTITIONS, line) for number, line in enumerate(lines)]
    for number in rng.sample(range(EVENTS), REPEATS):
        later = number + rng.uniform(0.5, EVENTS / 2)
        sent.append((later, rng.randrange(PARTITIONS), lines[number]))
    log = MemoryLog(lambda: 100, PARTITIONS)
    for number, partition, line in sorted(sent):
        received_at = START_MS + 5_000 + int(number * 3_600_000 / EVENTS)
        delivery = Delivery(line, 1, received_at, intake="import")
        log.append([delivery], partition)
    return log


@pytest.mark.parametrize("max_batch_bytes", [20_000, 10**9])
def test_an_event_counts_once_and_verify_agrees(
    spread, run_engine, open_store, max_batch_bytes
) -> None:
    store = open_store()
    run_engine(spread, store, load_catalog(), RULES, max_batch_bytes)
    with store.snapshot() as snapshot:
        totals = snapshot.ledger_totals()
    assert totals["received"] == EVENTS + REPEATS
    assert (totals["admitted"], totals["duplicate"]) == (EVENTS, REPEATS)
    assert verify(spread, store, load_catalog(), RULES, FOREVER).differences == ()
    found = verify_independently(spread, store, load_catalog(), RULES, NEVER)
    assert (found.disagreements, found.set_aside) == ((), ())
