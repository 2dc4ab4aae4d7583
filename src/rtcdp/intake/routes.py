"""The collector's HTTP routes: `POST /v1/events` and `POST /v1/import`; and, to another log,
`POST /v1/product-updates`.

They speak ASGI directly: that serves a third more requests than a typed route, and a body is read
no further than it is wanted. The schema generator can't see them: `rtcdp.intake.documentation`
describes them to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

import msgspec
from litestar.enums import ScopeType
from litestar.handlers import ASGIRouteHandler, asgi
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from rtcdp.access.needs import NEED, Need
from rtcdp.intake.body import HeldBody
from rtcdp.intake.cloud_events import (
    ATTRIBUTE_HEADERS,
    CLOUD_EVENT_TYPES,
    event_line_of_headers,
)
from rtcdp.intake.collector import Collector, IntakeAnswer
from rtcdp.intake.decompression import decompress, too_large
from rtcdp.intake.pieces import HEADER, KnownPiece, KnownPieces, piece_named
from rtcdp.intake.problem import RequestRefused, document_of
from rtcdp.intake.recorded import DIGEST, DISPOSITION, FileDoor, SentFile, digest_of, name_of
from rtcdp.log.contract import DEFAULT_SOURCE, Intake
from rtcdp.log.piece import Piece

_HEADERS = frozenset(
    {b"content-type", b"content-encoding", b"content-length", b"transfer-encoding"}
    | ATTRIBUTE_HEADERS.keys()
    | {HEADER, DIGEST, DISPOSITION}
)
_PARAMETERS = ("source", "mapping", "name")
_PLAIN_JSON = "application/json"
_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
_ALLOW = (b"allow", b"OPTIONS, POST")
_encode = msgspec.json.Encoder().encode


PRODUCTS_PATH = "/v1/product-updates"

NEEDS: Mapping[str, Need] = {"/v1/events": "send", "/v1/import": "write", PRODUCTS_PATH: "write"}
"""What each address needs of who asks."""


def collector_endpoints(
    collector: Collector, products: Collector | None = None, files: FileDoor | None = None
) -> dict[str, ASGIApp]:
    """The ASGI applications by path, for a server that calls them directly: two of the collector of
    events, the second of which leaves recorded files to `files`, and that of `products`."""
    live, recorded = _Door(collector, "live"), _Door(collector, "import", files)

    async def events(scope: Scope, receive: Receive, send: Send) -> None:
        await _answer(live, scope, receive, send)

    async def history(scope: Scope, receive: Receive, send: Send) -> None:
        await _answer(recorded, scope, receive, send)

    endpoints: dict[str, ASGIApp] = {"/v1/events": events, "/v1/import": history}
    if products is not None:
        of_products = _Door(products, "live")

        async def updates(scope: Scope, receive: Receive, send: Send) -> None:
            await _answer(of_products, scope, receive, send)

        endpoints[PRODUCTS_PATH] = updates
    return endpoints


def collector_routes(
    collector: Collector, products: Collector | None = None, files: FileDoor | None = None
) -> list[ASGIRouteHandler]:
    """The same as route handlers for a Litestar application."""
    names = {
        "/v1/events": "take-events",
        "/v1/import": "take-history",
        PRODUCTS_PATH: "take-product-updates",
    }
    return [
        asgi(path, name=names[path], copy_scope=False, opt={NEED: NEEDS[path]})(endpoint)
        for path, endpoint in collector_endpoints(collector, products, files).items()
    ]


@dataclass(frozen=True)
class _Door:
    """Who takes what comes to an address, and as what."""

    collector: Collector
    intake: Intake
    files: FileDoor | None = None


async def _answer(door: _Door, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != ScopeType.HTTP:
        await send({"type": "websocket.close", "code": 1000, "reason": "send events with POST"})
        return
    if scope["method"] == "OPTIONS":
        await _send(send, 204, [_ALLOW], b"")
        return
    try:
        answer = await _take(door, scope, receive)
    except RequestRefused as refused:
        door.collector.count_refused(refused.code)
        await _send(
            send,
            refused.status,
            [_PROBLEM, *_extra_headers(refused)],
            _encode(document_of(refused)),
        )
        return
    await _send(send, 200, [_JSON], _encode(answer))


async def _take(door: _Door, scope: HTTPScope, receive: Receive) -> IntakeAnswer | KnownPieces:
    if scope["method"] != "POST":
        raise RequestRefused("method_not_allowed", "send events with POST", headers=(_ALLOW,))
    collector, files = door.collector, door.files
    collector.check_open()
    asked = _parameters(scope["query_string"], _PARAMETERS if files else _PARAMETERS[:1])
    source = asked.get("source", DEFAULT_SOURCE)
    collector.check_source(source)
    headers = _wanted_headers(scope)
    if files is None:
        return await _take_batch(HeldBody(collector), door, headers, source, receive)
    if HEADER not in headers and (
        asked.keys() - {"source"} or headers.keys() & {DISPOSITION, DIGEST}
    ):
        return await files.take(_file_of(asked, headers, source), receive)
    held = HeldBody(collector)
    try:
        return await _take_batch(held, door, headers, source, receive)
    except RequestRefused as refused:
        if refused.status != 413 or not _may_be_lines(headers):
            raise
        file = msgspec.structs.replace(_file_of(asked, headers, source), head=held.chunks)
        try:
            return await files.take(file, None if held.is_whole else receive)
        except RequestRefused as other:
            # It is no file of events: too much for one request is what it is.
            raise (_too_much(refused) if other.code == "not_mapped" else other) from None


def _too_much(refused: RequestRefused) -> RequestRefused:
    """The refusal of a body that may be a file of lines which a mapping is needed for."""
    hint = f"{refused.hint}; if it is a file of other lines, say with ?mapping= how they are read"
    return RequestRefused(refused.code, hint, refused.retry_after_s, refused.headers)


async def _take_batch(
    held: HeldBody,
    door: _Door,
    headers: Mapping[bytes, bytes],
    source: str,
    receive: Receive,
) -> IntakeAnswer | KnownPieces:
    """Take a body in that is in memory as a whole."""
    collector, intake = door.collector, door.intake
    with held:
        is_framed_otherwise = b"transfer-encoding" in headers
        length = None if is_framed_otherwise else headers.get(b"content-length")
        body = await held.read(receive, length)
        media_type = _media_type(headers)
        encoding = _text(headers.get(b"content-encoding", b"")).strip()
        has_attributes = b"ce-specversion" in headers and media_type not in CLOUD_EVENT_TYPES
        if has_attributes and collector.takes_events:
            limits = collector.limits_of_one
            plain = decompress(body, encoding, limits)
            if len(plain) > limits.max_decompressed_bytes:
                raise too_large(limits)
            body = event_line_of_headers(headers, media_type or _PLAIN_JSON, plain)
            media_type, encoding = _PLAIN_JSON, ""
        if HEADER in headers and intake == "import":
            piece = piece_named(headers[HEADER])
            return await _take_piece(collector, piece, (body, media_type, encoding), source)
        return await collector.take(body, media_type, encoding, source, intake)


def _file_of(asked: Mapping[str, str], headers: Mapping[bytes, bytes], source: str) -> SentFile:
    """The recorded file that a request brings."""
    length = headers.get(b"content-length", b"")
    is_counted = length.isdigit() and b"transfer-encoding" not in headers
    return SentFile(
        source=source,
        mapping=asked.get("mapping", "events"),
        name=name_of(asked.get("name"), headers),
        encoding=_text(headers.get(b"content-encoding", b"")).strip(),
        digest=digest_of(headers[DIGEST]) if DIGEST in headers else None,
        length=int(length[:20]) if is_counted else None,
    )


def _may_be_lines(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a body may be a recorded file, though it does not say so."""
    is_cloud_event = b"ce-specversion" in headers or _media_type(headers) in CLOUD_EVENT_TYPES
    return HEADER not in headers and not is_cloud_event


def _media_type(headers: Mapping[bytes, bytes]) -> str:
    return _text(headers.get(b"content-type", b"")).partition(";")[0].strip()


async def _take_piece(
    collector: Collector, piece: Piece, sent: tuple[bytes, str, str], source: str
) -> IntakeAnswer | KnownPieces:
    """Take a piece of a recorded file in, or tell which ones are known."""
    if piece.key:
        return await collector.take_piece(*sent, source, piece)
    known = await collector.known_pieces(piece.after)
    return KnownPieces(piece.after, tuple(KnownPiece(each.key, each.byte_count) for each in known))


def _wanted_headers(scope: HTTPScope) -> dict[bytes, bytes]:
    """The last of each header that matters here; encodings in several headers are joined."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _HEADERS:
            is_second = name == b"content-encoding" and name in found
            found[name] = found[name] + b"," + value if is_second else value
    return found


def _text(header: bytes) -> str:
    return header.decode("latin-1").lower()


def _parameters(query: bytes, known: Sequence[str]) -> Mapping[str, str]:
    """The parameters of a query. Raises `RequestRefused` for others than are `known`."""
    if not query:
        return {}
    allowed = " and ".join(known)
    only = f"send {allowed} as the only query parameter{'s' if len(known) > 1 else ''}"
    try:
        given = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=20)
    except ValueError as error:
        raise RequestRefused("unknown_parameter", only) from error
    if given.keys() - set(known):
        raise RequestRefused("unknown_parameter", only)
    for name, values in given.items():
        if len(values) > 1:
            raise RequestRefused("repeated_parameter", f"send {name} once")
    return {name: values[0] for name, values in given.items()}


def _extra_headers(refused: RequestRefused) -> list[tuple[bytes, bytes]]:
    if refused.retry_after_s is None:
        return list(refused.headers)
    return [(b"retry-after", b"%d" % refused.retry_after_s), *refused.headers]


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    if status != 204:
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
