"""A process that appends (`appending.py`), and what must hold of its log after any fault."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rtcdp.clock import ManualClock
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter

APPENDING = Path(__file__).with_name("appending.py")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def appending(directory: Path) -> Callable[..., list[str]]:
    """Run `appending.py` with these arguments under a wrapping command; returns what it said."""

    def run(*arguments: int, under: tuple[object, ...] = ()) -> list[str]:
        command = [*under, sys.executable, APPENDING, directory, *arguments]
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=False)
        return done.stdout.decode().splitlines()

    return run


@pytest.fixture
def recovered(directory: Path) -> Callable[[], list[bytes]]:
    """All records that a new reader finds, after a new writer could append one more."""

    def read_all() -> list[bytes]:
        reader = EmbeddedLogReader(directory)
        writer = EmbeddedLogWriter(directory, ManualClock())
        end = reader.extent(0).next_offset
        assert writer.append([Delivery(b"probe\n", 1, 5)])[0].first_offset == end
        writer.close()
        raws: list[bytes] = []
        while len(raws) <= end:
            records = reader.read(0, len(raws), 2**20)
            assert not records.odd
            raws += [each.raw for each in records.each()]
        reader.close()
        assert raws.pop() == b"probe"
        return raws

    return read_all
