"""Errors are problem documents that say what to do."""

import logging
from collections.abc import Callable

import pytest
from litestar import Litestar, get
from litestar.testing import TestClient

from rtcdp.errors import PartMissing, RtcdpError
from rtcdp.log.contract import LogUnavailable
from rtcdp.store import StateMismatch, StoreForbidden, StoreUnavailable

MakeApi = Callable[..., TestClient[Litestar]]


def raising(error: Exception) -> object:
    @get("/raise", sync_to_thread=False)
    def handler() -> None:
        raise error

    return handler


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("POST", "/api/ledger", 405), ("GET", "/api/ledger?x=1", 400)],
)
def test_every_refusal_has_one_shape(
    api: TestClient[Litestar], method: str, path: str, status: int
) -> None:
    answer = api.request(method, path)
    body = answer.json()
    assert answer.status_code == body["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert set(body) == {"type", "title", "status", "detail", "hint", "code"}
    assert body["hint"]


def test_a_problem_says_each_thing_once(api: TestClient[Litestar]) -> None:
    for method, path in (("GET", "/nowhere"), ("POST", "/api/ledger"), ("GET", "/api/ledger?x=1")):
        body = api.request(method, path).json()
        said = [body["title"], body["detail"], body["hint"]]
        assert not [a for a in said for b in said if a is not b and a.lower() in b.lower()]


def test_a_mistyped_address_is_led_to_the_right_one(api: TestClient[Litestar]) -> None:
    hint = api.get("/api/metric/orders").json()["hint"]
    assert hint.startswith("did you mean /api/metrics/orders? ")


def test_a_wrong_method_is_told_the_right_ones(api: TestClient[Litestar]) -> None:
    assert "GET" in api.post("/api/ledger").headers["allow"]


@pytest.mark.parametrize("error", [StoreUnavailable("it is locked"), LogUnavailable("disk full")])
def test_what_may_come_back_is_503_with_a_time_to_wait(make_api: MakeApi, error: Exception) -> None:
    answer = make_api([raising(error)]).get("/raise")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["hint"] == "try again in a moment"


@pytest.mark.parametrize(
    "error",
    [
        StateMismatch("a newer version wrote the store", "install it"),
        StoreForbidden("the user may not read", "grant it"),
        PartMissing("there is no such database", "make it"),
    ],
)
def test_what_an_operator_has_to_mend_is_503_and_told_to_him(
    make_api: MakeApi, caplog: pytest.LogCaptureFixture, error: RtcdpError
) -> None:
    with caplog.at_level(logging.WARNING):
        answer = make_api([raising(error)]).get("/raise")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert answer.json()["hint"] == error.hint
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.exc_info is None
    assert str(error) in record.message


def test_an_error_with_a_hint_passes_it_on(make_api: MakeApi) -> None:
    answer = make_api([raising(StoreUnavailable("it is locked", "stop the other one"))])
    body = answer.get("/raise").json()
    assert (body["detail"], body["hint"]) == ("it is locked", "stop the other one")


def test_an_unforeseen_error_is_logged_and_tells_nothing_of_itself(
    make_api: MakeApi, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = make_api([raising(ValueError("a secret"))]).get("/raise")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "a secret" in caplog.text


def test_an_error_of_ours_without_a_status_is_logged_too(
    make_api: MakeApi, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = make_api([raising(RtcdpError("the state is of another version"))]).get("/raise")
    assert answer.status_code == 500
    assert "another version" in answer.json()["detail"]
    assert "another version" in caplog.text
