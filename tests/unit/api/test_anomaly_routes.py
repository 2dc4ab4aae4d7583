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


def test_one_is_acknowledged_and_taken_back(api: TestClient[Litestar]) -> None:
    one, *others = api.get("/api/anomalies?from=2026-01-01").json()["items"]
    address = f"{one['url']}/acknowledgement"
    seen = api.post(address, json={"by": "ada", "note": "a deploy"})
    told = seen.json()["anomaly"]
    assert (seen.status_code, told["id"], told["acknowledged"]["by"]) == (200, one["id"], "ada")
    assert api.get(one["url"]).json()["anomaly"] == told
    since = "/api/anomalies?from=2026-01-01"
    assert api.get(f"{since}&acknowledged=true").json()["items"] == [told]
    assert api.get(f"{since}&acknowledged=false").json()["items"] == others
    assert api.options(address).headers["allow"] == "DELETE, OPTIONS, POST"
    assert api.delete(address).status_code == 204
    assert api.get(f"{since}&acknowledged=true").json()["items"] == []
    for body, sent in ((b"{}", 400), (b'{"by": 7}', 400), (b"[", 400), (b'{"by": ""}', 400)):
        refused = api.post(address, content=body, headers={"Content-Type": "application/json"})
        assert (refused.status_code, refused.headers["content-type"]) == (
            sent,
            "application/problem+json",
        )
    assert api.delete(address).status_code == 404
    assert api.get(f"{since}&acknowledged=perhaps").status_code == 400


@pytest.mark.parametrize(
    ("address", "status", "what"),
    [
        ("?metric=averages", 400, "nothing that adds up"),
        ("?metric=nothing", 404, "there is no metric"),
        ("?eventType=A", 400, "a key is one of a metric"),
        ("?direction=sideways", 400, "direction"),
        ("?user=ada", 400, "user"),
        ("/abc", 404, "no anomaly 'abc'"),
        ("/WzE3Njc2NDQ4MDAwMDAsIltcImhvdXJseVwiXSJd", 404, "out of the ordinary"),
        ("/WzE3Njc2NDQ4MDAwMDAsIltdIl0", 404, "there is no anomaly"),
        ("/WzE3Njc2NDQ4MDAwMDAsIntdIl0", 404, "there is no anomaly"),
    ],
)
def test_wrong_turns_say_what_to_ask(
    api: TestClient[Litestar], address: str, status: int, what: str
) -> None:
    told = api.get(f"/api/anomalies{address}")
    assert (told.status_code, told.headers["content-type"]) == (status, "application/problem+json")
    assert what in told.text
