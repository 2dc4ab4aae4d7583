"""How fresh answers are."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.api.context import ApiContext
from rtcdp.api.freshness import Freshness, open_reading
from rtcdp.log.contract import Delivery, LogExtent, LogUnavailable, Records
from rtcdp.log.embedded import EmbeddedLogReader
from rtcdp.testing.driver import START_MS, Driver
from rtcdp.testing.memory_log import MemoryLog

MakeContext = Callable[..., ApiContext]


class Partitions:
    """Several logs as the partitions of one."""

    def __init__(self, logs: Sequence[MemoryLog]) -> None:
        self._logs = logs

    def partitions(self) -> Sequence[int]:
        return range(len(self._logs))

    def log_id(self) -> str:
        return "memory"

    def oldest_received_at(self, partition: int, offset: int) -> int | None:
        return self._logs[partition].oldest_received_at(0, offset)

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


def test_the_smallest_intake_time_of_all_that_waits_counts(
    driver: Driver, make_context: MakeContext
) -> None:
    for second in (5, 2, 7):
        driver.log.append([Delivery(b"{}\n", 1, START_MS + 1000 * second)])
    driver.advance(seconds=10)
    assert freshness(make_context()) == Freshness(START_MS + 2000, 8000)


def test_beside_another_log_nothing_is_known_and_it_says_why(
    driver: Driver, make_context: MakeContext
) -> None:
    send(driver)
    driver.process()
    other = MemoryLog()
    other.append([Delivery(b"{}\n", 1, START_MS)] * 5)
    other.identity = "other"
    unknown = freshness(make_context(log=other))
    assert (unknown.as_of, unknown.lag_ms) == (None, None)
    assert "has counted the log memory, but this log is other" in str(unknown.warning)
    assert list(unknown.headers) == ["X-Freshness-Warning"]


def test_beside_an_older_copy_that_has_grown_nothing_is_known(
    driver: Driver, make_context: MakeContext
) -> None:
    send(driver)
    driver.process()
    copy = MemoryLog()
    copy.append([Delivery(b"{}\n", 1, START_MS)] * 5)
    unknown = freshness(make_context(log=copy))
    assert (unknown.as_of, unknown.lag_ms) == (None, None)
    assert "older copy" in str(unknown.warning)


def test_beside_a_log_that_is_not_there_nothing_is_known(
    driver: Driver, make_context: MakeContext, tmp_path: Path
) -> None:
    send(driver)
    driver.process()
    unknown = freshness(make_context(log=EmbeddedLogReader(tmp_path / "absent")))
    assert (unknown.as_of, unknown.lag_ms) == (None, None)
    assert "there is no log" in str(unknown.warning)


def test_what_only_the_store_is_needed_for_is_answered_while_the_log_is_away(
    make_api: Callable[..., TestClient[Litestar]], driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(driver)
    driver.process()
    api = make_api()

    def fail(*_: object) -> None:
        raise LogUnavailable("no broker answers")

    monkeypatch.setattr(driver.log, "extent", fail)
    for address in ("ledger", "metrics", "metrics/revenue", "duplicates", "dead-letters"):
        answer = api.get(f"/api/{address}")
        assert answer.status_code == 200
        found = answer.json()
        assert (found["as_of"], found["lag_ms"]) == (None, None)
        assert found["warning"] == "no broker answers"
        assert answer.headers["x-freshness-warning"] == "no broker answers"
        assert "x-lag-ms" not in answer.headers
    assert api.get("/api/ledger").json()["totals"]["received"] == 1
    assert api.get("/api/analytics/recent-page-views").status_code == 200
    refused = api.get("/api/events")
    assert (refused.status_code, "no broker answers" in refused.json()["detail"]) == (503, True)
    assert "rtcdp_received_records_total 1.0" in api.get("/metrics").text
    ready = api.get("/health/ready")
    assert (ready.status_code, ready.json()["parts"]["log"]) == (503, "no broker answers")


def test_a_warning_fits_into_a_header() -> None:
    [header] = Freshness(None, None, "käse\n" + "x" * 1000).headers.values()
    assert header.isascii()
    assert header.isprintable()
    assert len(header) == 500
