"""A log that is slow to say that it is away is not asked by everybody."""

import time

import pytest

from rtcdp.api import log_sight
from rtcdp.api.log_sight import LogSight
from rtcdp.log.contract import Delivery, LogUnavailable
from rtcdp.log.marks import marks_before
from rtcdp.store import Progress
from rtcdp.testing.memory_log import MemoryLog


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


@pytest.mark.parametrize(("takes_s", "asked"), [(0.0, 3), (0.02, 1)])
def test_only_what_was_slow_to_fail_is_not_asked_again(monkeypatch, takes_s, asked):
    monkeypatch.setattr(log_sight, "SLOW_S", 0.01)
    log, sight = Away(takes_s), LogSight()
    assert [sight.extents(log) for _ in range(3)] == ["no broker answers"] * 3
    assert log.asked == asked


def test_a_log_that_is_back_is_asked_again(monkeypatch):
    monkeypatch.setattr(log_sight, "SLOW_S", 0.0)
    monkeypatch.setattr(log_sight, "REMEMBERED_S", 0.0)
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
    monkeypatch.setattr(log_sight, "COMPARED_EVERY_S", 0.0)
    assert "older copy" in str(sight.oldest_waiting(copy, extents, progress))
    assert sight.oldest_waiting(counted, extents, progress) is None
