"""Recommendations on the event loop, past the router and its threads, the turns of answers and all
that is done for long ones, which take twice as long as the answer does. What needs a look at the
store, or takes longer, is left to these.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from litestar import Request
from litestar.enums import ScopeType

from rtcdp.answers.recommendations import (
    Adviser,
    ProductRecommendations,
    RecommendationsPage,
    UserRecommendations,
    for_product,
    for_user,
)
from rtcdp.api.address import text_in_path
from rtcdp.api.compression import MIN_BYTES, VARYING, compressed_at_once, encoding_of
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

LONG_BYTES = 16 * 1024
"""What is longer goes the way of all answers, within their limits."""

_USUAL_FOR_USER, _USUAL_FOR_PRODUCT = UserRecommendations(), ProductRecommendations()
_encode = msgspec.json.Encoder().encode
_HEADERS = [
    (b"content-type", b"application/json"),
    *((name.lower().encode(), text.encode()) for name, text in ANSWER_HEADERS.items()),
    VARYING,
]


def at_once(
    app: "ASGIApp", context: ApiContext, may: Callable[["HTTPScope"], bool] = lambda _: True
) -> "ASGIApp":
    """`app`, but what is recommended to a user, or with a product, is answered here where nothing
    has to be waited for, and `may` says that whoever asks may know."""
    adviser = context.adviser

    async def answering(scope: "Scope", receive: "Receive", send: "Send") -> None:
        page, body, is_for_user = None, b"", False
        if scope["type"] == ScopeType.HTTP and scope["method"] == "GET":
            is_for_user = scope["path"].startswith(USER_PREFIX)
            if is_for_user or scope["path"].startswith(PRODUCT_PREFIX):
                page = _page(adviser, scope, is_for_user, may)
                body = b"" if page is None else _encode(page)
        if page is None or len(body) > LONG_BYTES:
            await app(scope, receive, send)
            return
        name_route(scope, USER_ROUTE if is_for_user else PRODUCT_ROUTE)
        told = freshness_headers(page).items()
        headers = [*_HEADERS, *((name.lower().encode(), text.encode()) for name, text in told)]
        encoding = encoding_of(scope) if len(body) >= MIN_BYTES else None
        if encoding is not None:
            body = compressed_at_once(body, encoding)
            headers.append((b"content-encoding", encoding.encode()))
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return answering


def _page(
    adviser: Adviser, scope: "HTTPScope", is_for_user: bool, may: Callable[["HTTPScope"], bool]
) -> RecommendationsPage | None:
    """None where it takes longer, and where it is refused: the router says why. Whether somebody
    may know is asked last, as each asking counts."""
    is_usual = not scope["query_string"]
    try:
        if is_for_user:
            user_id = _id_in(scope, USER_PREFIX, "user id")
            asked = _USUAL_FOR_USER if is_usual else USER_ASKED.read(Request(scope))
            known = adviser.at_hand(asked, user_id)
            if known is None or not may(scope):
                return None
            return for_user(adviser, user_id, asked, known)
        product_id = _id_in(scope, PRODUCT_PREFIX, "product id")
        question = _USUAL_FOR_PRODUCT if is_usual else PRODUCT_ASKED.read(Request(scope))
        known = adviser.at_hand(question)
        if known is None or not may(scope):
            return None
        return for_product(adviser, product_id, question, known)
    except RtcdpError:
        return None


def _id_in(scope: "HTTPScope", prefix: str, what: str) -> str:
    """The id at the end of a path. Raises what `text_in_path` raises."""
    raw, path = scope["raw_path"], scope["path"]
    # Nearly all ids are sent as they are.
    if len(path) > len(prefix) and path.isascii() and path.encode() == raw:
        return path[len(prefix) :]
    return text_in_path(Request(scope), prefix, "", what)
