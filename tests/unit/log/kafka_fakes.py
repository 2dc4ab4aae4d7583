"""Stand-ins for the client of Kafka, so that a test decides what comes, and when."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as Place

from rtcdp.log.contract import LogExtent, LogUnavailable, OffsetsMissing


@dataclass
class FakeMessage:
    """A message of partition `of` at offset `at`, or an error in the place of one."""

    of: int
    at: int
    what: bytes | None = b"x"
    trouble: KafkaError | None = None

    def partition(self) -> int:
        return self.of

    def offset(self) -> int:
        return self.at

    def value(self) -> bytes | None:
        return self.what

    def timestamp(self) -> tuple[int, int]:
        return (1, 1_000)

    def headers(self) -> None:
        return None

    def error(self) -> KafkaError | None:
        return self.trouble


def end_at(partition: int, offset: int) -> FakeMessage:
    return FakeMessage(partition, offset, trouble=KafkaError(KafkaError._PARTITION_EOF))


def trouble_at(partition: int, offset: int, code: int) -> FakeMessage:
    return FakeMessage(partition, offset, trouble=KafkaError(code, "it broke"))


class FakeConsumer:
    """Gives what is in `coming`, and to who waits what comes `later`; notes what is assigned."""

    made: "list[FakeConsumer]" = []  # noqa: RUF012

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.coming: list[FakeMessage] = []
        self.later: list[FakeMessage] = []
        self.assigned: dict[int, int] = {}
        self.history: list[tuple[str, int]] = []
        self.asked: list[int] = []
        self.is_closed = False
        self.made.append(self)

    def consume(self, count: int, timeout_s: float) -> list[FakeMessage]:
        self.asked.append(count)
        if timeout_s > 0:
            self.coming, self.later = self.coming + self.later, []
        given, self.coming = self.coming[:count], self.coming[count:]
        return given

    def incremental_assign(self, places: Sequence[Place]) -> None:
        for place in places:
            assert place.partition not in self.assigned
            self.assigned[place.partition] = place.offset
            self.history.append(("assign", place.partition))

    def incremental_unassign(self, places: Sequence[Place]) -> None:
        for place in places:
            del self.assigned[place.partition]
            self.history.append(("unassign", place.partition))

    def get_watermark_offsets(self, place: Place, *, cached: bool) -> tuple[int, int]:
        assert cached
        ahead = [m.at + 1 for m in self.coming if m.of == place.partition]
        return 0, max(ahead, default=-1001)

    def close(self) -> None:
        self.is_closed = True


@dataclass
class FakeAdmin:
    """Knows where partitions begin and end."""

    ends: dict[int, int]
    first: int = 0
    questions: int = field(default=0)

    def next_offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        self.questions += 1
        return {partition: self.ends[partition] for partition in partitions}

    def extents(self, partitions: Sequence[int]) -> dict[int, LogExtent]:
        return {p: LogExtent(p, self.first, self.ends[p], 0) for p in partitions}

    def why_nothing_at(self, partition: int, offset: int) -> OffsetsMissing | LogUnavailable:
        if self.first <= offset <= self.ends[partition]:
            return LogUnavailable("can't be reached")
        return OffsetsMissing(f"{offset} of {partition}")


def done(result: object) -> "Future[Any]":
    """What the client gives for a question that is answered."""
    future: Future[Any] = Future()
    if isinstance(result, int):
        future.set_exception(KafkaException(KafkaError(result, "refused")))
    elif isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future
