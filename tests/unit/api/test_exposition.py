"""Telemetry as Prometheus reads it."""

from collections.abc import Callable

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from rtcdp.clock import KeptTime
from rtcdp.store import StoreUnavailable
from rtcdp.testing.driver import Driver
from rtcdp.testing.memory_log import MemoryLog

Api = TestClient[Litestar]


def samples(api: Api) -> dict[str, float]:
    text = api.get("/metrics").text
    return {
        s.name: s.value for family in text_string_to_metric_families(text) for s in family.samples
    }


def test_the_ledgers_totals_are_counters(api: Api, driver: Driver) -> None:
    event = {"eventId": "1", "userId": "a", "eventType": "SEARCH", "timestamp": driver.now_ms}
    driver.feed(event, event, b"{}")
    driver.process()
    found = samples(api)
    assert found["rtcdp_received_records_total"] == 3
    assert found["rtcdp_admitted_records_total"] == 1
    assert found["rtcdp_duplicate_records_total"] == 1
    assert found["rtcdp_dead_letter_records_total"] == 1
    assert found["rtcdp_late_records_total"] == 0
    assert found["rtcdp_store_epoch"] == 1


def test_the_lag_is_in_seconds(api: Api, driver: Driver) -> None:
    driver.feed(b"{}")
    driver.advance(seconds=2.5)
    assert samples(api)["rtcdp_lag_seconds"] == 2.5


def test_the_logs_size_is_there_if_there_is_a_log(
    api: Api, make_api: Callable[..., Api], driver: Driver
) -> None:
    driver.feed(b"{}")
    assert samples(api)["rtcdp_log_size_bytes"] == 2
    assert "rtcdp_log_size_bytes" not in samples(make_api(log=None))


def test_partitions_are_samples_of_one_family(make_api: Callable[..., Api]) -> None:
    text = make_api(log=MemoryLog(partitions=3)).get("/metrics").text
    assert text.count("# TYPE rtcdp_log_size_bytes ") == 1
    assert [f'rtcdp_log_size_bytes{{partition="{n}"}}' in text for n in range(3)] == [True] * 3


def test_other_parts_add_their_own(make_api: Callable[..., Api]) -> None:
    registry = CollectorRegistry()
    Counter("rtcdp_requests", "Requests.", registry=registry).inc(7)
    assert samples(make_api(registry=registry))["rtcdp_requests_total"] == 7


def test_the_content_type_is_prometheus_own(api: Api) -> None:
    content_type = api.get("/metrics").headers["content-type"]
    assert content_type.startswith("text/plain; version=")
    assert content_type.count("charset") == 1


def test_a_clock_that_was_set_is_a_gauge(api: Api, driver: Driver) -> None:
    assert samples(api)["rtcdp_clock_step_seconds"] == samples(api)["rtcdp_expiry_suspended"] == 0
    driver.store.keep_time(KeptTime(1, -90_000, 2, is_suspended=True))
    found = samples(api)
    assert (found["rtcdp_clock_step_seconds"], found["rtcdp_expiry_suspended"]) == (-90, 1)


def test_a_store_that_is_away_is_told_and_the_rest_is_there(
    api: Api, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert samples(api)["rtcdp_store_readable"] == 1

    def away() -> None:
        raise StoreUnavailable("the store is away", "wait")

    monkeypatch.setattr(driver.store, "snapshot", away)
    found = samples(api)
    assert found["rtcdp_store_readable"] == 0
    assert "rtcdp_live_clients" in found
    assert "rtcdp_store_epoch" not in found


def test_every_partition_has_its_end_and_what_waits(api: Api, driver: Driver) -> None:
    driver.feed(b"{}", b"{}")
    driver.process()
    driver.feed(b"{}")
    found = samples(api)
    assert found["rtcdp_log_next_offset"] == 3
    assert found["rtcdp_counted_offset"] == 2
    assert found["rtcdp_waiting_records"] == 1
