"""Every error as an RFC 9457 problem document that says what to do."""

import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from rtcdp.access.grant import AccessRefused
from rtcdp.answers.user_data import TooManyErasures
from rtcdp.api.address import meant_address, noted_path
from rtcdp.errors import BadRequest, NotThere, PartMissing, RtcdpError
from rtcdp.log.contract import LogFailed, LogUnavailable
from rtcdp.problem_document import (
    PROBLEM_HEADERS,
    PROBLEM_JSON,
    ProblemDocument,
    problem_document,
)
from rtcdp.store import StateMismatch, StoreForbidden, StoreUnavailable

_log = logging.getLogger(__name__)

LOGIN_PATH = "/login"
OTHER_ADDRESSES = "other_addresses"
"""Where an application's state names what is answered beside its own routes."""

RETRY_AFTER_S = 1
_OPERATOR_S = 60
"""What only an operator can mend takes longer to come back."""

_HINTS = {
    400: "compare the request with /docs",
    404: "the addresses that exist are listed at /docs",
    405: "use one of the methods named in the Allow header",
    413: "send less at once",
    415: "send application/json",
}


_DETAILS = {
    404: "there is nothing at this address",
    405: "this address doesn't take that method",
}


class TooManyClients(RtcdpError):
    """A limit on concurrent clients is reached."""


_STATUS_OF: tuple[tuple[type[RtcdpError], HTTPStatus], ...] = (
    (BadRequest, HTTPStatus.BAD_REQUEST),
    (NotThere, HTTPStatus.NOT_FOUND),
    (TooManyErasures, HTTPStatus.TOO_MANY_REQUESTS),
    (TooManyClients, HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (LogUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (LogFailed, HTTPStatus.SERVICE_UNAVAILABLE),
    (StateMismatch, HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreForbidden, HTTPStatus.SERVICE_UNAVAILABLE),
    (PartMissing, HTTPStatus.SERVICE_UNAVAILABLE),
)
_OPERATORS = (StateMismatch, StoreForbidden, PartMissing)


def problem(
    status: int, detail: str, hint: str = "", headers: dict[str, str] | None = None
) -> Response[ProblemDocument]:
    """The answer with a problem document: `detail` says what is wrong, `hint` what to do."""
    body = problem_document(status, detail, hint)
    every = {**PROBLEM_HEADERS, **(headers or {})}
    return Response(body, status_code=status, media_type=PROBLEM_JSON, headers=every)


def access_problem(refused: AccessRefused) -> tuple[ProblemDocument, dict[str, str]]:
    """The document about who is not let do something, and the headers that go with it."""
    document = problem_document(refused.status, str(refused), refused.hint, code=refused.code)
    if refused.status == HTTPStatus.UNAUTHORIZED:
        return document, {"WWW-Authenticate": 'Bearer realm="rtcdp"'}
    if refused.retry_after_s is not None:
        return document, {"Retry-After": str(refused.retry_after_s)}
    return document, {}


def _of_access_refused(request: Request[Any, Any, Any], refused: AccessRefused) -> Response[Any]:
    """Who looks at a page and is not logged in is led to where they can be."""
    is_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if is_page and refused.status == HTTPStatus.UNAUTHORIZED:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        where = f"{LOGIN_PATH}?{urlencode({'next': wanted})}"
        headers = {"Location": where, "Cache-Control": "no-store"}
        return Response(None, status_code=HTTPStatus.SEE_OTHER, headers=headers)
    document, more = access_problem(refused)
    every = {**PROBLEM_HEADERS, **more}
    return Response(document, status_code=refused.status, media_type=PROBLEM_JSON, headers=every)


def status_of(error: RtcdpError) -> HTTPStatus | None:
    """The status of an answer that says what is wrong; None where that is an error of our own."""
    return next((status for kind, status in _STATUS_OF if isinstance(error, kind)), None)


def _of_rtcdp_error(request: Request[Any, Any, Any], error: RtcdpError) -> Response[Any]:
    status = status_of(error)
    if status is None:
        _log.error("%s %s failed", request.method, noted_path(request.scope), exc_info=error)
        status = HTTPStatus.INTERNAL_SERVER_ERROR
    unavailable = status == HTTPStatus.SERVICE_UNAVAILABLE
    for_operator = isinstance(error, _OPERATORS)
    if for_operator:
        _log.warning("%s can't be answered: %s", noted_path(request.scope), error)
    wait_s = _OPERATOR_S if for_operator else RETRY_AFTER_S
    comes_back = unavailable or status == HTTPStatus.TOO_MANY_REQUESTS
    headers = {"Retry-After": str(wait_s)} if comes_back else None
    hint = error.hint or ("try again in a moment" if unavailable else "")
    return problem(status, str(error), hint, headers)


def _of_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    status = error.status_code
    title = HTTPStatus(status).phrase
    # Litestar's text for it is the title once more, or the address that the client knows.
    detail = _DETAILS.get(status) or error.detail or title
    hint = _HINTS.get(status, "")
    if status == HTTPStatus.NOT_FOUND:
        hint = _question_about(request) + hint
    return problem(status, detail, hint, dict(error.headers or {}))


def _question_about(request: Request[Any, Any, Any]) -> str:
    app = request.app
    known = [route.path for route in app.routes]
    meant = meant_address(request.scope["path"], [*known, *app.state.get(OTHER_ADDRESSES, ())])
    return "" if meant is None else f"did you mean {meant}? "


def _of_anything_else(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    _log.error("%s %s failed", request.method, noted_path(request.scope), exc_info=error)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "the server met an error of its own",
        "try again; if it stays, look into the server's log for this request",
    )


exception_handlers: ExceptionHandlersMap = {
    AccessRefused: _of_access_refused,
    RtcdpError: _of_rtcdp_error,
    HTTPException: _of_http_exception,
    Exception: _of_anything_else,
}
"""To be given to the application, so that unknown addresses and methods are answered alike."""
