"""A log in a directory of its own, and hands to damage it."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rtcdp.clock import ManualClock
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter, file_of


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def writer(directory: Path) -> Iterator[EmbeddedLogWriter]:
    writer = EmbeddedLogWriter(directory, ManualClock(1), lock_timeout_ms=50)
    yield writer
    writer.close()


@pytest.fixture
def reader(directory: Path) -> Iterator[EmbeddedLogReader]:
    reader = EmbeddedLogReader(directory, lock_timeout_ms=50)
    yield reader
    reader.close()


@pytest.fixture
def sql(directory: Path) -> Callable[..., list[tuple]]:
    """Run SQL on the log's file behind its back."""

    def run(statement: str, *parameters: object) -> list[tuple]:
        connection = sqlite3.connect(file_of(directory), isolation_level=None)
        try:
            return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    return run
