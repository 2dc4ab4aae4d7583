"""The OpenAPI description. The page that shows it is the dashboard's; nothing comes from a CDN."""

from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

import rtcdp
from rtcdp.api.validators import KEPT, tag_of

_USER_PATH = "/api/analytics/user/{userId}"


class SchemaAsJson(JsonRenderPlugin):
    """Writes the schema with the whole address of a user's page views.

    Its route takes everything after `/user/`, because a user id may hold slashes.
    """

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        paths = {
            f"{path}/page-views" if path == _USER_PATH else path: item
            for path, item in openapi_schema["paths"].items()
        }
        return super().render(request, {**openapi_schema, "paths": paths})


_SCHEMA = SchemaAsJson(path="/openapi.json")


@get("/openapi.json", include_in_schema=False, sync_to_thread=False)
def openapi_document(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The description, where programs look for it first."""
    content = _SCHEMA.render(request, request.app.openapi_schema.to_schema())
    headers = {**KEPT, "ETag": tag_of(content)}
    return Response(content, media_type=MediaType.JSON, headers=headers)


openapi_config = OpenAPIConfig(
    title="rtcdp",
    version=rtcdp.__version__,
    description="Customer activity events in, exact windowed answers out. Times are ISO-8601 UTC; "
    "lists are paged by `cursor`; errors are RFC 9457 problem documents. Every answer says how "
    "fresh it is: `X-As-Of` and `X-Lag-Ms`.",
    path="/schema",
    render_plugins=[_SCHEMA],
)
"""To be given to the application. The schema is at `/openapi.json` and `/schema/openapi.json`."""
