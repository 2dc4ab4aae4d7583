"""All that is known of a user over HTTP; `test_erase_running` has it done."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.answers.user_data import ErasureState, TooManyErasures
from rtcdp.clock import SystemClock
from rtcdp.errors import PartMissing
from rtcdp.runtime.user_data.requests import ErasureRequests

Api = TestClient[Litestar]


class Kept:
    """Nothing but lines, and requests that nobody takes."""

    def __init__(self, folder: Path) -> None:
        self._requests = ErasureRequests(folder, SystemClock())

    def export(self, user_id: str) -> Iterator[bytes]:
        for number in range(700):
            yield f'"{user_id} {number}"\n'.encode()

    def erase(self, user_id: str, by: str) -> ErasureState:
        if user_id == "one too many":
            raise TooManyErasures("too many wait", "ask later")
        if user_id == "breaker@example.org":
            raise ValueError("broken")
        if user_id == "nobody@example.org":
            raise PartMissing("nobody can do it", "ask elsewhere")
        return self._requests.ask(user_id, by)[0]

    def erasure(self, request_id: str) -> ErasureState:
        return self._requests.state(request_id)


@pytest.fixture
def api(make_api: Callable[..., Api], tmp_path: Path) -> Api:
    return make_api(user_data=Kept(tmp_path))


def test_a_user_with_any_id_is_given_out_line_by_line(api: Api) -> None:
    told = api.get("/api/user-data/a%2Fb%20%C3%BC%2F")
    assert told.headers["content-type"] == "application/jsonl"
    assert told.text.splitlines() == [f'"a/b ü/ {number}"' for number in range(700)]


def test_a_request_is_accepted_and_told_until_it_is_done(api: Api) -> None:
    asked = api.delete("/api/user-data/ada")
    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    assert "ada" not in asked.text
    told = api.get(asked.headers["location"])
    assert told.json() == asked.json()
    assert api.delete("/api/user-data/ada").json() == asked.json()
    assert api.options("/api/user-data/ada").headers["allow"] == "DELETE, GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/api/user-data/", 404),
        ("DELETE", "/api/user-data/", 404),
        ("DELETE", "/api/user-data/one too many", 429),
        ("DELETE", "/api/user-data/ada?sure=yes", 400),
        ("GET", "/api/erasures/7-0123456789abcdef", 404),
        ("GET", "/api/erasures/..%2Freceipts", 404),
        ("POST", "/api/user-data/ada", 405),
    ],
)
def test_wrong_turns_are_problems(api: Api, method: str, address: str, status: int) -> None:
    told = api.request(method, address)
    assert (told.status_code, told.headers["content-type"]) == (status, "application/problem+json")
    assert ("retry-after" in told.headers) == (status == 429)


@pytest.mark.parametrize(
    ("user", "status"), [("nobody@example.org", 503), ("breaker@example.org", 500)]
)
def test_no_log_holds_the_id_of_whom_it_failed_for(
    api: Api, caplog: pytest.LogCaptureFixture, user: str, status: int
) -> None:
    with caplog.at_level(logging.DEBUG, "rtcdp"):
        assert api.delete(f"/api/user-data/{user}").status_code == status
    assert "/api/user-data/{userId}" in caplog.text
    assert user not in caplog.text


def test_a_server_without_an_installation_says_so(make_api: Callable[..., Api]) -> None:
    assert make_api().get("/api/user-data/ada").status_code == 404
