"""The namesake metric at the addresses it has always had: bare arrays, newest window first."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote, urlencode

import msgspec
from litestar import Request, Response, get

from rtcdp.answers.cursor import INSTANT, write_cursor
from rtcdp.answers.freshness import open_reading
from rtcdp.answers.windows import MAX_PAGE, WindowQuery, complete_from_of, windows
from rtcdp.api.context import ApiContext, Context, answer, complete_from_header, link_to_next
from rtcdp.api.parameter import CURSOR, documented, limit, number
from rtcdp.api.query import Query, read_query
from rtcdp.definitions import Metric
from rtcdp.errors import BadRequest, NotThere

METRIC = "user_page_view_counts"
_USER_PREFIX = "/api/analytics/user/"
_USER_SUFFIX = "/page-views"
_MAX_MINUTES = 366 * 24 * 60
_OF_USER = (limit(MAX_PAGE, MAX_PAGE), CURSOR)
_RECENT = (
    number("minutes", "windows that ended within the last so many minutes", 5, _MAX_MINUTES),
    *_OF_USER,
)


class PageViewWindow(msgspec.Struct):
    """The page views of a user in one window."""

    userId: str  # noqa: N815
    window_start: str
    window_end: str
    page_view_count: int


@get(
    f"{_USER_PREFIX}{{userId:path}}",
    summary="Page views of a user",
    description="Per window of one minute, sliding by 30 seconds; newest first. "
    "A Link header names the next page, if there is one.",
    operation_class=documented(*_OF_USER),
    sync_to_thread=True,
)
def page_views_of_user(
    request: Request[Any, Any, Any], context: Context
) -> Response[list[PageViewWindow]]:
    user_id = _user_in_path(request)
    query = read_query(request, _OF_USER)
    return _answer(request, context, query, {"userId": user_id}, None)


@get(
    "/api/analytics/recent-page-views",
    summary="Recent page views of all users",
    description="Windows that ended within the last minutes or are still open; newest first. "
    "A Link header names the next page, if there is one.",
    operation_class=documented(*_RECENT),
    sync_to_thread=True,
)
def recent_page_views(
    request: Request[Any, Any, Any], context: Context
) -> Response[list[PageViewWindow]]:
    query = read_query(request, _RECENT)
    minutes = query.number("minutes", default=5, most=_MAX_MINUTES)
    since_end = context.installation.clock.now_ms() - minutes * 60_000
    return _answer(request, context, query, {}, since_end)


def _answer(
    request: Request[Any, Any, Any],
    context: ApiContext,
    query: Query,
    equals: dict[str, str],
    ended_after: int | None,
) -> Response[list[PageViewWindow]]:
    metric = _metric(context)
    start_from = None if ended_after is None else ended_after - metric.window.size_ms + 1
    wanted = WindowQuery(
        equals=equals,
        start_from=start_from,
        limit=query.number("limit", default=MAX_PAGE, most=MAX_PAGE),
        after=query.cursor((INSTANT, str)),
    )
    with open_reading(context.installation) as reading:
        # Nothing in a bare row could tell that it is not whole.
        whole_from = complete_from_of(reading.snapshot, metric)
        if whole_from is not None:
            wanted = replace(wanted, start_from=max(whole_from, wanted.start_from or whole_from))
        page = windows(reading.snapshot, metric, wanted)
    rows = msgspec.convert(page.items, list[PageViewWindow])
    headers = _next_page(request, query, page.after) | complete_from_header(page.complete_from)
    return answer(rows, reading.freshness, headers)


def _next_page(
    request: Request[Any, Any, Any], query: Query, after: tuple[int | str, ...] | None
) -> dict[str, str]:
    if after is None:
        return {}
    kept = {name: query.text(name) for name in query.values if name != "cursor"}
    path = quote(_path_of(request), safe="/%:@!$&'()*+,;=~")
    address = f"{path}?{urlencode(kept)}" if kept else path
    return link_to_next(address, write_cursor(after))


def _metric(context: ApiContext) -> Metric:
    for metric in context.installation.metrics:
        if metric.name == METRIC:
            return metric
    raise NotThere(f"there is no metric {METRIC} here", "add its file to the catalog")


def _path_of(request: Request[Any, Any, Any]) -> str:
    """The path as it was sent, percent-encoded or in UTF-8. Raises `BadRequest`."""
    raw: bytes = request.scope["raw_path"]
    try:
        return raw.decode().partition("?")[0]
    except UnicodeDecodeError as error:
        raise BadRequest("the address is not UTF-8", "percent-encode it as UTF-8") from error


def _user_in_path(request: Request[Any, Any, Any]) -> str:
    """The user id exactly as it was sent: the undecoded path tells its slashes from others."""
    path = _path_of(request)
    middle = path.removeprefix(_USER_PREFIX)
    if middle == path or not middle.endswith(_USER_SUFFIX):
        raise NotThere(
            f"there is nothing at {path[:200]}", f"ask for {_USER_PREFIX}ID{_USER_SUFFIX}"
        )
    try:
        user_id = unquote(middle.removesuffix(_USER_SUFFIX), errors="strict")
    except UnicodeDecodeError as error:
        raise BadRequest("the user id is not UTF-8", "percent-encode it as UTF-8") from error
    if not user_id:
        raise NotThere("the user id is empty", f"ask for {_USER_PREFIX}ID{_USER_SUFFIX}")
    if "\0" in user_id:
        raise BadRequest("the user id holds the character U+0000", "no event has such a user")
    return user_id
