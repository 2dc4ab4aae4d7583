"""What is deleted, and when: by earned time, and never what somebody still needs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rtcdp.clock import ManualClock
from rtcdp.engines.upkeep import Keeping, Upkeep
from rtcdp.log.contract import Delivery
from rtcdp.log.limits import Retention
from rtcdp.store import Epoch, EpochSpan, UncountedScan
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.epochs import EpochMaker
from rtcdp.testing.memory_log import MemoryLog

NOW = 1_767_225_600_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
KEEPING = Keeping(Retention(max_age_ms=7 * DAY_MS), 30 * DAY_MS, 30 * DAY_MS, HOUR_MS)


class Installation:
    """A log and a store with a dead letter among five records, all counted."""

    def __init__(self, directory: Path) -> None:
        self.clock = ManualClock(NOW)
        self.log = MemoryLog()
        self.store = SqliteStore(directory / "store.db")
        self.store.prepare(())
        self.epochs = EpochMaker()
        self.said: list[str] = []
        self.count(NOW)
        self.start()

    def count(self, received_at: int) -> None:
        """Five records more, of which one is a dead letter, taken in and counted."""
        self.log.append([Delivery(b"{}\n" * 5, 5, received_at)])
        epoch = self.epochs.make(admitted=4, uncounted=[{}], received_at=received_at)
        self.store.commit(replace(epoch, remembered_from={0: 0}))

    def start(self, keeping: Keeping = KEEPING) -> None:
        self.upkeep = Upkeep(self.log, self.store, self.clock, keeping, self.said.append)

    def run(self, milliseconds: int, every_ms: int = 60_000) -> None:
        """Let a processor run for so long."""
        for _ in range(milliseconds // every_ms):
            self.clock.advance(every_ms)
            self.upkeep.expire(self.store.progress())

    @property
    def left(self) -> tuple[int, int]:
        """How many records and dead letters are left."""
        extent = self.log.extent(0)
        with self.store.snapshot() as snapshot:
            return extent.next_offset - extent.first_offset, snapshot.uncounted(
                UncountedScan()
            ).height


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    yield installation
    installation.store.close()


def test_what_is_old_is_deleted_after_it_was_kept_for_as_long(installation: Installation) -> None:
    installation.run(6 * DAY_MS, every_ms=HOUR_MS)
    assert installation.left == (5, 1)
    installation.run(2 * DAY_MS, every_ms=HOUR_MS)
    assert installation.left == (0, 1)
    assert installation.store.progress().decided_from == {0: 5}
    installation.run(23 * DAY_MS, every_ms=HOUR_MS)
    assert installation.left == (0, 0)
    assert installation.said == []


@pytest.mark.parametrize("wrong_by_ms", [40 * DAY_MS, 4_000 * DAY_MS])
def test_a_clock_far_ahead_for_a_moment_deletes_nothing(
    installation: Installation, wrong_by_ms: int
) -> None:
    installation.run(HOUR_MS)
    installation.clock.step(wrong_by_ms)
    installation.count(NOW + HOUR_MS + wrong_by_ms)
    installation.run(9_000, every_ms=1_000)
    installation.clock.step(-wrong_by_ms)
    installation.run(2 * HOUR_MS)
    assert installation.left == (10, 2)


def test_a_restart_while_the_clock_is_ahead_deletes_nothing(installation: Installation) -> None:
    installation.run(HOUR_MS)
    installation.clock.step(400 * DAY_MS)
    installation.count(NOW + HOUR_MS + 400 * DAY_MS)
    for _ in range(3):
        installation.start()
        installation.run(HOUR_MS)
    assert installation.left == (10, 2)


def test_records_of_a_clock_far_behind_are_not_old(installation: Installation) -> None:
    installation.clock.step(-4_000 * DAY_MS)
    installation.count(NOW - 4_000 * DAY_MS)
    installation.run(HOUR_MS)
    installation.clock.step(4_000 * DAY_MS)
    installation.run(2 * HOUR_MS)
    assert installation.left == (10, 2)


def test_what_came_long_before_it_is_counted_stays_however_long_a_processor_waited(
    tmp_path: Path,
) -> None:
    clock, log, store = ManualClock(NOW), MemoryLog(), SqliteStore(tmp_path / "store.db")
    store.prepare(())
    upkeep = Upkeep(log, store, clock, KEEPING, [].append)
    clock.advance(60_000)
    upkeep.expire(store.progress())
    received_at = NOW - 90 * DAY_MS
    log.append([Delivery(b"{}\n" * 5, 5, received_at)])
    store.commit(EpochMaker().make(admitted=4, uncounted=[{}], received_at=received_at))
    for _ in range(60):
        clock.advance(60_000)
        upkeep.expire(store.progress())
    with store.snapshot() as snapshot:
        assert snapshot.ledger()["received"].to_list() == [5]
        assert snapshot.uncounted(UncountedScan()).height == 1
    store.close()


def test_a_first_start_by_a_clock_that_is_ahead_deletes_nothing(tmp_path: Path) -> None:
    clock, log, store = ManualClock(NOW), MemoryLog(partitions=2), SqliteStore(tmp_path / "s.db")
    store.prepare(())
    clock.step(40 * DAY_MS)
    upkeep = Upkeep(log, store, clock, KEEPING, [].append)
    for partition, received_at in enumerate((NOW, NOW + 40 * DAY_MS)):
        log.append([Delivery(b"{}\n" * 5, 5, received_at)], partition)
    epoch = EpochMaker().make(admitted=5, received_at=NOW)
    store.commit(replace(epoch, max_received_at={0: NOW, 1: NOW + 40 * DAY_MS}))
    clock.advance(60_000)
    upkeep.expire(store.progress())
    with store.snapshot() as snapshot:
        assert snapshot.ledger()["received"].to_list() == [5]
    store.close()


def test_the_first_time_of_a_store_of_before_is_no_later_than_its_records(
    installation: Installation,
) -> None:
    installation.clock.step(400 * DAY_MS)
    installation.start()
    installation.run(12 * HOUR_MS, every_ms=HOUR_MS)
    assert installation.left == (5, 1)


def test_a_step_of_the_clock_is_said_aloud_kept_and_suspends(installation: Installation) -> None:
    keeping = Keeping(Retention(max_age_ms=1, min_age_ms=0), 0, 0, 1)
    installation.start(keeping)
    installation.clock.step(3_600_000)
    installation.upkeep.look(installation.store.progress)
    assert installation.said[0].startswith("the host's clock was set 3,600 s ahead")
    with installation.store.snapshot() as snapshot:
        kept = snapshot.kept_time()
    assert (kept.step_ms, kept.stepped_at, kept.is_suspended) == (3_600_000, NOW + 3_600_000, True)
    installation.run(9 * 60_000)
    assert installation.left == (5, 1)
    installation.run(3 * 60_000)
    assert installation.left == (0, 0)
    assert installation.said[1] == "the host's clock goes right again: what is old may be deleted"
    with installation.store.snapshot() as snapshot:
        assert not snapshot.kept_time().is_suspended


def test_a_backlog_keeps_what_its_records_may_repeat(installation: Installation) -> None:
    """Five hours of records wait, while the log is above all of its limits."""
    installation.start(replace(KEEPING, log=Retention(max_age_ms=1, min_age_ms=0)))
    installation.log.append([Delivery(b"{}\n", 1, NOW + 1)])
    installation.run(5 * HOUR_MS)
    assert installation.left == (6, 1)


def test_a_quiet_log_deletes_what_nothing_can_repeat_any_more(installation: Installation) -> None:
    installation.start(replace(KEEPING, log=Retention(max_age_ms=1, min_age_ms=0)))
    installation.run(HOUR_MS)
    assert installation.left == (5, 1)
    installation.run(HOUR_MS)
    assert installation.left == (0, 1)


def test_verdicts_stay_as_long_as_the_log_holds_their_records(installation: Installation) -> None:
    installation.start(replace(KEEPING, log=None, uncounted_ms=1))
    installation.run(2 * DAY_MS, every_ms=HOUR_MS)
    assert installation.left == (5, 1)


def test_a_log_that_loses_records_too_early_is_said_aloud_once(installation: Installation) -> None:
    installation.start(replace(KEEPING, log=None))
    installation.log.trim(3)
    installation.run(5 * 60_000)
    assert len(installation.said) == 1
    assert "partition 0 of the log has lost records up to offset 3" in installation.said[0]


def test_spans_without_records_need_nothing(installation: Installation) -> None:
    ledger = installation.epochs.make(admitted=0).ledger.clear()
    span = EpochSpan(0, 5, 5, None, None)
    installation.store.commit(Epoch(2, (span,), (), ledger, installation.epochs.make().uncounted))
    installation.run(60_000)
