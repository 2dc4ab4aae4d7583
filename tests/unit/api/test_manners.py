"""What every GET route does without saying so."""

from collections.abc import AsyncIterator, Iterator

import pytest
from litestar import Litestar, Response, get, post
from litestar.response import ServerSentEvent
from litestar.testing import TestClient

from rtcdp.api.manners import conditional, is_known, tag_of, with_manners

Client = TestClient[Litestar]
TAG = tag_of(b"content")


@get("/tagged", sync_to_thread=False)
def tagged() -> Response[str]:
    return Response("content", headers={"ETag": TAG, "X-As-Of": "now"})


@get("/failed", sync_to_thread=False)
def failed() -> Response[str]:
    return Response("no", status_code=503, headers={"ETag": TAG})


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
    with TestClient(
        with_manners(Litestar([listed, posted, endless], logging_config=None))
    ) as client:
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


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (TAG, True),
        (TAG.removeprefix("W/"), True),
        ("*", True),
        (f'"other", {TAG}', True),
        ('"other"', False),
        ("", False),
        (TAG.strip('W/"'), False),
    ],
)
def test_a_tag_is_compared_weakly_with_any_of_a_list(given: str, known: bool) -> None:
    assert is_known(given, TAG) is known


def test_another_content_has_another_tag() -> None:
    assert tag_of(b"other") != TAG


def test_a_known_answer_is_304_with_its_headers_and_no_body() -> None:
    with TestClient(conditional(Litestar([tagged], logging_config=None))) as client:
        first = client.get("/tagged")
        again = client.get("/tagged", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, first.text) == (200, "content")
    assert (again.status_code, again.content) == (304, b"")
    assert (again.headers["etag"], again.headers["x-as-of"]) == (TAG, "now")
    assert not {"content-type", "content-length"} & set(again.headers)


def test_an_error_is_told_again() -> None:
    with TestClient(conditional(Litestar([failed], logging_config=None))) as client:
        assert client.get("/failed", headers={"If-None-Match": "*"}).status_code == 503
