"""Generated traffic with everything that goes wrong in it, through the whole catalog."""

import random

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_catalog
from rtcdp.definitions import tables_of
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.splitting import split
from rtcdp.log.contract import Delivery
from rtcdp.log.views import BoundedLogReader
from rtcdp.sources.synthetic.dials import Dials
from rtcdp.sources.synthetic.stream import EventStream, LineCounts
from rtcdp.store import Store
from rtcdp.testing.memory_log import MemoryLog
from rtcdp.verify.independent import verify_independently
from rtcdp.verify.oracle import Oracle
from rtcdp.verify.store_against_log import verify
from rtcdp.verify.stored import Kept
from tests.scale import IS_CHAOS

SPARK_ON = ("sqlite",)
"""To the servers it writes the whole catalog in test_same_numbers.py, batch after batch."""

START_MS = 1_767_225_600_000
LINES = 6_000
DIALS = Dials(
    disorder_s=30, duplicates=0.1, late=0.05, malformed=0.05, hot_user=0.2, without_ids=0.1
)
RULES = AdmissionRules()
FOREVER = Kept(windows_ms=10**13, ledger_ms=10**13, now_ms=START_MS)
NEVER = Kept(windows_ms=10**13, ledger_ms=10**13, now_ms=START_MS)


@pytest.fixture(scope="module")
def traffic() -> tuple[MemoryLog, EventStream]:
    """An hour of a shop's traffic as the collector hands it to the log, in requests of any size."""
    rng = random.Random(5)
    stream = EventStream(seed=5, run_ms=START_MS, users=40, dials=DIALS)
    times_ms = [START_MS + position * 3_600_000 // LINES for position in range(LINES)]
    lines = stream.lines(times_ms)
    log, first = MemoryLog(lambda: 500), 0
    while first < LINES:
        stop = min(LINES, first + rng.choice([1, 7, 100]))
        batch = split(b"\n".join(lines[first:stop]), "application/x-ndjson", CollectorLimits())
        log.append(
            [
                Delivery(
                    lines=batch.lines,
                    line_count=batch.line_count,
                    received_at=times_ms[stop - 1],
                    source="shop",
                    rejects=batch.rejects,
                )
            ]
        )
        first = stop
    return log, stream


class NamedLog(BoundedLogReader):
    """All of another log, under the name of the one that an engine was given a copy of."""

    def __init__(self, log: MemoryLog, log_id: str) -> None:
        super().__init__(log, {p: log.extent(p).next_offset for p in log.partitions()})
        self._log_id = log_id

    def log_id(self) -> str:
        return self._log_id


BATCH_BYTES = [10_000, 10**9, *([2_000, 50_000] if IS_CHAOS else [])]


@pytest.fixture(scope="module")
def oracle(traffic: tuple[MemoryLog, EventStream]) -> Oracle:
    return Oracle(load_catalog(), RULES).feed(traffic[0].records())


@pytest.mark.parametrize("max_batch_bytes", BATCH_BYTES)
def test_all_who_judge_it_agree(traffic, oracle, run_engine, open_store, max_batch_bytes) -> None:
    log, stream = traffic
    store = open_store()
    run_engine(log, store, load_catalog(), RULES, max_batch_bytes)
    every_table_equals_the_oracle_s(store, oracle)
    the_ledger_is_as_the_generator_foretells(store, stream.counts)
    named = NamedLog(log, store.progress().log_id)
    assert verify(named, store, load_catalog(), RULES, FOREVER).differences == ()
    found = verify_independently(log, store, load_catalog(), RULES, NEVER)
    assert (found.disagreements, found.set_aside, found.records) == ((), (), LINES)


def every_table_equals_the_oracle_s(store: Store, oracle: Oracle) -> None:
    for metric in stored_metrics(load_catalog()):
        for table in tables_of(metric):
            width = len(table.primary_key)
            found = {row[:width]: list(row[width:]) for row in store.dump(table).rows()}
            assert found == oracle.rows[table.name], table.name


def the_ledger_is_as_the_generator_foretells(store: Store, counts: LineCounts) -> None:
    with store.snapshot() as snapshot:
        totals = snapshot.ledger_totals()
    assert totals["received"] == LINES
    assert totals["late"] == counts.late
    assert totals["dead_letter"] == counts.malformed
    assert totals["duplicate"] == counts.duplicate
    assert totals["admitted"] == counts.fresh
