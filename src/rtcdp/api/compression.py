"""Answers in the encoding that the client likes best: zstd, br or gzip (RFC 9110, section 12.5.3).

A body is compressed a piece at a time as it is sent. Long pieces are compressed in a thread, so
that the others don't wait for them. A live stream is left alone: its ticks are short and must leave
at once.
"""

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import brotli
import zstandard
from litestar.enums import ScopeType

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

MIN_BYTES = 1024
"""Shorter bodies are sent as they are."""

_INLINE_BYTES = 16 * 1024
_GZIP_LEVEL = 5
_BROTLI_QUALITY = 4
_ZSTD_LEVEL = 3
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_ACCEPT = b"accept-encoding"

VARYING = (b"vary", b"Accept-Encoding")
"""The header of an answer that comes in several encodings."""

Headers = list[tuple[bytes, bytes]]


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Brotli:
    def __init__(self) -> None:
        self._compressor = brotli.Compressor(mode=brotli.MODE_TEXT, quality=_BROTLI_QUALITY)

    def compress(self, data: bytes, /) -> bytes:
        return bytes(self._compressor.process(data))

    def flush(self) -> bytes:
        return bytes(self._compressor.finish())


_ENCODINGS: dict[str, Callable[[], _Compressor]] = {
    "zstd": lambda: zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj(),
    "br": _Brotli,
    "gzip": lambda: zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW),
}
"""From the cheapest for the server on."""


def encoding_for(accepted: str) -> str | None:
    """The encoding to answer in to a client that sends `accepted` as Accept-Encoding; None for the
    body as it is. Of those that it likes equally, the cheapest."""
    wishes = dict(_wish(part) for part in accepted.lower().split(",") if part.strip())
    others = wishes.get("*", 0.0)
    liked = {name: wishes.get(name, others) for name in _ENCODINGS}
    best = max(liked, key=lambda name: liked[name])
    return best if liked[best] > 0 and liked[best] >= wishes.get("identity", 0.0) else None


_KEPT_LETTERS = 100
_kept_encoding = lru_cache(maxsize=256)(encoding_for)


def encoding_of(scope: Any) -> str | None:
    """The encoding that a request asks for; None for the body as it is."""
    given = [value for name, value in scope.get("headers", ()) if name.lower() == _ACCEPT]
    if not given:
        return None
    accepted = b",".join(given).decode("latin-1")
    return (_kept_encoding if len(accepted) <= _KEPT_LETTERS else encoding_for)(accepted)


def compressed_at_once(body: bytes, encoding: str) -> bytes:
    """A body that is not long in an encoding that `encoding_of` tells."""
    compressor = _ENCODINGS[encoding]()
    return compressor.compress(body) + compressor.flush()


def compressed(app: "ASGIApp") -> "ASGIApp":
    """`app`, with its bodies of `MIN_BYTES` and more compressed for clients that want it."""

    async def compressing(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        answer = _Answer(send, encoding_of(scope))
        await app(scope, receive, answer.send)

    return compressing


def _headers(message: Any) -> Headers:
    return [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]


def _wish(part: str) -> tuple[str, float]:
    name, _, parameters = part.partition(";")
    _, _, quality = parameters.partition("q=")
    try:
        return name.strip(), float(quality) if quality.strip() else 1.0
    except ValueError:
        return name.strip(), 0.0


@dataclass
class _Answer:
    """One answer on its way. One that may be compressed holds its start back until the first piece
    of its body is there, whose length decides."""

    to_client: "Send"
    encoding: str | None
    held_start: Any = None
    compressor: _Compressor | None = None

    async def send(self, message: "Message") -> None:
        if message["type"] == "http.response.start" and _may_be_compressed(message):
            self.held_start = {**message, "headers": _varying(_headers(message))}
        elif message["type"] == "http.response.body":
            await self._send_piece(message.get("body", b""), message.get("more_body", False))
        else:
            await self.to_client(message)

    async def _send_piece(self, piece: bytes, more: bool) -> None:
        start, self.held_start = self.held_start, None
        begins = start is not None and self.encoding is not None
        if begins and (more or len(piece) >= MIN_BYTES):
            self.compressor = _ENCODINGS[self.encoding or ""]()
            start["headers"] = _encoded(start["headers"], self.encoding or "")
        if self.compressor is not None:
            piece = await self._compressed(piece, last=not more)
            if start is not None and not more:
                start["headers"].append((b"content-length", b"%d" % len(piece)))
        if start is not None:
            await self.to_client(start)
        # The first piece tells whoever waits that the answer is begun, also while nothing of it has
        # come out of the compressor.
        if piece or not more or start is not None:
            await self.to_client({"type": "http.response.body", "body": piece, "more_body": more})

    async def _compressed(self, piece: bytes, *, last: bool) -> bytes:
        compressor = self.compressor
        assert compressor is not None

        def work() -> bytes:
            return compressor.compress(piece) + (compressor.flush() if last else b"")

        return work() if len(piece) <= _INLINE_BYTES else await asyncio.to_thread(work)


def _may_be_compressed(start: Any) -> bool:
    kinds = dict(_headers(start))
    if start["status"] in (204, 304) or b"content-encoding" in kinds:
        return False
    return not kinds.get(b"content-type", b"").startswith(b"text/event-stream")


def _encoded(headers: Headers, encoding: str) -> Headers:
    others = [(name, value) for name, value in headers if name != b"content-length"]
    return [*others, (b"content-encoding", encoding.encode())]


def _varying(headers: Headers) -> Headers:
    """`headers` with one `Vary` that names the encoding."""
    names = [value for name, value in headers if name == b"vary"]
    others = [(name, value) for name, value in headers if name != b"vary"]
    return [*others, (b"vary", b", ".join([*names, b"Accept-Encoding"]))]
