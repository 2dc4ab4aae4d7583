"""How long a store takes."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from rtcdp.clock import ManualClock
from rtcdp.store import StoreUnavailable
from rtcdp.store.measured import StoreTimes, measured_store
from rtcdp.store.sqlite import SqliteStore


def test_what_is_asked_is_timed_and_answered_by_the_store(tmp_path: Path) -> None:
    registry, clock = CollectorRegistry(), ManualClock(0)
    plain = SqliteStore(tmp_path / "store.db")
    store = measured_store(plain, StoreTimes(registry, clock.monotonic))
    store.prepare([])
    assert store.progress() == plain.progress()
    with store.snapshot() as snapshot:
        assert snapshot.ledger_totals()["received"] == 0
        clock.advance(2_000)
    with pytest.raises(StoreUnavailable, match="away"), store.snapshot():
        raise StoreUnavailable("away", "wait")
    store.close()
    value = registry.get_sample_value
    assert value("rtcdp_store_seconds_count", {"operation": "progress"}) == 1
    assert value("rtcdp_store_seconds_count", {"operation": "read"}) == 2
    assert value("rtcdp_store_seconds_sum", {"operation": "read"}) == 2
    assert value("rtcdp_store_seconds_count", {"operation": "commit"}) == 0
