"""Every log there is, behind the contract alone. A new one joins by an entry in `LOGS`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

import pytest

from rtcdp.clock import ManualClock
from rtcdp.log.contract import LogReader, LogWriter
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.log.kafka import KafkaLogReader, KafkaLogWriter, parse_topic
from rtcdp.testing.memory_log import MemoryLog


@dataclass
class LogUnderTest:
    """One log with one partition; `reader()` and `writer()` open it, each time anew."""

    reader: Callable[[], LogReader]
    writer: Callable[[], LogWriter]
    expires: bool = True
    """Kafka expires by its own settings."""


def _memory(request: pytest.FixtureRequest) -> LogUnderTest:
    del request
    log = MemoryLog()
    return LogUnderTest(lambda: log, lambda: log)


def _embedded(request: pytest.FixtureRequest) -> LogUnderTest:
    directory = request.getfixturevalue("tmp_path") / "log"
    return LogUnderTest(
        lambda: EmbeddedLogReader(directory), lambda: EmbeddedLogWriter(directory, ManualClock(0))
    )


def _kafka(request: pytest.FixtureRequest) -> LogUnderTest:
    url = request.getfixturevalue("kafka_server").url(request.getfixturevalue("new_topic")())
    return LogUnderTest(
        lambda: KafkaLogReader(parse_topic(url)),
        lambda: KafkaLogWriter(parse_topic(url)),
        expires=False,
    )


LOGS = {"memory": _memory, "embedded": _embedded, "kafka": _kafka}


@pytest.fixture(params=LOGS)
def log(request: pytest.FixtureRequest) -> LogUnderTest:
    return LOGS[request.param](request)


@pytest.fixture
def opened(log: LogUnderTest) -> Iterator[Callable[[str], LogReader | LogWriter]]:
    with ExitStack() as stack:
        yield lambda kind: stack.enter_context(closing(getattr(log, kind)()))


@pytest.fixture
def writer(opened: Callable[[str], LogWriter]) -> LogWriter:
    return opened("writer")


@pytest.fixture
def reader(opened: Callable[[str], LogReader], writer: LogWriter) -> LogReader:  # noqa: ARG001
    """Opened behind the writer, so that the log is there."""
    return opened("reader")
