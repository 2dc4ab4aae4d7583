"""A log in memory, which keeps what is appended and can be told to break or to wait."""

import threading
from collections.abc import AsyncIterator, Iterator, Sequence

import httpx
import pytest
from litestar import Litestar

from rtcdp.clock import ManualClock
from rtcdp.intake.collector import Collector
from rtcdp.intake.documentation import document_collector
from rtcdp.intake.routes import collector_routes
from rtcdp.log.contract import Appended, Delivery

NOW_MS = 1_767_225_600_000


class MemoryLog:
    """A log writer. `error` is raised by the next appends; `gate` holds them up while clear."""

    def __init__(self) -> None:
        self.groups: list[tuple[Delivery, ...]] = []
        self.appends = 0
        self.error: Exception | None = None
        self.refused_source: str | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.reached = threading.Event()

    @property
    def deliveries(self) -> list[Delivery]:
        return [delivery for group in self.groups for delivery in group]

    @property
    def records(self) -> list[bytes]:
        """The accepted records, without the newline each ends with."""
        lines = b"".join(delivery.lines for delivery in self.deliveries)
        return lines.split(b"\n")[:-1]

    def append(self, deliveries: Sequence[Delivery]) -> Sequence[Appended]:
        self.appends += 1
        self.reached.set()
        self.gate.wait()
        if self.error is not None:
            raise self.error
        first_offset = sum(delivery.record_count for delivery in self.deliveries)
        placed = []
        for delivery in deliveries:
            assert delivery.lines.count(b"\n") == delivery.line_count
            placed.append(Appended(0, first_offset, delivery.record_count))
            first_offset += delivery.record_count
        self.groups.append(tuple(deliveries))
        return placed

    def close(self) -> None:
        self.gate.set()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_MS)


@pytest.fixture
def log() -> Iterator[MemoryLog]:
    log = MemoryLog()
    yield log
    log.close()


@pytest.fixture
def collector(log: MemoryLog, clock: ManualClock) -> Iterator[Collector]:
    collector = Collector(log, clock)
    yield collector
    log.gate.set()
    collector.close()


@pytest.fixture
def app(collector: Collector) -> Litestar:
    return Litestar(
        collector_routes(collector), on_startup=[document_collector], logging_config=None
    )


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://collector") as client:
        yield client
