"""What every GET route does without saying so."""

from collections.abc import AsyncIterator, Iterator

import pytest
from litestar import Litestar, get, post
from litestar.response import ServerSentEvent
from litestar.testing import TestClient

from rtcdp.api.manners import with_manners

Client = TestClient[Litestar]


@get("/list", sync_to_thread=False)
def listed() -> str:
    return "x" * 5000


@post("/only-posted", sync_to_thread=False)
def posted() -> None:
    return None


@get("/endless", sync_to_thread=False)
def endless() -> ServerSentEvent:
    async def ticks() -> AsyncIterator[str]:
        while True:
            yield "tick"

    return ServerSentEvent(ticks())


@pytest.fixture
def client() -> Iterator[Client]:
    with TestClient(with_manners(Litestar([listed, posted, endless]))) as client:
        yield client


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_head_has_the_headers_of_get_and_no_body(client: Client, encoding: str) -> None:
    headers = {"Accept-Encoding": encoding}
    whole, head = client.get("/list", headers=headers), client.head("/list", headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert dict(head.headers) == dict(whole.headers)


def test_head_of_a_stream_ends(client: Client) -> None:
    head = client.head("/endless")
    assert head.headers["content-type"].startswith("text/event-stream")
    assert head.content == b""


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/only-posted", 405)])
def test_head_is_refused_where_get_is(client: Client, path: str, status: int) -> None:
    assert client.head(path).status_code == client.get(path).status_code == status


def test_allow_names_head_where_get_is(client: Client) -> None:
    assert client.options("/list").headers["allow"] == "GET, HEAD, OPTIONS"
    assert client.delete("/list").headers["allow"] == "GET, HEAD, OPTIONS"
    assert client.options("/only-posted").headers["allow"] == "OPTIONS, POST"
