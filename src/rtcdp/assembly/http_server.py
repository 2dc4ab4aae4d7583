"""The HTTP server process: collector, API and page on one port, in one event loop."""

import asyncio
import contextlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import ASGIApp, ControllerRouterHandler, Receive, Scope, Send

from rtcdp.api.context import ApiContext, Check
from rtcdp.api.documentation import openapi_config
from rtcdp.api.problem import exception_handlers
from rtcdp.api.routes import api_routes
from rtcdp.assembly.guarded_log import GuardedLogWriter
from rtcdp.assembly.parts import guarded_log_writer, log_reader, metrics_of, store_of
from rtcdp.assembly.priming import prime
from rtcdp.assembly.troubles import trouble_of_processor
from rtcdp.clock import Clock
from rtcdp.collector.collector import Collector
from rtcdp.collector.documentation import document_collector
from rtcdp.collector.routes import collector_endpoints
from rtcdp.dashboard.routes import dashboard_routes
from rtcdp.errors import RtcdpError
from rtcdp.log.log import LogWriter
from rtcdp.settings import Settings, require_loopback

if sys.platform == "win32":
    from asyncio import new_event_loop
else:
    # Takes a quarter less time for a request than asyncio's own.
    from uvloop import new_event_loop

_HEADERS_TIMEOUT_MS = 10_000
_CLOSE_PATIENCE_S = 4.0
_LOG_PATIENCE_S = 1.5
"""How long a question waits for a log on a server, which it needs only to say how fresh it is."""


class ServerFailed(RtcdpError):
    """The HTTP server ended though nobody asked it to."""


@dataclass(frozen=True)
class Roles:
    """What one HTTP server does: take events in, give answers out."""

    collects: bool = True
    answers: bool = True


def run_http_server(
    settings: Settings, clock: Clock, stop: threading.Event, roles: Roles = Roles()
) -> None:
    """Serve until `stop` is set; then answer what is under way, append what waits, and return.

    Raises `LogFailed` when the log can't be written to any more (restart the process), and
    `UsageError` when the address is open to others.
    """
    require_loopback(settings)
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(log_reader(settings))
        routes: list[ControllerRouterHandler] = []
        collector, writer = None, None
        if roles.collects:
            writer = stack.enter_context(guarded_log_writer(settings, clock, _say))
            collector = stack.enter_context(_collector(settings, clock, writer, stop))
            prime(collector, reader, settings, clock)
        if roles.answers:
            store = stack.enter_context(store_of(settings, read_only=True))
            asked = stack.enter_context(log_reader(settings, _LOG_PATIENCE_S))
            context = ApiContext(
                store,
                metrics_of(settings),
                clock,
                log=asked,
                limits=settings.api,
                checks=_checks(collector, writer, settings),
                stop=stop,
            )
            routes += [*api_routes(context), *dashboard_routes()]
        app = Litestar(
            route_handlers=routes,
            exception_handlers=exception_handlers,
            openapi_config=openapi_config,
            on_startup=[document_collector] if roles.collects else [],
            logging_config=None,
        )
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_serve(_directly(collector, app), settings, stop, collector))
    if collector is not None and collector.failure is not None:
        raise collector.failure


@contextlib.contextmanager
def _collector(
    settings: Settings, clock: Clock, writer: LogWriter, stop: threading.Event
) -> Iterator[Collector]:
    collector = Collector(writer, clock, settings.collector_limits, on_failure=lambda _: stop.set())
    try:
        yield collector
    finally:
        collector.close()


def _checks(
    collector: Collector | None, writer: GuardedLogWriter | None, settings: Settings
) -> dict[str, Check]:
    """What `/health/ready` asks of this process, and of the processor beside it."""
    checks: dict[str, Check] = {"processor": lambda: trouble_of_processor(settings)}
    if collector is not None and writer is not None:

        def intake() -> str | None:
            if not collector.ready:
                return str(collector.failure or "closed")
            return None if writer.trouble is None else str(writer.trouble)

        checks["collector"] = intake
    return checks


def _say(trouble: str) -> None:
    sys.stderr.write(f"collector: {trouble}\n")
    sys.stderr.flush()


def _directly(collector: Collector | None, app: Litestar) -> ASGIApp:
    """`app`, but with the collector's endpoints past its router: an eighth less time a request."""
    endpoints = {} if collector is None else collector_endpoints(collector)

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = endpoints.get(scope["path"], app) if scope["type"] == ScopeType.HTTP else app
        await endpoint(scope, receive, send)

    return dispatch


async def _serve(
    app: ASGIApp, settings: Settings, stop: threading.Event, collector: Collector | None
) -> None:
    server = Server(
        app,
        settings.host,
        settings.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADERS_TIMEOUT_MS),
        websockets=False,
        log_enabled=False,
    )
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(asyncio.to_thread(stop.wait))
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    asked = stop.is_set()
    stop.set()
    if collector is not None:
        await collector.drain()
    server.stop()  # type: ignore[no-untyped-call]
    # A client that keeps its connection open must not keep the server from ending.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(serving, _CLOSE_PATIENCE_S)
    await stopping
    if not asked:
        raise ServerFailed(
            f"the HTTP server on {settings.base_url} ended by itself",
            "look for another program on that port, and start it again",
        )
