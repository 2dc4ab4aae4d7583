"""Nothing is appended to a log that another store belongs to."""

import shutil
import threading
from contextlib import closing
from pathlib import Path

import pytest

from rtcdp.clock import ManualClock
from rtcdp.log.contract import Delivery, LogUnavailable
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.log.marks import marks_before
from rtcdp.runtime.parts.guarded_log import GuardedLogWriter, watched
from rtcdp.store import Progress, StoreUnavailable

DELIVERY = Delivery(b'{"a":1}\n', 1, 5)


class Installation:
    """A log's directory, and what its store would say."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = EmbeddedLogReader(directory)
        self.progress = Progress()
        self.said: list[str] = []
        self.is_store_away = False
        self.made = 0
        self.has_had_to_exist: list[bool] = []

    def ask(self) -> Progress:
        if self.is_store_away:
            raise StoreUnavailable("the store is away")
        return self.progress

    def open_writer(self, must_exist: bool) -> EmbeddedLogWriter:
        self.made += 1
        self.has_had_to_exist.append(must_exist)
        return EmbeddedLogWriter(self.directory, ManualClock(self.made), must_exist=must_exist)

    def writer(self) -> GuardedLogWriter:
        return GuardedLogWriter(self.open_writer, self.log, self.ask, self.said.append)

    def count(self) -> None:
        """Let the store have counted all that there is."""
        end = self.log.extent(0).next_offset
        self.progress = Progress(
            1, {0: end}, log_id=self.log.log_id(), marks=marks_before(self.log, {0: end})
        )


@pytest.fixture
def installation(tmp_path):
    made = Installation(tmp_path / "log")
    yield made
    made.log.close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr("rtcdp.runtime.parts.guarded_log.LOOK_EVERY_S", 0.01)


def test_a_new_log_is_made_where_nothing_was_counted(installation):
    with closing(installation.writer()) as writer:
        assert writer.append([DELIVERY])[0].first_offset == 0
        writer.look()
        assert (writer.trouble, installation.said) == (None, [])


def test_no_new_log_is_made_where_one_was_counted(installation):
    installation.progress = Progress(1, {0: 3}, log_id="embedded:7")
    with closing(installation.writer()) as writer:
        for _ in range(2):
            with pytest.raises(LogUnavailable, match="counted the log embedded:7, but there is no"):
                writer.append([DELIVERY])
        assert "embedded:7" in str(writer.trouble)
    assert not installation.directory.exists()
    assert len(installation.said) == 1


def test_another_log_and_an_older_copy_of_the_same_are_refused(installation):
    with closing(installation.writer()) as writer:
        writer.append([DELIVERY])
    copy = installation.directory.with_name("copy")
    shutil.copytree(installation.directory, copy)
    with closing(installation.writer()) as writer:
        writer.append([DELIVERY])
        installation.count()
    shutil.rmtree(installation.directory)
    shutil.copytree(copy, installation.directory)
    with closing(EmbeddedLogWriter(installation.directory, ManualClock())) as foreign:
        foreign.append([Delivery(b'{"b":2}\n', 1, 6)])
    installation.log = EmbeddedLogReader(installation.directory)
    with closing(installation.writer()) as writer:
        with pytest.raises(LogUnavailable, match="older copy"):
            writer.append([DELIVERY])
        installation.progress = Progress(1, {0: 1}, log_id="embedded:99")
        writer.look()
        assert "embedded:99" in str(writer.trouble)


@pytest.mark.parametrize("has_counted", [False, True])
def test_a_log_that_was_taken_away_is_gone_on_with_when_it_is_back(installation, has_counted):
    away = installation.directory.with_name("away")
    with closing(installation.writer()) as writer:
        writer.append([DELIVERY])
        if has_counted:
            installation.count()
        installation.directory.rename(away)
        writer.look()
        assert "was deleted" in str(writer.trouble)
        for _ in range(3):
            writer.look()
            with pytest.raises(LogUnavailable):
                writer.append([DELIVERY])
        assert not installation.directory.exists()
        away.rename(installation.directory)
        writer.look()
        assert writer.trouble is None
        assert writer.append([DELIVERY])[0].first_offset == 1
        assert installation.has_had_to_exist == [False, True]


def test_a_log_that_was_made_anew_behind_its_back_is_refused(installation):
    with closing(installation.writer()) as writer:
        writer.append([DELIVERY])
        shutil.rmtree(installation.directory)
        with closing(EmbeddedLogWriter(installation.directory, ManualClock(99))):
            writer.look()
            writer.look()
        assert "now it is embedded:99" in str(writer.trouble)
        with pytest.raises(LogUnavailable):
            writer.append([DELIVERY])
        assert EmbeddedLogReader(installation.directory).extent(0).next_offset == 0


def test_a_store_that_turns_out_to_have_counted_another_log_ends_the_intake(installation):
    with closing(installation.writer()) as writer:
        writer.append([DELIVERY])
        installation.progress = Progress(1, {0: 1}, log_id="embedded:99")
        writer.look()
        with pytest.raises(LogUnavailable, match="embedded:99"):
            writer.append([DELIVERY])


def test_a_store_that_is_away_keeps_nothing_from_being_taken(installation):
    installation.is_store_away = True
    with closing(installation.writer()) as writer:
        writer.append([DELIVERY])
        writer.look()
        assert writer.trouble is None


def test_what_the_store_said_holds_while_it_is_away(installation):
    installation.progress = Progress(1, {0: 3}, log_id="embedded:7")
    with closing(installation.writer()) as writer:
        writer.look()
        installation.is_store_away = True
        writer.look()
        assert writer.trouble is not None
    assert not installation.directory.exists()


def test_somebody_looks_all_the_time(installation):
    with closing(installation.writer()) as writer:
        writer.append([DELIVERY])
        noticed = threading.Event()
        writer._on_trouble = lambda _: noticed.set()
        with watched(writer):
            shutil.rmtree(installation.directory)
            assert noticed.wait(20)


def test_a_closed_writer_says_so(installation):
    writer = installation.writer()
    writer.close()
    writer.close()
    with pytest.raises(LogUnavailable, match="closed"):
        writer.append([DELIVERY])
