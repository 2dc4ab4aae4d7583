"""What every GET route does without saying so: it answers HEAD, compresses what is long, and does
not send again what the client has."""

from typing import TYPE_CHECKING, Any

from litestar.enums import ScopeType

from rtcdp.api.compression import compressed
from rtcdp.api.validators import conditional

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send


def with_manners(app: "ASGIApp") -> "ASGIApp":
    """`app`, whose GET routes answer HEAD with the same headers and no body, say so in `Allow`,
    answer 304 for an entity tag that the client knows, and send long bodies in the encoding that
    it likes best."""
    inner = compressed(conditional(app))

    async def polite(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
        elif scope["method"] == "HEAD":
            await _head(inner, scope, receive, send)
        else:
            await inner(scope, receive, _naming_head(send))

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
