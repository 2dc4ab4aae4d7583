"""What every GET route does without saying so: it answers HEAD, compresses what is long, and does
not send again what the client has, by its entity tag (RFC 9110, section 13)."""

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from litestar.enums import ScopeType

from rtcdp.api.address import with_ids_apart
from rtcdp.api.compression import compressed

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send


KEPT = {"Cache-Control": "no-cache"}
"""The header of an answer with an entity tag: it may be kept, and is asked for again each time."""

_OF_A_BODY = (b"content-length", b"content-type", b"content-encoding")


def with_manners(app: "ASGIApp") -> "ASGIApp":
    """`app`, whose GET routes answer HEAD with the same headers and no body, say so in `Allow`,
    answer 304 for an entity tag that the client knows, and send long bodies in the encoding that
    it likes best."""
    inner = compressed(conditional(app))

    async def polite(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            await _head(inner, with_ids_apart(scope), receive, send)
        else:
            await inner(with_ids_apart(scope), receive, _naming_head(send))

    return polite


async def _head(app: "ASGIApp", scope: Any, receive: "Receive", send: "Send") -> None:
    """Answer as for GET, but end after the headers: a stream is told that its client has gone."""
    is_answered = False

    async def receive_unless_answered() -> Any:
        return {"type": "http.disconnect"} if is_answered else await receive()

    async def send_headers(message: "Message") -> None:
        nonlocal is_answered
        if is_answered:
            return
        await send(message)
        if message["type"] == "http.response.start":
            is_answered = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    as_get: Any = {**scope, "method": "GET"}
    await app(as_get, receive_unless_answered, _naming_head(send_headers))


def _naming_head(send: "Send") -> "Send":
    async def send_named(message: "Message") -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [_named(name, value) for name, value in message["headers"]]
        await send(message)

    return send_named


def _named(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    if name != b"allow":
        return name, value
    methods = {method.strip() for method in value.split(b",")}
    if b"GET" in methods:
        methods.add(b"HEAD")
    return name, b", ".join(sorted(methods))


def tag_of(content: bytes) -> str:
    """A weak entity tag: the same meaning, in whichever encoding it is sent."""
    return f'W/"{sha256(content).hexdigest()[:16]}"'


def is_known(given: str, tag: str) -> bool:
    """Whether the header If-None-Match names `tag`, which is compared weakly."""
    opaque = tag.removeprefix("W/")
    names = (name.strip() for name in given.split(","))
    return any(name == "*" or name.removeprefix("W/") == opaque for name in names)


def conditional(app: "ASGIApp") -> "ASGIApp":
    """`app`, whose answers to GET are 304 without a body where the client has them already."""

    async def answering(scope: "Scope", receive: "Receive", send: "Send") -> None:
        given = _if_none_match(scope)
        if not given:
            await app(scope, receive, send)
            return
        is_left_out = False

        async def send_if_unknown(message: "Message") -> None:
            nonlocal is_left_out
            if message["type"] == "http.response.start" and _is_same(message, given):
                is_left_out = True
                headers = [pair for pair in message["headers"] if pair[0] not in _OF_A_BODY]
                await send({**message, "status": 304, "headers": headers})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            elif not is_left_out:
                await send(message)

        await app(scope, receive, send_if_unknown)

    return answering


def _if_none_match(scope: Any) -> bytes:
    if scope["type"] != ScopeType.HTTP or scope["method"] != "GET":
        return b""
    return b",".join(value for name, value in scope["headers"] if name == b"if-none-match")


def _is_same(start: Any, given: bytes) -> bool:
    tag = next((value for name, value in start["headers"] if name == b"etag"), b"")
    return start["status"] == 200 and bool(tag) and is_known(given.decode("latin-1"), tag.decode())
