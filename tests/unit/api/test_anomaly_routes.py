"""Anomalies over HTTP; tests/unit/answers/test_anomalies.py asks without."""

from collections.abc import Callable

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.testing.driver import Driver
from tests.watched import METRICS, watched


@pytest.fixture
def api(make_driver: Callable[..., Driver], make_api) -> TestClient[Litestar]:
    driver = watched(make_driver(*METRICS))
    return make_api(store=driver.store, log=driver.log, metrics=METRICS)


def test_a_list_leads_to_each_one_and_to_its_events(api: TestClient[Litestar]) -> None:
    page = api.get("/api/anomalies?from=2026-01-01").json()
    assert [item["direction"] for item in page["items"]] == ["down", "up", "up"]
    for item in page["items"]:
        assert api.get(item["url"]).json()["anomaly"] == item
    rise = page["items"][-1]
    events = api.get(f"{rise['events_url']}&limit=1000").json()["items"]
    assert len(events) == rise["observed"]


def test_it_is_asked_by_metric_key_and_direction(api: TestClient[Litestar]) -> None:
    since = "from=2026-01-01"
    some = api.get(f"/api/anomalies?{since}&metric=hourly&eventType=PURCHASE").json()
    assert [(item["key"], item["direction"]) for item in some["items"]] == [
        ({"eventType": "PURCHASE"}, "down")
    ]
    assert api.get(f"/api/anomalies?{since}&direction=down").json()["items"] == some["items"]


@pytest.mark.parametrize(
    ("address", "status", "what"),
    [
        ("?metric=averages", 400, "nothing that adds up"),
        ("?metric=nothing", 404, "there is no metric"),
        ("?eventType=A", 400, "a key is one of a metric"),
        ("?direction=sideways", 400, "direction"),
        ("?user=ada", 400, "user"),
        ("/abc", 400, "cursor"),
        ("/WzE3Njc2NDQ4MDAwMDAsIltcImhvdXJseVwiXSJd", 404, "out of the ordinary"),
        ("/WzE3Njc2NDQ4MDAwMDAsIltdIl0", 400, "id of an anomaly"),
        ("/WzE3Njc2NDQ4MDAwMDAsIntdIl0", 400, "id of an anomaly"),
    ],
)
def test_wrong_turns_say_what_to_ask(
    api: TestClient[Litestar], address: str, status: int, what: str
) -> None:
    told = api.get(f"/api/anomalies{address}")
    assert (told.status_code, told.headers["content-type"]) == (status, "application/problem+json")
    assert what in told.text
