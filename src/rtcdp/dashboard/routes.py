"""Where pages and their assets stand."""

from hashlib import sha256
from importlib.resources import files
from typing import Any

from litestar import MediaType, Request, Response, Router, get
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import ExceptionHandlersMap

from rtcdp.access.needs import OPEN, READ
from rtcdp.api.context import ApiContext
from rtcdp.api.problem import exception_handlers
from rtcdp.dashboard.environment import page_environment
from rtcdp.dashboard.page import DashboardPage
from rtcdp.dashboard.shell import Shell, known_pages

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "txt": "text/plain"}

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

LINKS = {
    "page_views_of_user": "/api/analytics/user/{userId}/page-views",
    "recent_page_views": "/api/analytics/recent-page-views?minutes=5",
    "metrics": "/api/metrics",
    "windows": "/api/metrics/{name}",
    "query": "/api/query?metrics={name}",
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

_FRONT = "/"
_FOR_PROGRAMS = ("/api/", "/v1/", "/assets/", "/health/")


def dashboard_routes(context: ApiContext) -> list[Router]:
    """The pages, `/assets/*` and the icon. Assets are read once, here."""
    known = known_pages()
    shell = Shell(context, page_environment(), known)
    handlers = [
        _front(shell, page) if path == _FRONT else shell.handler(page, path)
        for page in known
        for path in page.paths
    ]
    return [
        Router(path="/", route_handlers=handlers, response_headers=_HEADERS, opt=dict(READ)),
        Router(path="/", route_handlers=_assets(), response_headers=_HEADERS, opt=dict(OPEN)),
    ]


def page_exception_handlers(context: ApiContext) -> ExceptionHandlersMap:
    """Those of the API; but whoever looks for a page where there is none is told so on one."""
    shell = Shell(context, page_environment(), known_pages())
    tell_programs = exception_handlers[HTTPException]

    def not_found(request: Request[Any, Any, Any], error: NotFoundException) -> Response[Any]:
        path = request.scope["path"]
        is_for_eyes = "text/html" in request.headers.get("accept", "")
        if request.method != "GET" or not is_for_eyes or path.startswith(_FOR_PROGRAMS):
            return tell_programs(request, error)
        answer: Response[Any] = shell.nothing_at(path, request.headers.get("cookie", ""))
        answer.headers.update({**_HEADERS, "Vary": "Accept, Cookie"})
        return answer

    return {**exception_handlers, NotFoundException: not_found}


def _front(shell: Shell, page: DashboardPage) -> HTTPRouteHandler:
    """The first page for browsers; programs get an index."""

    @get(_FRONT, include_in_schema=False, sync_to_thread=True)
    def front(request: Request[Any, Any, Any]) -> Response[Any]:
        vary = {"Vary": "Accept, Cookie"}
        if "text/html" in request.headers.get("accept", ""):
            answer = shell.answer(page, request)
            answer.headers.update(vary)
            return answer
        index = {"name": "rtcdp", "links": LINKS}
        return Response(index, media_type=MediaType.JSON, headers=vary)

    return front


def _assets() -> list[HTTPRouteHandler]:
    assets = {
        asset.name: asset.read_bytes()
        for asset in (files(__package__) / "assets").iterdir()
        if asset.name.rpartition(".")[2] in _TYPES
    }

    @get("/assets/{name:str}", include_in_schema=False, sync_to_thread=False)
    def asset(name: FromPath[str]) -> Response[bytes]:
        if name not in assets:
            raise NotFoundException(f"there is no asset {name[:100]!r}")
        return _file(name, assets[name])

    @get("/favicon.ico", include_in_schema=False, sync_to_thread=False)
    def icon() -> Response[bytes]:
        """For answers that are no page and so can't name their icon; browsers ask here then."""
        return _file("favicon.svg", assets["favicon.svg"])

    return [asset, icon]


def _file(name: str, content: bytes) -> Response[bytes]:
    # Weak: a proxy, or this server, may send it compressed.
    headers = {"ETag": f'W/"{sha256(content).hexdigest()[:16]}"'}
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)
