"""All addresses of the reading side."""

from collections.abc import Sequence

from litestar import Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from rtcdp.api.context import ApiContext
from rtcdp.api.documentation import openapi_document
from rtcdp.api.events import events
from rtcdp.api.exposition import exposition
from rtcdp.api.health import live, ready
from rtcdp.api.ledger import ledger
from rtcdp.api.live import LiveFeed, live_stream
from rtcdp.api.metric_windows import list_metrics, metric_handlers
from rtcdp.api.page_views import page_views_of_user, recent_page_views
from rtcdp.api.uncounted import dead_letters, duplicates, late_events

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


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
                list_metrics,
                *metric_handlers(context.installation.metrics),
                events,
                ledger,
                dead_letters,
                late_events,
                duplicates,
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
            response_headers=_HEADERS,
        )
    ]
