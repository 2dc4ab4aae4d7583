"""How fresh answers are."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rtcdp.answers import freshness as freshness_module
from rtcdp.answers.freshness import Freshness, Installation, LogSight, open_reading
from rtcdp.log.contract import Delivery, LogExtent, LogUnavailable, Records
from rtcdp.log.embedded import EmbeddedLogReader
from rtcdp.log.marks import marks_before
from rtcdp.store import Progress
from rtcdp.testing.driver import START_MS, Driver
from rtcdp.testing.memory_log import MemoryLog

MakeInstallation = Callable[..., Installation]


class Partitions:
    """Several logs as the partitions of one."""

    def __init__(self, logs: Sequence[MemoryLog]) -> None:
        self._logs = logs

    def partitions(self) -> Sequence[int]:
        return range(len(self._logs))

    def log_id(self) -> str:
        return "memory"

    def oldest_received_at(self, partition: int, offset: int) -> int | None:
        return self._logs[partition].oldest_received_at(0, offset)

    def extent(self, partition: int) -> LogExtent:
        return replace(self._logs[partition].extent(0), partition=partition)

    def read(self, partition: int, offset: int, max_bytes: int) -> Records:
        return replace(self._logs[partition].read(0, offset, max_bytes), partition=partition)


def send(driver: Driver) -> None:
    driver.feed({"userId": "ada", "eventType": "SEARCH", "timestamp": driver.now_ms})


def freshness(installation: Installation) -> Freshness:
    with open_reading(installation) as reading:
        return reading.freshness


def test_an_empty_log_is_caught_up(make_installation: MakeInstallation) -> None:
    assert freshness(make_installation()) == Freshness(START_MS, 0)


def test_caught_up_answers_are_as_of_now(
    driver: Driver, make_installation: MakeInstallation
) -> None:
    send(driver)
    driver.process()
    driver.advance(seconds=60)
    assert freshness(make_installation()) == Freshness(START_MS + 60_000, 0)


def test_behind_the_log_they_are_as_of_the_first_record_that_waits(
    driver: Driver, make_installation: MakeInstallation
) -> None:
    send(driver)
    driver.process()
    driver.advance(seconds=1)
    send(driver)
    driver.advance(seconds=1)
    send(driver)
    driver.advance(seconds=1)
    assert freshness(make_installation()) == Freshness(START_MS + 1000, 2000)


def test_of_several_partitions_the_oldest_waiting_record_counts(
    driver: Driver, make_installation: MakeInstallation
) -> None:
    logs = (MemoryLog(), MemoryLog())
    for second, log in zip((5, 2), logs, strict=True):
        log.append([Delivery(b"{}\n", 1, START_MS + 1000 * second)])
    driver.advance(seconds=10)
    assert freshness(make_installation(log=Partitions(logs))) == Freshness(START_MS + 2000, 8000)


def test_what_came_after_the_question_is_no_lag(
    driver: Driver, make_installation: MakeInstallation
) -> None:
    installation = make_installation()
    with open_reading(installation) as reading:
        send(driver)
        assert reading.freshness == Freshness(START_MS, 0)


def test_without_a_log_they_are_as_of_the_last_commit(
    driver: Driver, make_installation: MakeInstallation
) -> None:
    send(driver)
    driver.process()
    driver.advance(seconds=5)
    assert freshness(make_installation(log=None)) == Freshness(START_MS, 5000)


def test_without_a_log_and_a_commit_nothing_is_known(make_installation: MakeInstallation) -> None:
    assert freshness(make_installation(log=None)) == Freshness(None, 0)


def test_the_smallest_intake_time_of_all_that_waits_counts(
    driver: Driver, make_installation: MakeInstallation
) -> None:
    for second in (5, 2, 7):
        driver.log.append([Delivery(b"{}\n", 1, START_MS + 1000 * second)])
    driver.advance(seconds=10)
    assert freshness(make_installation()) == Freshness(START_MS + 2000, 8000)


def test_beside_another_log_nothing_is_known_and_it_says_why(
    driver: Driver, make_installation: MakeInstallation
) -> None:
    send(driver)
    driver.process()
    other = MemoryLog()
    other.append([Delivery(b"{}\n", 1, START_MS)] * 5)
    other.identity = "other"
    unknown = freshness(make_installation(log=other))
    assert (unknown.as_of, unknown.lag_ms) == (None, None)
    assert "has counted the log memory, but this log is other" in str(unknown.warning)


def test_beside_an_older_copy_that_has_grown_nothing_is_known(
    driver: Driver, make_installation: MakeInstallation
) -> None:
    send(driver)
    driver.process()
    copy = MemoryLog()
    copy.append([Delivery(b"{}\n", 1, START_MS)] * 5)
    unknown = freshness(make_installation(log=copy))
    assert (unknown.as_of, unknown.lag_ms) == (None, None)
    assert "older copy" in str(unknown.warning)


def test_beside_a_log_that_is_not_there_nothing_is_known(
    driver: Driver, make_installation: MakeInstallation, tmp_path: Path
) -> None:
    send(driver)
    driver.process()
    unknown = freshness(make_installation(log=EmbeddedLogReader(tmp_path / "absent")))
    assert (unknown.as_of, unknown.lag_ms) == (None, None)
    assert "there is no log" in str(unknown.warning)


class Away(MemoryLog):
    """A log whose server answers late or not at all."""

    def __init__(self, takes_s: float) -> None:
        super().__init__()
        self.takes_s = takes_s
        self.asked = 0
        self.is_away = True

    def extent(self, partition):
        self.asked += 1
        if self.is_away:
            time.sleep(self.takes_s)
            raise LogUnavailable("no broker answers")
        return super().extent(partition)


@pytest.mark.parametrize(("takes_s", "asked"), [(0.0, 3), (0.5, 1)])
def test_only_what_was_slow_to_fail_is_not_asked_again(monkeypatch, takes_s, asked):
    monkeypatch.setattr(freshness_module, "SLOW_S", 0.4)
    log, sight = Away(takes_s), LogSight()
    assert [sight.extents(log) for _ in range(3)] == ["no broker answers"] * 3
    assert log.asked == asked


def test_a_log_that_is_back_is_asked_again(monkeypatch):
    monkeypatch.setattr(freshness_module, "SLOW_S", 0.0)
    monkeypatch.setattr(freshness_module, "REMEMBERED_S", 0.0)
    log, sight = Away(0.0), LogSight()
    assert sight.extents(log) == "no broker answers"
    log.is_away = False
    assert not isinstance(sight.extents(log), str)


def test_the_last_counted_record_is_looked_up_now_and_then(monkeypatch):
    counted, copy, sight = MemoryLog(), MemoryLog(), LogSight()
    counted.append([Delivery(b'{"n":1}\n', 1, 5)])
    copy.append([Delivery(b'{"n":2}\n', 1, 5)])
    progress = Progress(1, {0: 1}, log_id="memory", marks=marks_before(counted, {0: 1}))
    extents = (counted.extent(0),)
    assert sight.oldest_waiting(counted, extents, progress) is None
    assert sight.oldest_waiting(copy, extents, progress) is None
    monkeypatch.setattr(freshness_module, "COMPARED_EVERY_S", 0.0)
    assert "older copy" in str(sight.oldest_waiting(copy, extents, progress))
    assert sight.oldest_waiting(counted, extents, progress) is None
