"""Recommendations on the event loop, past the router and its threads, which take twice as long as
the answer does. What needs a look at the store, or takes longer, is left to the router."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from litestar import Request
from litestar.enums import ScopeType

from rtcdp.answers.recommendations import Adviser, RecommendationsPage, for_product, for_user
from rtcdp.api.address import AnyRequest, text_in_path
from rtcdp.api.context import ANSWER_HEADERS, ApiContext, freshness_headers
from rtcdp.api.measuring import name_route
from rtcdp.api.recommendation_routes import (
    PRODUCT_ASKED,
    PRODUCT_PREFIX,
    PRODUCT_ROUTE,
    USER_ASKED,
    USER_PREFIX,
    USER_ROUTE,
)
from rtcdp.errors import RtcdpError

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

_encode = msgspec.json.Encoder().encode
_HEADERS = [
    (b"content-type", b"application/json"),
    *((name.lower().encode(), text.encode()) for name, text in ANSWER_HEADERS.items()),
]


def at_once(
    app: "ASGIApp", context: ApiContext, may: Callable[["HTTPScope"], bool] = lambda _: True
) -> "ASGIApp":
    """`app`, but what is recommended to a user, or with a product, is answered here where nothing
    has to be waited for, and `may` says that whoever asks may know."""
    adviser = context.adviser

    async def answering(scope: "Scope", receive: "Receive", send: "Send") -> None:
        page = None
        if scope["type"] == ScopeType.HTTP and scope["method"] == "GET":
            path = scope["path"]
            if path.startswith((USER_PREFIX, PRODUCT_PREFIX)):
                page = _page(adviser, Request(scope), path.startswith(USER_PREFIX), may)
        if page is None:
            await app(scope, receive, send)
            return
        is_for_user = scope["path"].startswith(USER_PREFIX)
        name_route(scope, USER_ROUTE if is_for_user else PRODUCT_ROUTE)
        body = _encode(page)
        told = freshness_headers(page).items()
        headers = [
            *_HEADERS,
            (b"content-length", b"%d" % len(body)),
            *((name.lower().encode(), text.encode()) for name, text in told),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return answering


def _page(
    adviser: Adviser, request: AnyRequest, is_for_user: bool, may: Callable[["HTTPScope"], bool]
) -> RecommendationsPage | None:
    """None where it takes longer, and where it is refused: the router says why. Whether somebody
    may know is asked last, as each asking counts."""
    try:
        if is_for_user:
            user_id = text_in_path(request, USER_PREFIX, "", "user id")
            asked = USER_ASKED.read(request)
            known = adviser.at_hand(asked, user_id)
            if known is None or not may(request.scope):
                return None
            return for_user(adviser, user_id, asked, known)
        product_id = text_in_path(request, PRODUCT_PREFIX, "", "product id")
        question = PRODUCT_ASKED.read(request)
        known = adviser.at_hand(question)
        if known is None or not may(request.scope):
            return None
        return for_product(adviser, product_id, question, known)
    except RtcdpError:
        return None
