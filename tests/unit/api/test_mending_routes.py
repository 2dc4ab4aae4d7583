"""Feeding dead letters in again over HTTP; tests/unit/answers/test_mending.py asks without."""

from collections.abc import Callable, Sequence

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.answers.mending import MendedIntake
from rtcdp.log.contract import Appended, Delivery
from rtcdp.testing.driver import Driver

Api = TestClient[Litestar]
ADDRESS = "/api/dead-letters/0/0/replay"
MENDED = '{"userId":"ada","eventType":"SEARCH","timestamp":"2026-01-01T00:00:00Z"}'


@pytest.fixture
def api(driver: Driver, make_api: Callable[..., Api]) -> Api:
    """An API whose processor counts what came as soon as it did."""

    def append(deliveries: Sequence[Delivery]) -> Sequence[Appended]:
        appended = driver.log.append(deliveries)
        driver.process()
        return appended

    return make_api(mended_intake=MendedIntake(append), writable=driver.store)


def test_the_letter_of_a_list_is_mended_and_told_as_replayed(api: Api, driver: Driver) -> None:
    driver.feed(b'{"userId":"ada"}')
    driver.process()
    told = api.post(ADDRESS, json={"raw": MENDED})
    assert (told.status_code, told.json()["outcome"]) == (200, "admitted")
    assert api.get("/api/dead-letters").json()["items"] == [told.json()["letter"]]
    again = api.post(ADDRESS, json={"raw": MENDED})
    assert (again.status_code, again.headers["content-type"]) == (400, "application/problem+json")


@pytest.mark.parametrize(
    ("address", "content", "status"),
    [
        (ADDRESS, b"{", 400),
        (ADDRESS, b'{"raw": 7}', 400),
        (ADDRESS, b"{}", 404),
        ("/api/dead-letters/0/99999999999999999999999999/replay", b"{}", 404),
        (f"{ADDRESS}?reason=future", b"{}", 400),
    ],
)
def test_wrong_turns_are_problems(api: Api, address: str, content: bytes, status: int) -> None:
    told = api.post(address, content=content, headers={"Content-Type": "application/json"})
    assert (told.status_code, told.headers["content-type"]) == (status, "application/problem+json")


def test_a_server_without_a_log_says_so(make_api: Callable[..., Api]) -> None:
    told = make_api().post(ADDRESS, json={})
    assert (told.status_code, told.json()["hint"]) == (404, "ask the one that runs with --log")
