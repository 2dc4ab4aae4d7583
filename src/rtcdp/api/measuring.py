"""How long requests take, by route: a layer around everything that a server answers.

What a request asks for is a label of bounded size: the route's own pattern, never what stands in
its place. What no route takes, and what is refused before a route is looked for, is `other`.
"""

import re
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from litestar.enums import ScopeType
from prometheus_client import CollectorRegistry, Histogram

from rtcdp.telemetry import LATENCY_BUCKETS_S

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

OTHER = "other"
"""The label of what has none of its own."""

ROUTES_MAX = 200
"""So many routes are told apart; further ones are `other`."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})

_ASKED = "rtcdp route"
_METRIC = "/api/metrics/"
_TYPE = re.compile(r":\w+}")


class HttpTimes:
    """The times of one server's answers, in `registry`: from a request's headers to the beginning
    of its answer. `monotonic` gives seconds. For one thread."""

    def __init__(self, registry: CollectorRegistry, monotonic: Callable[[], float]) -> None:
        self.monotonic = monotonic
        self._seconds = Histogram(
            "rtcdp_http_request_seconds",
            "From the headers of a request to the beginning of its answer.",
            ("route", "method", "status"),
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self._known: dict[tuple[str, str, int], Histogram] = {}
        self._routes: set[str] = set()

    def took(self, route: str, method: str, status: int, seconds: float) -> None:
        """An answer of this status (200, say) began so long after its request."""
        key = (route, method, status)
        found = self._known.get(key)
        if found is None:
            found = self._labelled(route, method, status)
            if len(self._known) < ROUTES_MAX * len(METHODS):
                self._known[key] = found
        found.observe(seconds)

    def _labelled(self, route: str, method: str, status: int) -> Histogram:
        if route not in self._routes and len(self._routes) >= ROUTES_MAX:
            route = OTHER
        self._routes.add(route)
        found: Histogram = self._seconds.labels(
            route, method if method in METHODS else OTHER, f"{status // 100}xx"
        )
        return found


class _Asked:
    """What is learned of a request on its way: copies of its scope share it."""

    __slots__ = ("route",)

    def __init__(self) -> None:
        self.route = OTHER


def measured(app: "ASGIApp", times: HttpTimes, direct: Collection[str]) -> "ASGIApp":
    """`app`, whose answers are timed. The paths in `direct` are routes by themselves, and those of
    routers are told by `routed`."""
    monotonic = times.monotonic

    async def measuring(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        began = monotonic()
        path, method = scope["path"], str(scope["method"])
        asked = None
        if path not in direct:
            asked = _Asked()
            scope[_ASKED] = asked  # type: ignore[literal-required]

        async def timing(message: "Message") -> None:
            if message["type"] == "http.response.start":
                route = path if asked is None else asked.route
                times.took(route, method, message["status"], monotonic() - began)
            await send(message)

        await app(scope, receive, timing)

    return measuring


def routed(app: "ASGIApp") -> "ASGIApp":
    """`app`, a router of Litestar's, which tells `measured` which route it has found."""

    async def routing(scope: "Scope", receive: "Receive", send: "Send") -> None:
        async def telling(message: "Message") -> None:
            if message["type"] == "http.response.start":
                name_route(scope, scope.get("path_template"))
            await send(message)

        await app(scope, receive, telling)

    return routing


def route_of(scope: Any) -> str:
    """The label of a request that `measured` has seen, once its answer has begun."""
    asked = scope.get(_ASKED)
    return str(scope["path"]) if asked is None else str(asked.route)


def name_route(scope: Any, pattern: str | None) -> None:
    """Say which route a request is for, by its pattern. Every metric has one of its own, and they
    are told together."""
    asked = scope.get(_ASKED)
    if asked is None or not pattern:
        return
    asked.route = _label_of(pattern)


@lru_cache(maxsize=ROUTES_MAX)
def _label_of(pattern: str) -> str:
    plain = _TYPE.sub("}", pattern)
    return f"{_METRIC}{{name}}" if plain.startswith(_METRIC) else plain
