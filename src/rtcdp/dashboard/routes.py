"""The pages and their assets, as files of this package."""

from hashlib import sha256
from importlib.resources import files
from typing import Any

from litestar import MediaType, Request, Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

LINKS = {
    "page_views_of_user": "/api/analytics/user/{userId}/page-views",
    "recent_page_views": "/api/analytics/recent-page-views?minutes=5",
    "metrics": "/api/metrics",
    "windows": "/api/metrics/{name}",
    "events": "/api/events",
    "ledger": "/api/ledger",
    "dead_letters": "/api/dead-letters",
    "late_events": "/api/late-events",
    "duplicates": "/api/duplicates",
    "live": "/api/live",
    "send_events": "/v1/events",
    "ready": "/health/ready",
    "telemetry": "/metrics",
    "docs": "/docs",
    "openapi": "/openapi.json",
}
"""What is where, for programs that ask for `/`."""


def dashboard_routes() -> list[Router]:
    """`/`, `/docs`, `/assets/*` and the icon. Assets are read once, here."""
    assets = {asset.name: asset.read_bytes() for asset in (files(__package__) / "assets").iterdir()}

    @get("/", include_in_schema=False, sync_to_thread=False)
    def front(request: Request[Any, Any, Any]) -> Response[Any]:
        if "text/html" in request.headers.get("accept", ""):
            return _file("index.html", assets["index.html"])
        index = {"name": "rtcdp", "links": LINKS}
        return Response(index, media_type=MediaType.JSON, headers={"Vary": "Accept"})

    @get("/docs", include_in_schema=False, sync_to_thread=False)
    def docs() -> Response[bytes]:
        return _file("docs.html", assets["docs.html"])

    @get("/assets/{name:str}", include_in_schema=False, sync_to_thread=False)
    def asset(name: FromPath[str]) -> Response[bytes]:
        if name not in assets:
            raise NotFoundException(f"there is no asset {name[:100]!r}")
        return _file(name, assets[name])

    @get("/favicon.ico", include_in_schema=False, sync_to_thread=False)
    def icon() -> Response[bytes]:
        """For answers that are no page and so can't name their icon; browsers ask here then."""
        return _file("favicon.svg", assets["favicon.svg"])

    handlers = [front, docs, asset, icon]
    return [Router(path="/", route_handlers=handlers, response_headers=_HEADERS)]


def _file(name: str, content: bytes) -> Response[bytes]:
    # Weak: a proxy, or this server, may send it compressed.
    headers = {"ETag": f'W/"{sha256(content).hexdigest()[:16]}"', "Vary": "Accept"}
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)
