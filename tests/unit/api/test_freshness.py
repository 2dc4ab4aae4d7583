"""How fresh answers are."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from rtcdp.api.context import ApiContext
from rtcdp.api.freshness import Freshness, open_reading
from rtcdp.log.log import Delivery, LogExtent, Records
from rtcdp.testing.driver import START_MS, Driver
from rtcdp.testing.memory_log import MemoryLog

MakeContext = Callable[..., ApiContext]


class Partitions:
    """Several logs as the partitions of one."""

    def __init__(self, logs: Sequence[MemoryLog]) -> None:
        self._logs = logs

    def partitions(self) -> Sequence[int]:
        return range(len(self._logs))

    def extent(self, partition: int) -> LogExtent:
        return replace(self._logs[partition].extent(0), partition=partition)

    def read(self, partition: int, offset: int, max_bytes: int) -> Records:
        return replace(self._logs[partition].read(0, offset, max_bytes), partition=partition)


def send(driver: Driver) -> None:
    driver.feed({"userId": "ada", "eventType": "SEARCH", "timestamp": driver.now_ms})


def freshness(context: ApiContext) -> Freshness:
    with open_reading(context) as reading:
        return reading.freshness


def test_an_empty_log_is_caught_up(make_context: MakeContext) -> None:
    assert freshness(make_context()) == Freshness(START_MS, 0)


def test_caught_up_answers_are_as_of_now(driver: Driver, make_context: MakeContext) -> None:
    send(driver)
    driver.process()
    driver.advance(seconds=60)
    assert freshness(make_context()) == Freshness(START_MS + 60_000, 0)


def test_behind_the_log_they_are_as_of_the_first_record_that_waits(
    driver: Driver, make_context: MakeContext
) -> None:
    send(driver)
    driver.process()
    driver.advance(seconds=1)
    send(driver)
    driver.advance(seconds=1)
    send(driver)
    driver.advance(seconds=1)
    assert freshness(make_context()) == Freshness(START_MS + 1000, 2000)


def test_of_several_partitions_the_oldest_waiting_record_counts(
    driver: Driver, make_context: MakeContext
) -> None:
    logs = (MemoryLog(), MemoryLog())
    for second, log in zip((5, 2), logs, strict=True):
        log.append([Delivery(b"{}\n", 1, START_MS + 1000 * second)])
    driver.advance(seconds=10)
    assert freshness(make_context(log=Partitions(logs))) == Freshness(START_MS + 2000, 8000)


def test_what_came_after_the_question_is_no_lag(driver: Driver, make_context: MakeContext) -> None:
    context = make_context()
    with open_reading(context) as reading:
        send(driver)
        assert reading.freshness == Freshness(START_MS, 0)


def test_without_a_log_they_are_as_of_the_last_commit(
    driver: Driver, make_context: MakeContext
) -> None:
    send(driver)
    driver.process()
    driver.advance(seconds=5)
    assert freshness(make_context(log=None)) == Freshness(START_MS, 5000)


def test_without_a_log_and_a_commit_nothing_is_known(make_context: MakeContext) -> None:
    unknown = freshness(make_context(log=None))
    assert unknown == Freshness(None, 0)
    assert unknown.headers == {"X-Lag-Ms": "0"}


def test_the_headers_say_both() -> None:
    assert Freshness(START_MS, 7).headers == {
        "X-As-Of": "2026-01-01T00:00:00.000Z",
        "X-Lag-Ms": "7",
    }
