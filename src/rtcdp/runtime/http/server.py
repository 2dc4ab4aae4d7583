"""The HTTP server process: collector, API and page on one port, in one event loop; and
what it looks at to know whether it is ready."""

import asyncio
import contextlib
import gc
import logging
import os
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.types import (
    ASGIApp,
    ControllerRouterHandler,
    ExceptionHandlersMap,
    Receive,
    Scope,
    Send,
)
from prometheus_client import CollectorRegistry

from rtcdp.access.gate import Gate
from rtcdp.access.key_file import keys_path, make_secret
from rtcdp.access.needs import Need
from rtcdp.answers.freshness import Installation
from rtcdp.answers.mending import MendedIntake
from rtcdp.answers.product_history import HistoryLimits, ProductHistory
from rtcdp.api.at_once import at_once
from rtcdp.api.context import ApiContext, Check, FilesUnderWay
from rtcdp.api.documentation import openapi_config
from rtcdp.api.entrance import behind, entrance, may_read, page_guests
from rtcdp.api.exposition import plain_exposition
from rtcdp.api.guard import guarded
from rtcdp.api.manners import with_manners
from rtcdp.api.measuring import HttpTimes, measured, routed
from rtcdp.api.problem import LOGIN_PATH, OTHER_ADDRESSES, exception_handlers
from rtcdp.api.pulse import beating
from rtcdp.api.routes import api_routes
from rtcdp.catalog.followed import FollowedCatalog
from rtcdp.clock import Clock
from rtcdp.dashboard.login import LOGOUT_PATH, login_routes
from rtcdp.dashboard.overview.warming import warming
from rtcdp.dashboard.routes import dashboard_routes, page_exception_handlers
from rtcdp.dashboard.shared_pages import shared_pages
from rtcdp.errors import RtcdpError
from rtcdp.intake.collector import Collector
from rtcdp.intake.documentation import document_collector
from rtcdp.intake.instruments import instrument
from rtcdp.intake.published import published_routes
from rtcdp.intake.routes import NEEDS, collector_endpoints
from rtcdp.intake.snippet import SNIPPET_PATH, snippet_routes
from rtcdp.log.contract import Appended, Delivery, LogWriter
from rtcdp.runtime.collecting.known_ids import recall
from rtcdp.runtime.collecting.product_door import product_collector
from rtcdp.runtime.deferred import deferred
from rtcdp.runtime.http.answer_flow import AnswerFlow, TooSlow
from rtcdp.runtime.http.listening import HttpServer, listening_socket
from rtcdp.runtime.parts import (
    FollowedFolds,
    GuardedLogWriter,
    folds_of,
    guarded_log_writer,
    log_reader,
    log_writer,
    store_is_meant,
    store_of,
)
from rtcdp.runtime.processes.locks import holder_of, processor_lock_path
from rtcdp.runtime.processes.troubles import trouble_of_processor
from rtcdp.runtime.settings import Settings, require_loopback, require_tracing
from rtcdp.runtime.telemetry.process import process_registry
from rtcdp.runtime.user_data.over_http import InstallationUserData
from rtcdp.store.measured import StoreTimes, measured_store

MIN_FREE_BYTES = 8 * 2**20
"""With less the next commits fail. Half the log's WAL, before it is written back."""

_SPARK_BATCHES = 10

OUTSIDE = (LOGIN_PATH, LOGOUT_PATH)
"""Answered past the limits on answers: their bodies come from anybody, and may come slowly."""

FILES = "rtcdp.runtime.collecting.file_door:CollectorFiles"

TRACING = "rtcdp.runtime.telemetry.tracing:Tracing"

STREAMS = ("events", "product_updates")
"""What telemetry calls what the collectors take."""

PAGE_NEEDS: Mapping[str, Need] = {**NEEDS, SNIPPET_PATH: "embed"}
"""What is answered to pages of other origins, and what each needs."""


def checks_of(
    settings: Settings, collector: Collector | None, writer: GuardedLogWriter | None
) -> dict[str, Check]:
    """The checks of this process, and of the processor beside it."""
    checks: dict[str, Check] = {"processor": lambda: trouble_of_processor(settings)}
    if collector is None or writer is None:
        return checks

    def intake() -> str | None:
        return collector.trouble if writer.trouble is None else str(writer.trouble)

    checks["collector"] = intake
    directory = settings.log_path
    if directory is not None:
        checks["disk"] = lambda: lack_of_room(directory)
    return checks


def lack_of_room(directory: Path, min_free_bytes: int = MIN_FREE_BYTES) -> str | None:
    """Says so when the disk under `directory` has less room than `min_free_bytes`."""
    try:
        status = os.statvfs(directory)
    except OSError as error:
        return f"{directory}: {error.strerror}"
    free = status.f_bavail * status.f_frsize
    if free >= min_free_bytes:
        return None
    return f"the disk under {directory} is full: {free} bytes are free"


def commit_ms(settings: Settings) -> int:
    """What the engine may take for one commit: Spark, which commits a batch at a time, the time of
    ten batches."""
    return (
        int(_SPARK_BATCHES * settings.spark.trigger_s * 1000) if settings.engine == "spark" else 0
    )


def is_processing(settings: Settings) -> Callable[[], bool] | None:
    """Tells whether a processor works on the store; None where nobody knows at once (a server's
    lease outlives its holder)."""
    path = processor_lock_path(settings)
    return None if path is None else lambda: holder_of(path) is not None


if sys.platform == "win32":
    from asyncio import new_event_loop
else:
    # Takes a quarter less time for a request than asyncio's own.
    from uvloop import new_event_loop

_log = logging.getLogger(__name__)

_CLOSE_PATIENCE_S = 4.0
_SWITCH_S = 0.0002
"""After how long a thread lets another one run. A request needs Python's lock some twenty times, in
the loop and in the log's writer, and waits that long each time while answers are worked out."""
_LOG_PATIENCE_S = 1.5
"""How long a question waits for a log on a server, which it needs only to say how fresh it is."""


class ServerFailed(RtcdpError):
    """The HTTP server ended though nobody asked it to."""


@dataclass(frozen=True)
class Roles:
    """What one HTTP server does: take events in, give answers out."""

    collects: bool = True
    answers: bool = True

    @property
    def part(self) -> str:
        """What telemetry calls it."""
        if self.collects:
            return "http" if self.answers else "collector"
        return "api"


def run_http_server(
    settings: Settings, clock: Clock, stop: threading.Event, roles: Roles = Roles()
) -> None:
    """Serve until `stop` is set; then answer what is under way, append what waits, and return.

    Raises `LogFailed` when the log can't be written to any more (restart the process), and
    `UsageError` when the address is open to others without a key.
    """
    require_loopback(settings)
    sys.setswitchinterval(_SWITCH_S)
    gate = _gate(settings, clock)
    registry = process_registry(settings, roles.part)
    with contextlib.ExitStack() as stack:
        tracing = _tracing(settings, clock, roles, stack)
        reader = stack.enter_context(log_reader(settings, asks_registry=False))
        routes: list[ControllerRouterHandler] = []
        context, collector, writer, products, files = None, None, None, None, None
        handlers = exception_handlers
        if roles.collects:
            has_store = roles.answers or store_is_meant(settings)
            writing = guarded_log_writer(settings, clock, _say, has_store=has_store)
            writer = stack.enter_context(writing)
            traced = writer if tracing is None else tracing.writer(writer)
            collector = stack.enter_context(_collector(settings, clock, traced, stop))
            recall(collector, reader, settings, clock)
            files = stack.enter_context(contextlib.closing(_files(settings, collector)))
            products = stack.enter_context(product_collector(settings, clock, stop))
            routes += [*snippet_routes(), *published_routes()]
        if roles.answers:
            read = _installation(settings, clock, registry, stack)
            context = ApiContext(
                read,
                limits=settings.api,
                checks=checks_of(settings, collector, writer),
                is_processing=is_processing(settings),
                commit_ms=commit_ms(settings),
                history=history_of(settings),
                stop=stop,
                registry=registry,
                writable=stack.enter_context(store_of(settings)),
                files=stack.enter_context(FilesUnderWay(settings.api.files, settings.http)),
                mended_intake=MendedIntake(partial(_append, settings, clock), settings.admission),
                user_data=InstallationUserData(settings, clock),
            )
            stack.enter_context(beating(context.pulse, read))
            routes += routes_of(context, gate)
            handlers = page_exception_handlers(context)
        else:
            routes.append(plain_exposition(registry))
        app = _app(routes, gate, handlers, is_collector=roles.collects)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            found = {} if collector is None else collector_endpoints(collector, products, files)
            endpoints = {path: behind(each, NEEDS[path], gate) for path, each in found.items()}
            inner = routed(app)
            limited = _within_limits(with_manners(inner), settings, registry)
            answers = shared_pages(limited, clock, may_read(gate), registry)
            if context is not None:
                answers = at_once(answers, context, may_read(gate))
            inside = _directly(endpoints, answers)
            inside = inside if tracing is None else tracing.app(inside)
            front = guarded(inside, settings.door, page_guests(PAGE_NEEDS, gate))
            front = measured(front, HttpTimes(registry, clock.monotonic), endpoints.keys())
            collectors = [each for each in (collector, products) if each is not None]
            instrument(dict(zip(STREAMS, collectors, strict=False)), registry)
            runner.run(_serve(front, settings, stop, collectors))
    for each in collectors:
        if each.failure is not None:
            raise each.failure


def _app(
    routes: "list[ControllerRouterHandler]",
    gate: Gate,
    handlers: ExceptionHandlersMap,
    *,
    is_collector: bool,
) -> Litestar:
    return Litestar(
        route_handlers=routes,
        guards=[entrance(gate)],
        exception_handlers=handlers,
        openapi_config=openapi_config,
        on_startup=[document_collector] if is_collector else [],
        state=State({OTHER_ADDRESSES: tuple(NEEDS)} if is_collector else {}),
        logging_config=None,
    )


def _tracing(settings: Settings, clock: Clock, roles: Roles, stack: contextlib.ExitStack) -> Any:
    """What traces requests until the stack is closed (`rtcdp.runtime.telemetry.tracing.Tracing`),
    which takes long to be imported; None where nobody wants it. Raises `PartMissing`."""
    if not settings.telemetry.traces_to:
        return None
    require_tracing()
    return stack.enter_context(deferred(TRACING)(settings, roles.part, clock))


def _installation(
    settings: Settings, clock: Clock, registry: CollectorRegistry, stack: contextlib.ExitStack
) -> Installation:
    """What answers are read from, and read ahead from, until the stack is closed; `registry` tells
    of it."""
    store = stack.enter_context(store_of(settings, read_only=True))
    asked = stack.enter_context(log_reader(settings, _LOG_PATIENCE_S))
    folds_of(settings)  # refuses names that there are not
    catalog = FollowedCatalog(settings.catalog, _say)
    installation = Installation(
        measured_store(store, StoreTimes(registry, clock.monotonic)),
        catalog,
        clock,
        log=asked,
        allowed_lateness_ms=settings.admission.allowed_lateness_ms,
        folds=FollowedFolds(catalog, settings.folds),
    )
    stack.enter_context(warming(installation))
    return installation


def _append(settings: Settings, clock: Clock, deliveries: Sequence[Delivery]) -> Sequence[Appended]:
    """Append by a writer of its own: it is seldom, and the collector may be elsewhere."""
    with log_writer(settings, clock) as writer:
        return writer.append(deliveries)


def _gate(settings: Settings, clock: Clock) -> Gate:
    """The gate; its own parts get past it also where only tokens of others are taken."""
    if settings.access.jwks:
        make_secret(keys_path(settings.data_dir), secrets.token_bytes)
    return Gate(settings.data_dir, settings.access, clock, secrets.token_bytes, _say)


@contextlib.contextmanager
def _collector(
    settings: Settings, clock: Clock, writer: LogWriter, stop: threading.Event
) -> Iterator[Collector]:
    collector = Collector(writer, clock, settings.collector_limits, on_failure=lambda _: stop.set())
    try:
        yield collector
    finally:
        collector.close()


def _files(settings: Settings, collector: Collector) -> Any:
    """What takes recorded files in (`rtcdp.runtime.collecting.file_door.CollectorFiles`)."""
    return deferred(FILES)(collector, settings.data_dir / "mappings")


def routes_of(context: ApiContext, gate: Gate) -> list[ControllerRouterHandler]:
    """Everything that a server answers besides taking events in."""
    return [*api_routes(context), *dashboard_routes(context), *login_routes(gate)]


def history_of(settings: Settings) -> ProductHistory:
    """What recommendations are made of."""
    return ProductHistory(HistoryLimits(settings.api.history_days, settings.api.history_sessions))


def _say(trouble: str) -> None:
    _log.warning("%s", trouble)


def _within_limits(app: ASGIApp, settings: Settings, registry: CollectorRegistry) -> ASGIApp:
    """`app` within the limits on answers, of which `registry` tells. Whether the process is alive
    is answered past them."""
    flow = AnswerFlow(settings.http)
    flow.instrument(registry)

    async def limiting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["path"].startswith(("/health/", *OUTSIDE)):
            await app(scope, receive, send)
            return
        # An answer that its client doesn't read is nobody's error.
        with contextlib.suppress(TooSlow):
            await flow.serve(app, scope, receive, send)

    return limiting


def _directly(endpoints: Mapping[str, ASGIApp], app: ASGIApp) -> ASGIApp:
    """`app`, but with the collectors' endpoints past its router: an eighth less time a request."""

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        found = endpoints.get(scope["path"], app) if scope["type"] == ScopeType.HTTP else app
        await found(scope, receive, send)

    return dispatch


async def _serve(
    app: ASGIApp, settings: Settings, stop: threading.Event, collectors: Sequence[Collector]
) -> None:
    # What serves stays for good: to look for garbage in it would hold up all answers.
    gc.collect()
    gc.freeze()
    with listening_socket(settings) as listener:
        await _serve_on(HttpServer(app, settings, listener), settings, stop, collectors)


async def _serve_on(
    server: HttpServer, settings: Settings, stop: threading.Event, collectors: Sequence[Collector]
) -> None:
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(asyncio.to_thread(stop.wait))
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    asked = stop.is_set()
    stop.set()
    for collector in collectors:
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
