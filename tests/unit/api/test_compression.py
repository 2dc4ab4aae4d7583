"""Answers are sent in the encoding that the client likes best."""

import gzip
from collections.abc import AsyncIterator, Iterator

import brotli
import pytest
import zstandard
from litestar import Litestar, MediaType, Response, get
from litestar.response import ServerSentEvent, Stream
from litestar.testing import TestClient

from rtcdp.api.compression import MIN_BYTES, compressed, encoding_for

PIECE = b"a page view, and one more; " * 2000
DECODERS = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
}


@get("/long", sync_to_thread=False)
def long() -> Response[bytes]:
    return Response(PIECE, media_type=MediaType.TEXT, headers={"Vary": "Accept"})


@get("/short", sync_to_thread=False)
def short() -> Response[bytes]:
    return Response(b"x" * (MIN_BYTES - 1), media_type=MediaType.TEXT)


@get("/nothing", status_code=204, sync_to_thread=False)
def nothing() -> None:
    return None


@get("/streamed", sync_to_thread=False)
def streamed() -> Stream:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield PIECE
        yield b"the end"

    return Stream(pieces())


@get("/live", sync_to_thread=False)
def live() -> ServerSentEvent:
    async def ticks() -> AsyncIterator[str]:
        yield "x" * 5000

    return ServerSentEvent(ticks())


@pytest.fixture
def client() -> Iterator[TestClient[Litestar]]:
    app = Litestar([long, short, nothing, streamed, live], logging_config=None)
    with TestClient(compressed(app)) as client:
        yield client


def raw(client: TestClient[Litestar], path: str, accepted: str) -> tuple[str | None, bytes, str]:
    """The encoding, the bytes as they came, and what `Vary` says."""
    with client.stream("GET", path, headers={"Accept-Encoding": accepted}) as answer:
        body = b"".join(answer.iter_raw())
        length = answer.headers.get("content-length")
        assert length is None or int(length) == len(body)
        return answer.headers.get("content-encoding"), body, answer.headers.get("vary", "")


@pytest.mark.parametrize("encoding", DECODERS)
@pytest.mark.parametrize(
    ("path", "whole"), [("/long", PIECE), ("/streamed", PIECE * 3 + b"the end")]
)
def test_a_long_body_is_compressed_whole_or_streamed(
    client: TestClient[Litestar], encoding: str, path: str, whole: bytes
) -> None:
    found, body, vary = raw(client, path, encoding)
    assert found == encoding
    assert len(body) < len(whole) / 50
    assert DECODERS[encoding](body) == whole
    assert "Accept-Encoding" in vary


def test_who_asks_for_nothing_gets_it_as_it_is(client: TestClient[Litestar]) -> None:
    assert raw(client, "/long", "identity") == (None, PIECE, "Accept, Accept-Encoding")


def test_a_short_body_and_a_live_stream_are_left_alone(client: TestClient[Litestar]) -> None:
    assert raw(client, "/short", "gzip")[0] is None
    assert raw(client, "/live", "gzip, br, zstd")[0] is None


def test_an_answer_without_a_body_stays_without(client: TestClient[Litestar]) -> None:
    assert raw(client, "/nothing", "gzip") == (None, b"", "")


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, br", "br"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("gzip;q=0", None),
        ("*", "zstd"),
        ("*, zstd;q=0", "br"),
        ("identity, gzip;q=0.5", None),
        ("deflate", None),
        ("gzip;q=many", None),
        ("x-gzip-like", None),
        (";;q=,=", None),
    ],
)
def test_the_client_is_given_what_it_likes_best(accepted: str, encoding: str | None) -> None:
    assert encoding_for(accepted) == encoding
