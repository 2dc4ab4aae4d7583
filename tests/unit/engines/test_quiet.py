"""A partition without events holds nothing back, and what was final stays as it was."""

from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.answers.windows import WindowQuery, windows
from rtcdp.catalog.catalog import load_catalog
from rtcdp.clock import ManualClock
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.quiet import LOOK_EVERY_S, QUIET_FOR_S
from rtcdp.engines.upkeep import Keeping, Upkeep
from rtcdp.log.contract import Delivery
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.memory_log import MemoryLog

NOW = 1_767_225_600_000
RULES = AdmissionRules(allowed_lateness_ms=60_000)
LATENESS_MS = RULES.allowed_lateness_ms
METRICS = [each for each in load_catalog() if each.name == "user_page_view_counts"]
TICK_MS = 2_500


class Installation:
    """A log of three partitions, of which the first two have had an event, and its processor."""

    def __init__(self, store: SqliteStore) -> None:
        self.clock, self.log, self.store = ManualClock(NOW), MemoryLog(partitions=3), store
        self.append(0)
        self.append(1)
        self.start()

    def start(self) -> None:
        self.processor = Processor(self.log, self.store, METRICS, RULES, self.clock)
        self.processor.recover()

    def append(self, partition: int, received_at: int | None = None, old_ms: int = 0) -> None:
        """Let a user of a partition view a page; the event is `old_ms` old when it comes."""
        now = self.clock.now_ms() if received_at is None else received_at
        event = {"userId": f"u{partition}", "eventType": "PAGE_VIEW", "timestamp": now - old_ms}
        self.log.append([Delivery(msgspec.json.encode(event) + b"\n", 1, now)], partition)

    def run(self, seconds: float, busy: int | None = 0) -> None:
        """Let the time go by; one partition has an event every tick, and all is counted."""
        for _ in range(int(seconds * 1000 / TICK_MS)):
            self.clock.advance(TICK_MS)
            if busy is not None:
                self.append(busy)
            self.processor.step()

    @property
    def behind_s(self) -> float:
        """How far what is final is behind the clock, beside the allowed lateness."""
        watermark = self.store.progress().watermark(LATENESS_MS)
        assert watermark is not None
        return (self.clock.now_ms() - LATENESS_MS - watermark) / 1000


@pytest.fixture
def installation(tmp_path) -> Iterator[Installation]:
    with closing(SqliteStore(tmp_path / "store.db")) as store:
        yield Installation(store)


LATEST_S = QUIET_FOR_S + 2 * LOOK_EVERY_S
"""By so much at most a quiet partition holds back the others."""


def test_a_quiet_partition_holds_back_the_others_for_seconds_only(installation):
    installation.run(QUIET_FOR_S - TICK_MS / 1000)
    assert installation.behind_s == QUIET_FOR_S - TICK_MS / 1000
    installation.run(60)
    assert QUIET_FOR_S <= installation.behind_s <= LATEST_S
    installation.start()
    installation.run(60)
    assert QUIET_FOR_S <= installation.behind_s <= LATEST_S


@pytest.mark.parametrize("partition", [1, 2])
def test_whoever_has_something_waiting_holds_all_back(installation, partition):
    """Also in a partition that was never counted, of which the store knows nothing."""
    installation.run(30)
    installation.append(partition)
    before = installation.store.progress()
    keeping = Keeping(None, None, None, RULES.dedup_window_ms)
    upkeep = Upkeep(installation.log, installation.store, installation.clock, keeping, print)
    for _ in range(24):
        installation.clock.advance(TICK_MS)
        upkeep.look(lambda: before)
    assert installation.store.progress().quiet_until == before.quiet_until
    installation.run(30)
    assert installation.behind_s <= LATEST_S


def test_what_was_final_stays_and_what_comes_is_not_late_for_it(installation):
    installation.run(180)
    final_until = installation.store.progress().watermark(LATENESS_MS)
    was = final_windows(installation)
    assert was
    # As old as may be: it belongs to a window that is just not final.
    installation.append(1, old_ms=LATENESS_MS)
    installation.append(1, old_ms=LATENESS_MS + 1)
    installation.processor.step()
    with installation.store.snapshot() as snapshot:
        totals = snapshot.ledger_totals()
    assert totals["late"] == 1
    assert totals["admitted"] == totals["received"] - 1
    assert installation.store.progress().watermark(LATENESS_MS) >= final_until
    assert [each for each in final_windows(installation) if each in was] == was


def final_windows(installation):
    with installation.store.snapshot() as snapshot:
        until = snapshot.progress.watermark(LATENESS_MS)
        page = windows(snapshot, METRICS[0], WindowQuery(limit=1000, final_until=until))
    return [each for each in page.items if each["final"]]


def test_a_record_from_the_future_moves_no_other_partition(installation):
    installation.append(0, received_at=NOW + 86_400_000)
    installation.run(30, busy=None)
    assert installation.store.progress().reached[1] <= installation.clock.now_ms()
    installation.run(30, busy=1)
    assert installation.behind_s <= LATEST_S
