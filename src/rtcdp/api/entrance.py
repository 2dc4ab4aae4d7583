"""The gate as the HTTP server asks it: for each route before its handler hears of the request, and
in front of the addresses that are answered past the router."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from litestar.enums import ScopeType

from rtcdp.access.gate import SAFE_METHODS, Asking, Gate
from rtcdp.access.grant import AccessRefused, Grant
from rtcdp.access.needs import Need, declared_need
from rtcdp.access.page_session import COOKIE, CSRF_HEADER
from rtcdp.access.token import token_in
from rtcdp.api.address import noted_path
from rtcdp.api.guard import Guests, answer_directly
from rtcdp.api.problem import access_problem
from rtcdp.log.contract import DEFAULT_SOURCE

if TYPE_CHECKING:
    from litestar import Request
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler
    from litestar.types import ASGIApp, Guard, HTTPScope, Receive, Scope, Send

_MAY_GO_ON, _WHO = "rtcdp may go on", "rtcdp who"
_KEY, _SOURCE = b"key=", b"source="
_SHOWN = frozenset({b"authorization", b"cookie", b"origin", CSRF_HEADER.lower().encode()})


def entrance(gate: Gate) -> "Guard":
    """What a Litestar application is given as a guard of all its routes. A route that declares no
    need is for administrators; what these do is noted before it is done."""

    async def enter(connection: "ASGIConnection[Any, Any, Any, Any]", route: Any) -> None:
        scope: Any = connection.scope
        if scope["method"] == "OPTIONS":
            return
        need = _need_of(route)
        asking = asking_of(scope)
        grant = gate.admit(asking, need)
        scope["state"][_MAY_GO_ON] = partial(gate.holds, asking, need)
        scope["state"][_WHO] = grant.who
        if need == "admin" and gate.is_shut:
            action = f"{scope['method']} {noted_path(scope)}"
            await asyncio.to_thread(gate.audit.note, grant.who, action, "", _address(scope))

    return enter


def may_go_on(request: "Request[Any, Any, Any]") -> Callable[[], bool]:
    """Tells, for as long as a request lasts, whether who asked may have it still."""
    asked: Callable[[], bool] = request.scope["state"].get(_MAY_GO_ON, _always)
    return asked


def who_asks(request: "Request[Any, Any, Any]") -> str:
    """Who was let in, as the audit log calls them; an empty text where nobody has to say it."""
    return str(request.scope["state"].get(_WHO, ""))


def _always() -> bool:
    """Where there is no gate."""
    return True


def _need_of(route: "BaseRouteHandler") -> Need:
    return declared_need(route.opt) or "admin"


def behind(app: "ASGIApp", need: Need, gate: Gate) -> "ASGIApp":
    """`app`, an address that is answered past the router, behind the gate.

    A key that is bound to sources sends as one of them: as its first where the request names none.
    """

    async def enter(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] == "OPTIONS":
            await app(scope, receive, send)
            return
        try:
            entered = _entered(scope, need, gate)
        except AccessRefused as refused:
            document, headers = access_problem(refused)
            await answer_directly(send, refused.status, document, headers)
            return
        await app(entered, receive, send)

    return enter


def page_guests(needs: Mapping[str, Need], gate: Gate) -> Guests:
    """Tells whether a page of another origin is let in: everywhere where `needs` says `embed`, and
    with a key for that where it says `send`."""

    def is_guest(scope: "HTTPScope", origin: str | None) -> bool:
        need = needs.get(scope["path"])
        if need == "embed":
            return scope["method"] in SAFE_METHODS
        if need != "send" or origin is None:
            return False
        keys, _ = _apart(scope["query_string"])
        # With several, whoever lets in says what is wrong.
        return len(keys) > 1 or any(gate.lets_page_send(key, origin) for key in keys)

    return is_guest


def may_read(gate: Gate) -> Callable[["HTTPScope"], bool]:
    """Tells of a request whether who asks may read answers. Who may not is to be left to the
    router, which says why."""

    def is_let_in(scope: "HTTPScope") -> bool:
        if not (gate.is_shut or gate.is_limiting):
            return True
        asking = asking_of(scope)
        try:
            # The router counts those that it refuses itself.
            gate.count(asking, gate.decide(asking, "read"))
        except AccessRefused:
            return False
        return True

    return is_let_in


def asking_of(scope: "HTTPScope", page_key: str | None = None) -> Asking:
    """What a request shows of who asks."""
    shown = {n: v.decode("latin-1") for n, v in scope["headers"] if n in _SHOWN}
    return Asking(
        method=scope["method"],
        address=_address(scope),
        token=token_in(shown.get(b"authorization")),
        page_key=page_key,
        session=session_in(shown.get(b"cookie", "")),
        csrf_token=shown.get(CSRF_HEADER.lower().encode()),
        origin=shown.get(b"origin", "").lower() or None,
    )


def session_in(cookies: str) -> str | None:
    """The session's value in a Cookie header, if there is one."""
    # What other programs on this host have set there may be no cookies by the book.
    for cookie in cookies.split(";"):
        name, equals, value = cookie.strip().partition("=")
        if equals and name == COOKIE:
            return value
    return None


def _address(scope: "HTTPScope") -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _entered(scope: "HTTPScope", need: Need, gate: Gate) -> "HTTPScope":
    query, page_key = scope["query_string"], None
    if need == "send" and _KEY in query:
        keys, query = _apart(query)
        if len(keys) > 1:
            raise AccessRefused("repeated_key", "send key once")
        page_key = keys[0] if keys else None
    if gate.is_shut or gate.is_limiting:
        query = _as_source(query, gate.admit(asking_of(scope, page_key), need))
    if query is scope["query_string"]:
        return scope
    return {**scope, "query_string": query}


def _apart(query: bytes) -> tuple[list[str], bytes]:
    """The keys in a query, and the query without them."""
    parts = query.split(b"&")
    keys = [part.removeprefix(_KEY).decode("latin-1") for part in parts if part.startswith(_KEY)]
    return keys, b"&".join(part for part in parts if not part.startswith(_KEY))


def _as_source(query: bytes, grant: Grant) -> bytes:
    # Everybody can read a key that stands in a page: it is never for all sources.
    sources = grant.sources or ((DEFAULT_SOURCE,) if grant.origins else ())
    if not sources:
        return query
    given = _sources_in(query)
    if not given:
        named = b"" if sources == (DEFAULT_SOURCE,) else _SOURCE + sources[0].encode()
        return b"&".join(part for part in (query, named) if part)
    if not given <= set(sources):
        raise AccessRefused("foreign_source", f"send as {' or '.join(sources)}")
    return query


def _sources_in(query: bytes) -> set[str]:
    """As the collector reads them: a name that is escaped is the name, too."""
    return set(parse_qs(query.decode("latin-1"), keep_blank_values=True).get("source", ()))
