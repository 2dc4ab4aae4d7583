import pytest

from rtcdp.clock import SystemClock
from rtcdp.log.contract import Delivery
from rtcdp.runtime.parts import log_writer
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.watching import watcher_of


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path)


def append(settings: Settings, *raws: bytes) -> None:
    clock = SystemClock()
    rejects = tuple(enumerate(raws))
    with log_writer(settings, clock) as writer:
        writer.append([Delivery(b"", 0, clock.now_ms(), rejects=rejects)])


def test_before_anything_was_started_there_is_nothing(settings):
    with watcher_of(settings, SystemClock()) as watcher:
        sample = watcher.sample()
    assert (sample.logged, sample.pending, sample.epoch, sample.lag_ms) == (0, 0, 0, 0)


def test_records_are_pending_until_they_are_counted(settings):
    append(settings, b"one", b"two")
    with watcher_of(settings, SystemClock()) as watcher:
        assert (watcher.sample().logged, watcher.sample().pending) == (2, 2)
        with processor_of(settings, SystemClock()) as processor:
            processor.recover()
            processor.step()
        sample = watcher.sample()
    assert (sample.logged, sample.pending, sample.totals["received"]) == (2, 0, 2)
