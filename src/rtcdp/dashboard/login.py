"""Where people log in to the pages with a key, see that they are, and log out."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment
from litestar import Request, Response, Router, get, post
from litestar.datastructures import Cookie

from rtcdp.access.gate import Asking, Gate
from rtcdp.access.grant import AccessRefused
from rtcdp.access.needs import OPEN
from rtcdp.access.page_session import COOKIE, CSRF_COOKIE
from rtcdp.api.entrance import asking_of
from rtcdp.api.problem import LOGIN_PATH
from rtcdp.dashboard.address import own_address
from rtcdp.dashboard.environment import page_environment, render
from rtcdp.errors import BadRequest

LOGOUT_PATH = "/logout"

_FRONT = "/"
_LONGEST_FORM = 4_096
_FIELDS = 5
_PATIENCE_S = 5.0
_SEE_OTHER, _TAKEN = 303, 200
_ASK = "Ask whoever runs this server for one"
_TO_DO = {
    "wrong_scope": "Log in with one that has the scope read or admin",
    "too_many_failures": "Wait a minute, and try again",
}
_UNNOTED = frozenset({"too_many_failures", "too_many_requests"})
"""Refusals that are told and not noted: there is no end to them, and there is one to the disk."""

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

AnyRequest = Request[Any, Any, Any]


def login_routes(gate: Gate) -> list[Router]:
    """`/login` and `/logout`. Pages of other origins can't send to them: the door is before them;
    and who logs out shows the token of the session."""
    environment = page_environment()

    async def note(who: str, action: str, asking: Asking) -> None:
        """On disk before it is answered, and past the event loop, which a disk would hold up."""
        await asyncio.to_thread(gate.audit.note, who, action, "", asking.address)

    @get(LOGIN_PATH, include_in_schema=False, sync_to_thread=False)
    def login_page(request: AnyRequest) -> Response[bytes]:
        asking = asking_of(request.scope)
        gate.count(asking)
        wanted = _once("next", request.query_params.getall("next", []))
        return _page(environment, gate, asking, place_of(wanted))

    @post(LOGIN_PATH, include_in_schema=False, status_code=_SEE_OTHER)
    async def log_in(request: AnyRequest) -> Response[bytes]:
        asking, form = asking_of(request.scope), form_of(await _body(request))
        place = place_of(form.get("next", ""))
        try:
            session = gate.begin_session(form.get("key", "").strip(), asking.address)
        except AccessRefused as refused:
            if refused.code not in _UNNOTED:
                await note("somebody", f"login refused: {refused.code}", asking)
            return _page(environment, gate, asking, place, refused)
        await note(f"key {session.key_id}", "login", asking)
        is_safe = request.scope.get("scheme") == "https" or _is_from_https(asking)
        kept: dict[str, Any] = {"path": "/", "samesite": "strict", "secure": is_safe}
        cookies = [
            Cookie(key=COOKIE, value=session.value, httponly=True, **kept),
            # For our scripts, which send it back; to others it is of no use.
            Cookie(key=CSRF_COOKIE, value=session.csrf_token, httponly=False, **kept),
        ]
        return Response(b"", status_code=_SEE_OTHER, headers={"Location": place}, cookies=cookies)

    @post(LOGOUT_PATH, include_in_schema=False, status_code=_SEE_OTHER)
    async def log_out(request: AnyRequest) -> Response[bytes]:
        asking, form = asking_of(request.scope), form_of(await _body(request))
        if asking.session is not None and not gate.is_from_session(
            asking.session, form.get("csrf_token", "")
        ):
            raise AccessRefused("no_csrf_token", f"log out on the page {LOGIN_PATH}")
        who = gate.end_session(asking)
        if who:
            await note(who, "logout", asking)
        gone = [Cookie(key=key, value="", path="/", max_age=0) for key in (COOKIE, CSRF_COOKIE)]
        return Response(b"", status_code=_SEE_OTHER, headers={"Location": LOGIN_PATH}, cookies=gone)

    handlers = [login_page, log_in, log_out]
    return [Router(path="/", route_handlers=handlers, response_headers=_HEADERS, opt=dict(OPEN))]


def _is_from_https(asking: Asking) -> bool:
    """Whether the browser shows an https page, which a proxy may have made of ours. Who says so and
    is not gets cookies that are of no use to them."""
    return (asking.origin or "").startswith("https://")


async def _body(request: AnyRequest) -> bytes:
    """The body of a form, as far as one may be long; nothing of one that doesn't come in time."""
    found = b""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            async for chunk in request.stream():
                found += chunk
                if len(found) > _LONGEST_FORM:
                    break
    except TimeoutError:
        return b""
    return found


def place_of(text: str) -> str:
    """Where to go after logging in: an address of ours, whatever was asked for."""
    return own_address(text) or _FRONT


def form_of(body: bytes) -> Mapping[str, str]:
    """The fields of a form that was sent; none of what is no form. Raises `BadRequest` for a field
    that is there twice."""
    if len(body) > _LONGEST_FORM:
        return {}
    try:
        found = parse_qs(body.decode("ascii"), max_num_fields=_FIELDS)
    except ValueError:
        return {}
    return {name: _once(name, values) for name, values in found.items()}


def _once(name: str, values: Sequence[str]) -> str:
    if len(values) > 1:
        raise BadRequest(f"{name[:100]} is there twice", "send it once")
    return values[0] if values else ""


def _page(
    environment: Environment,
    gate: Gate,
    asking: Asking,
    place: str,
    refused: AccessRefused | None = None,
) -> Response[bytes]:
    who, csrf_token = gate.logged_in(asking)
    values = {
        "needs_key": gate.is_shut,
        "who": who,
        "csrf_token": csrf_token,
        "next": place,
        "refused": refused,
        "said_to_do": _TO_DO.get("" if refused is None else refused.code, _ASK),
    }
    more = (
        {}
        if refused is None or refused.retry_after_s is None
        else {"Retry-After": str(refused.retry_after_s)}
    )
    return Response(
        render(environment, "login.html", values),
        status_code=_TAKEN if refused is None else refused.status,
        media_type="text/html",
        headers=more,
    )
