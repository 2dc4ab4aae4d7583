"""The door as an ASGI layer, in front of everything that a server answers, and what it tells the
pages of other origins that are let in (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from litestar.enums import ScopeType

from rtcdp.api.door import Caller, Concern, Door
from rtcdp.problem_document import (
    PROBLEM_HEADERS,
    PROBLEM_JSON,
    ProblemDocument,
    problem_document,
)

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

_HEADERS = {
    b"host": "host",
    b"origin": "origin",
    b"sec-fetch-site": "fetch_site",
    b"sec-fetch-mode": "fetch_mode",
    b"sec-fetch-dest": "fetch_destination",
}

_ANSWERS: dict[Concern, tuple[HTTPStatus, str, str]] = {
    "no_host": (
        HTTPStatus.BAD_REQUEST,
        "the request has no Host header, or more than one",
        "send exactly one, with the name of this server",
    ),
    "unknown_host": (
        HTTPStatus.MISDIRECTED_REQUEST,
        "this server doesn't go by the name {host!r}",
        "ask for localhost; or, if the name is right, add it to allowed_hosts in rtcdp.toml "
        "or RTCDP_ALLOWED_HOSTS, and start the server again",
    ),
    "foreign_page": (
        HTTPStatus.FORBIDDEN,
        "the request comes from a web page of {origin}, which is not let in",
        "if the page is yours, make a key for it (rtcdp keys create --origin …), or add its origin "
        "to allowed_origins in rtcdp.toml or RTCDP_ALLOWED_ORIGINS, and start the server again",
    ),
}

_METHODS = b"GET, HEAD, POST, DELETE, OPTIONS"
_REQUEST_HEADERS = b"authorization, content-type, content-encoding, if-none-match"
_READABLE = b"ETag, Link, Retry-After, X-As-Of, X-Lag-Ms"
_PREFLIGHT_AGE_S = 600
_KNOWN_HOSTS = 64

Headers = list[tuple[bytes, bytes]]

Guests = Callable[["HTTPScope", str | None], bool]
"""Whether a request of a page of that origin is let in, though the door doesn't know the origin;
None where the browser doesn't say it, as of a script that a page embeds."""


def guarded(app: "ASGIApp", door: Door, guests: Guests = lambda *_: False) -> "ASGIApp":
    """`app`, reached through `door` alone.

    Who is not let in gets a problem document, and `app` does not hear of it. The preflights of
    origins that are let in are answered here; their other answers get the headers that let the
    page read them. `guests` are let in besides.
    """

    known: set[tuple[bytes, bytes]] = set()

    async def guard(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        seen = [(name, value) for name, value in scope["headers"] if name in _HEADERS]
        # Nearly every program sends Host alone, and the same one each time.
        if len(seen) == 1 and seen[0] in known:
            await app(scope, receive, send)
            return
        caller = _caller(scope["method"], seen)
        concern, origin = door.concern(caller), caller.origin
        is_known = origin in door.origins
        if concern == "foreign_page" and guests(scope, origin):
            concern, is_known = None, origin is not None
        if concern is not None:
            await _refuse(concern, caller, send)
            return
        if len(seen) == 1 and len(known) < _KNOWN_HOSTS:
            known.add(seen[0])
        if not is_known:
            await app(scope, receive, send)
            return
        shared = _shared_with(caller.origin)
        if caller.method == "OPTIONS" and _asks_first(scope):
            await _answer(send, HTTPStatus.NO_CONTENT, [*shared, *_preflight_headers(scope)], b"")
            return
        await app(scope, receive, _adding(send, shared))

    return guard


def _caller(method: str, headers: Headers) -> Caller:
    found: dict[str, str] = {}
    for name, value in headers:
        field, text = _HEADERS[name], value.decode("latin-1").lower()
        found[field] = f"{found[field]},{text}" if field in found else text
    return Caller(method, found.pop("host", None), **found)


async def _refuse(concern: Concern, caller: Caller, send: "Send") -> None:
    status, detail, hint = _ANSWERS[concern]
    shown = {"host": (caller.host or "")[:200], "origin": (caller.origin or "another site")[:200]}
    document = problem_document(status, detail.format(**shown), hint, code=concern)
    await answer_directly(send, status, document)


async def answer_directly(
    send: "Send", status: int, document: ProblemDocument, more: Mapping[str, str] | None = None
) -> None:
    """Answer with a problem document, past whatever application there is; `more` are headers."""
    every = {"Content-Type": PROBLEM_JSON, **PROBLEM_HEADERS, **(more or {})}
    headers = [(name.lower().encode(), value.encode()) for name, value in every.items()]
    await _answer(send, status, headers, msgspec.json.encode(document))


async def _answer(send: "Send", status: int, headers: Headers, body: bytes) -> None:
    sized = headers if status == HTTPStatus.NO_CONTENT else [*headers, _length(body)]
    await send({"type": "http.response.start", "status": int(status), "headers": sized})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _length(body: bytes) -> tuple[bytes, bytes]:
    return (b"content-length", b"%d" % len(body))


def _shared_with(origin: str | None) -> Headers:
    return [
        (b"access-control-allow-origin", (origin or "").encode("latin-1")),
        (b"access-control-expose-headers", _READABLE),
        (b"vary", b"Origin"),
    ]


def _asks_first(scope: Any) -> bool:
    return any(name == b"access-control-request-method" for name, _ in scope["headers"])


def _preflight_headers(scope: Any) -> Headers:
    found: Headers = [
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", _REQUEST_HEADERS),
        (b"access-control-max-age", b"%d" % _PREFLIGHT_AGE_S),
    ]
    # https://wicg.github.io/private-network-access/#cors-preflight
    if (b"access-control-request-private-network", b"true") in scope["headers"]:
        found.append((b"access-control-allow-private-network", b"true"))
    return found


def _adding(send: "Send", headers: Headers) -> "Send":
    async def send_with_headers(message: "Message") -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return send_with_headers
