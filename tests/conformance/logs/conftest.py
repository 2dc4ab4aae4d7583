"""Every log there is, behind the contract alone. A new one joins by its line in the registry."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial

import pytest

from rtcdp.clock import ManualClock
from rtcdp.log.contract import LogReader, LogWriter
from rtcdp.log.limits import LogOptions
from rtcdp.runtime import adapters
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


def _adapter(scheme: str, request: pytest.FixtureRequest) -> LogUnderTest:
    """Of any kind that there is: in a folder of the test's own, or a topic of the test's own."""
    adapter = adapters.LOGS[scheme]
    if adapter.in_files:
        url = f"{scheme}:{request.getfixturevalue('tmp_path') / 'log'}"
    else:
        url = request.getfixturevalue("kafka_server").url(request.getfixturevalue("new_topic")())
    return LogUnderTest(
        lambda: adapter.opener("open_reader")(url, LogOptions()),
        lambda: adapter.opener("open_writer")(url, ManualClock(0), LogOptions()),
        expires=adapter.in_files,
    )


LOGS = {
    "memory": _memory,
    **{scheme: partial(_adapter, scheme) for scheme in adapters.LOGS},
}


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
