"""What did not change is not sent again."""

import pytest
from litestar import Litestar, Response, get
from litestar.testing import TestClient

from rtcdp.api.validators import conditional, is_known, tag_of

TAG = tag_of(b"content")


@get("/tagged", sync_to_thread=False)
def tagged() -> Response[str]:
    return Response("content", headers={"ETag": TAG, "X-As-Of": "now"})


@get("/failed", sync_to_thread=False)
def failed() -> Response[str]:
    return Response("no", status_code=503, headers={"ETag": TAG})


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
