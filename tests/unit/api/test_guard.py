"""The door in front of an application."""

from collections.abc import Iterator

import pytest
from litestar import Litestar, get, post
from litestar.testing import TestClient

from rtcdp.api.door import Door
from rtcdp.api.guard import guarded

Client = TestClient[Litestar]
SHOP = "https://shop.example"
taken: list[str] = []


@get("/numbers", sync_to_thread=False)
def numbers() -> dict[str, int]:
    return {"views": 7}


@post("/events", sync_to_thread=False)
def events() -> None:
    taken.append("event")


@pytest.fixture
def client() -> Iterator[Client]:
    taken.clear()
    app = guarded(Litestar([numbers, events], logging_config=None), Door(origins=frozenset({SHOP})))
    with TestClient(app, base_url="http://127.0.0.1:8081") as client:
        yield client


def refused(client: Client, method: str = "GET", path: str = "/numbers", **headers: str) -> dict:
    answer = client.request(method, path, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not [name for name in answer.headers if name.startswith("access-control")]
    return answer.json()


def test_who_asks_for_our_name_is_answered(client: Client) -> None:
    for _ in range(2):
        assert client.get("/numbers").json() == {"views": 7}


def test_a_bent_name_reads_and_writes_nothing(client: Client) -> None:
    problem = refused(client, Host="evil.test")
    assert (problem["status"], problem["code"]) == (421, "unknown_host")
    assert "evil.test" in problem["detail"]
    assert "allowed_hosts" in problem["hint"]
    assert refused(client, "POST", "/events", Host="evil.test:8081")["status"] == 421
    assert taken == []


def test_a_name_that_was_let_in_is_not_let_in_for_another_reason(client: Client) -> None:
    client.get("/numbers")
    assert refused(client, Origin="http://evil.test")["status"] == 403
    assert refused(client, Host="evil.test")["status"] == 421


def test_a_foreign_page_writes_nothing(client: Client) -> None:
    problem = refused(
        client, "POST", "/events", **{"Origin": "http://evil.test", "Content-Type": "text/plain"}
    )
    assert (problem["status"], problem["code"]) == (403, "foreign_page")
    assert "http://evil.test" in problem["detail"]
    assert "allowed_origins" in problem["hint"]
    assert taken == []


def test_a_foreign_page_embeds_nothing(client: Client) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert refused(client, **headers)["code"] == "foreign_page"


async def test_a_request_names_one_host() -> None:
    for headers in ([], [(b"host", b"localhost"), (b"host", b"evil.test")]):
        sent: list[dict] = []

        async def send(message: dict, sent: list[dict] = sent) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/numbers", "headers": headers}
        await guarded(Litestar([numbers], logging_config=None), Door())(scope, None, send)
        assert sent[0]["status"] == 400


def test_a_page_that_is_let_in_may_read_the_answer(client: Client) -> None:
    answer = client.get("/numbers", headers={"Origin": SHOP, "Sec-Fetch-Site": "cross-site"})
    assert answer.json() == {"views": 7}
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "X-As-Of" in answer.headers["access-control-expose-headers"]
    assert answer.headers["vary"] == "Origin"
    assert client.post("/events", headers={"Origin": SHOP}).is_success
    assert taken == ["event"]


def test_a_page_that_is_let_in_may_ask_first(client: Client) -> None:
    asked = {
        "Origin": SHOP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
        "Access-Control-Request-Private-Network": "true",
    }
    answer = client.options("/events", headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "content-type" in answer.headers["access-control-allow-headers"]
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert refused(client, "OPTIONS", "/events", **{**asked, "Origin": "http://evil.test"})


def test_our_own_page_needs_no_permission_to_read(client: Client) -> None:
    answer = client.get("/numbers", headers={"Origin": "http://127.0.0.1:8081"})
    assert answer.json() == {"views": 7}
    assert "access-control-allow-origin" not in answer.headers
