"""Health of the parts."""

import threading
import time
from collections.abc import Callable

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.api import health
from rtcdp.api.limits import ApiLimits
from rtcdp.clock import KeptTime
from rtcdp.log.contract import LogExtent, LogUnavailable
from rtcdp.store import StoreUnavailable
from rtcdp.testing.driver import Driver

Api = TestClient[Litestar]


def test_a_running_process_is_alive(api: Api) -> None:
    assert api.get("/health/live").json() == {"status": "ok", "parts": {}}


def test_ready_names_the_parts(make_api: Callable[..., Api]) -> None:
    answer = make_api(checks={"collector": lambda: None}).get("/health/ready")
    assert answer.status_code == 200
    parts = {"store": "ok", "log": "ok", "lag": "ok", "collector": "ok"}
    assert answer.json() == {"status": "ok", "parts": parts}


def test_a_failed_part_says_why(make_api: Callable[..., Api]) -> None:
    answer = make_api(checks={"collector": lambda: "fsync failed"}).get("/health/ready")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["parts"]["collector"] == "fsync failed"


def test_a_store_that_is_away_says_why(
    api: Api, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise StoreUnavailable("the disk is gone")

    monkeypatch.setattr(driver.store, "snapshot", away)
    parts = api.get("/health/ready").json()["parts"]
    assert parts == {"store": "the disk is gone", "log": "ok", "lag": "unknown"}


def test_a_log_that_is_away_says_why(
    api: Api, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(partition: int) -> LogExtent:
        raise LogUnavailable(f"partition {partition} is locked")

    monkeypatch.setattr(driver.log, "extent", away)
    parts = api.get("/health/ready").json()["parts"]
    assert parts == {"store": "ok", "log": "partition 0 is locked", "lag": "unknown"}


def search(driver: Driver) -> None:
    driver.feed({"userId": "ada", "eventType": "SEARCH", "timestamp": driver.now_ms})


def test_too_far_behind_is_not_ready(make_api: Callable[..., Api], driver: Driver) -> None:
    api = make_api(limits=ApiLimits(ready_stall_ms=10**9))
    search(driver)
    driver.advance(seconds=60)
    assert api.get("/health/ready").status_code == 200
    driver.advance(seconds=1)
    assert "61000 ms behind" in api.get("/health/ready").json()["parts"]["lag"]


def test_records_that_wait_without_a_processor_are_told_within_two_seconds(
    make_api: Callable[..., Api], driver: Driver
) -> None:
    api = make_api(is_processing=lambda: False)
    driver.advance(seconds=60)
    search(driver)
    assert api.get("/health/ready").status_code == 200
    driver.advance(seconds=2)
    assert "no processor works" in api.get("/health/ready").json()["parts"]["lag"]
    driver.process()
    assert api.get("/health/ready").status_code == 200


def test_a_processor_that_is_there_has_more_time(
    make_api: Callable[..., Api], driver: Driver
) -> None:
    api = make_api(is_processing=lambda: True)
    search(driver)
    driver.advance(seconds=7)
    assert api.get("/health/ready").status_code == 200
    driver.advance(seconds=1)
    assert "has counted nothing for" in api.get("/health/ready").json()["parts"]["lag"]


def test_an_engine_that_commits_seldom_has_its_time_if_it_is_there(
    make_api: Callable[..., Api], driver: Driver
) -> None:
    gone = make_api(is_processing=lambda: False, commit_ms=10_000)
    unknown = make_api(commit_ms=10_000)
    there = make_api(is_processing=lambda: True, commit_ms=10_000)
    search(driver)
    ready_after = {}
    for seconds in (2, 9, 40):
        driver.advance(seconds=seconds)
        ready_after[seconds] = [
            api.get("/health/ready").status_code == 200 for api in (gone, unknown, there)
        ]
    assert ready_after == {
        2: [False, True, True],
        9: [False, False, True],
        40: [False, False, False],
    }


def test_a_part_that_does_not_answer_is_not_waited_for(make_api: Callable[..., Api]) -> None:
    """A server that went away without a word: what asks it waits for long."""
    assert 2 * health.PATIENCE_S < 2
    stuck = threading.Event()

    def never() -> None:
        stuck.wait(60)

    api = make_api(checks={"broker": never})
    others = {"store": "ok", "log": "ok", "lag": "ok"}
    began = time.monotonic()
    api.get("/health/ready")
    parts = api.get("/health/ready").json()["parts"]
    # The parts that do answer may need longer on a busy machine.
    while parts | others != parts and time.monotonic() - began < 30:
        parts = api.get("/health/ready").json()["parts"]
    threads = [thread.name for thread in threading.enumerate()]
    stuck.set()
    assert "no answer" in parts.pop("broker")
    assert parts == others
    assert threads.count("probe-broker") == 1
    assert time.monotonic() - began < 30


def test_without_a_log_idleness_is_no_lag(make_api: Callable[..., Api], driver: Driver) -> None:
    driver.feed({"userId": "ada", "eventType": "SEARCH", "timestamp": driver.now_ms})
    driver.process()
    driver.advance(seconds=3600)
    assert make_api(log=None).get("/health/ready").status_code == 200


def test_a_clock_that_was_set_is_told_and_answers_go_on(api: Api, driver: Driver) -> None:
    driver.store.keep_time(KeptTime(1, 86_400_000, 2, is_suspended=True))
    answer = api.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["parts"]["clock"] == (
        "it was set by +86,400 s; nothing is deleted meanwhile"
    )
