"""All addresses of the reading side: each reads its question and leaves the answer to
`rtcdp.answers`."""

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, Router, get
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from rtcdp.access.needs import READ
from rtcdp.answers import events as drill_down
from rtcdp.answers import uncounted
from rtcdp.answers.drill_down import Effort
from rtcdp.answers.events import EventFound, EventsPage, EventsQuestion, events_page
from rtcdp.answers.ledger import LedgerQuestion, ledger_page
from rtcdp.answers.list_rows import columns_of
from rtcdp.answers.metrics import (
    METRICS_PATH,
    PageViewsQuestion,
    PageViewWindow,
    RecentPageViewsQuestion,
    WindowsPage,
    WindowsQuestion,
    catalog_page,
    counted_in,
    find_metric,
    page_views,
    types_of_windows,
    windows_page,
)
from rtcdp.answers.question import Nothing
from rtcdp.answers.uncounted import (
    DeadLettersQuestion,
    DuplicatesQuestion,
    LateEventsQuestion,
    uncounted_page,
)
from rtcdp.api.address import address_of, text_in_path
from rtcdp.api.anomaly_routes import ANOMALY_HANDLERS
from rtcdp.api.context import ANSWER_HEADERS, ApiContext, Context, answer, link_to_next
from rtcdp.api.documentation import METRICS, answer_schema, documented, openapi_document
from rtcdp.api.exposition import exposition
from rtcdp.api.health import live, ready
from rtcdp.api.join_routes import JOIN_PAGES
from rtcdp.api.list_files import AskedList, list_answer
from rtcdp.api.live import LiveFeed, live_stream
from rtcdp.api.mending_routes import replay_dead_letter
from rtcdp.api.pages import PageAt
from rtcdp.api.product_routes import PRODUCT_PAGES
from rtcdp.api.query import Asked
from rtcdp.api.query_routes import query_handler
from rtcdp.api.recommendation_routes import RECOMMENDATION_HANDLERS
from rtcdp.api.story_routes import STORY_PAGES
from rtcdp.api.user_data_routes import USER_DATA_HANDLERS
from rtcdp.definitions import Metric

AnyRequest = Request[Any, Any, Any]

_USER_PREFIX = "/api/analytics/user/"
_USER_SUFFIX = "/page-views"
_USER = "user id"

_PAGE_VIEWS = Asked(PageViewsQuestion)
_RECENT = Asked(RecentPageViewsQuestion)
_EVENTS = Asked(EventsQuestion, drill_down.FILTERS, is_exported=True)

_CATALOG = PageAt(
    "/api/metrics",
    "list_metrics",
    catalog_page,
    Asked(Nothing),
    "The catalog of metrics",
    kept=True,
)
_PAGES = (
    PageAt(
        "/api/ledger",
        "ledger",
        ledger_page,
        Asked(LedgerQuestion),
        "What became of every record",
        group="Operate",
    ),
    PageAt(
        "/api/dead-letters",
        "dead_letters",
        uncounted_page,
        Asked(DeadLettersQuestion, uncounted.FILTERS),
        "Records that can't be admitted",
        "Newest first, with the reason, the step that found it, and the raw bytes.",
        group="Operate",
    ),
    PageAt(
        "/api/late-events",
        "late_events",
        uncounted_page,
        Asked(LateEventsQuestion, uncounted.FILTERS),
        "Events that came too late",
        "Newest first: valid events, older at intake than allowed.",
        group="Operate",
    ),
    PageAt(
        "/api/duplicates",
        "duplicates",
        uncounted_page,
        Asked(DuplicatesQuestion, uncounted.FILTERS),
        "Records whose event id was there before",
        "Newest first. `reason` tells copies from conflicts (same id, other content).",
        group="Operate",
    ),
)


def api_routes(context: ApiContext) -> Sequence[ControllerRouterHandler]:
    """The handlers, to be given to the application with `exception_handlers` and
    `openapi_config`. Set `context.stop` before the server stops, to end the live streams."""
    live_feed = LiveFeed(context)
    return [
        Router(
            path="/",
            route_handlers=[
                page_views_of_user,
                recent_page_views,
                _CATALOG.handler(),
                *metric_handlers(context.installation.metrics),
                query_handler(context.installation.metrics),
                events,
                *(page.handler() for page in (*_PAGES, *STORY_PAGES, *JOIN_PAGES)),
                replay_dead_letter,
                *USER_DATA_HANDLERS,
                *ANOMALY_HANDLERS,
                *RECOMMENDATION_HANDLERS,
                *(page.handler() for page in PRODUCT_PAGES),
                live_stream,
                live,
                ready,
                exposition,
                openapi_document,
            ],
            dependencies={
                "context": Provide(lambda: context, sync_to_thread=False),
                "live_feed": Provide(lambda: live_feed, sync_to_thread=False),
            },
            response_headers=ANSWER_HEADERS,
        )
    ]


@get(
    f"{_USER_PREFIX}{{userId:path}}",
    summary="Page views of a user",
    description="Per window of one minute, sliding by 30 seconds; newest first. "
    "A Link header names the next page, if there is one.",
    operation_class=documented(_PAGE_VIEWS),
    opt=READ,
    sync_to_thread=True,
)
def page_views_of_user(request: AnyRequest, context: Context) -> Response[list[PageViewWindow]]:
    user_id = text_in_path(request, _USER_PREFIX, _USER_SUFFIX, _USER)
    return _page_views(request, context, _PAGE_VIEWS.read(request), user_id)


@get(
    "/api/analytics/recent-page-views",
    summary="Recent page views of all users",
    description="Windows that ended within the last minutes or are still open; newest first. "
    "A Link header names the next page, if there is one.",
    operation_class=documented(_RECENT),
    opt=READ,
    sync_to_thread=True,
)
def recent_page_views(request: AnyRequest, context: Context) -> Response[list[PageViewWindow]]:
    return _page_views(request, context, _RECENT.read(request))


def metric_handlers(metrics: Sequence[Metric]) -> list[HTTPRouteHandler]:
    """A route for each metric, described by what the metric is; and one for all other names."""

    @get(f"{METRICS_PATH}{{name:str}}", include_in_schema=False, opt=READ, sync_to_thread=True)
    def newer_metric(
        request: AnyRequest, context: Context, name: FromPath[str]
    ) -> Response[WindowsPage]:
        return _windows(request, context, find_metric(context.installation.metrics, name))

    return [*(_handler(metric) for metric in metrics), newer_metric]


def _windows(request: AnyRequest, context: ApiContext, metric: Metric) -> Response[WindowsPage]:
    asked = AskedList(
        name=metric.name,
        question=_asked(metric).read(request),
        page_of=lambda each: windows_page(context.installation, metric, each),
        columns=types_of_windows(metric),
        counted=counted_in(metric),
    )
    return list_answer(request, context, asked)


def _asked(metric: Metric) -> Asked[WindowsQuestion]:
    filters = {name: f"windows of this {name}" for name in metric.key_names}
    return Asked(WindowsQuestion, filters, is_exported=True)


def _handler(metric: Metric) -> HTTPRouteHandler:
    order = "Newest first, then by key."
    if metric.window.overlap > 1:
        order += " Windows that are still open come last: they hold only part of their time."

    @get(
        f"{METRICS_PATH}{metric.name}",
        summary=metric.title,
        description=f"{metric.description} {order}".strip(),
        operation_class=documented(_asked(metric), answer_schema(metric), within=METRICS),
        opt=READ,
        sync_to_thread=True,
    )
    def metric_windows(request: AnyRequest, context: Context) -> Response[WindowsPage]:
        # What is meant by the name may have changed since the server began.
        return _windows(request, context, find_metric(context.installation.metrics, metric.name))

    return metric_windows


@get(
    "/api/events",
    summary="The events behind a number",
    description="Ask with `metric`, `window_start` and the key fields of a window for exactly the "
    "events in it, and for those that were not counted, with the reasons; `measure` leaves those "
    "that one of its measures looks at. `from` and `to` are event times. `order=desc` begins with "
    "what came last.",
    operation_class=documented(_EVENTS, group="Look"),
    opt=READ,
    sync_to_thread=True,
)
def events(request: AnyRequest, context: Context) -> Response[EventsPage]:
    effort = Effort(context.limits.events_bytes, context.limits.slice_bytes)
    filters = drill_down.filters_of(context.installation.metrics)
    question = Asked(EventsQuestion, filters, is_exported=True).read(request)
    asked = AskedList(
        name="events",
        question=question,
        page_of=lambda each: events_page(context.installation, each, effort),
        columns=columns_of(EventFound),
    )
    return list_answer(request, context, asked)


def _page_views(
    request: AnyRequest,
    context: ApiContext,
    question: PageViewsQuestion | RecentPageViewsQuestion,
    user_id: str | None = None,
) -> Response[list[PageViewWindow]]:
    """A bare array: where the next page is, and what is not whole, stand in headers."""
    page = page_views(context.installation, question, user_id)
    return answer(page.items, page, link_to_next(address_of(request), page.next_cursor))
