"""The live stream: a few times a second, what has happened since. One sample serves all clients."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.response import ServerSentEvent, ServerSentEventMessage

from rtcdp.answers.freshness import open_reading
from rtcdp.answers.instant import iso_ms
from rtcdp.answers.metrics import NAMESAKE
from rtcdp.answers.question import Nothing
from rtcdp.answers.windows import WindowQuery, windows
from rtcdp.api.context import ApiContext, Context
from rtcdp.api.documentation import documented
from rtcdp.api.problem import TooManyClients
from rtcdp.api.query import Asked
from rtcdp.errors import RtcdpError

NEWEST_WINDOWS = 12
_ASKED = Asked(Nothing)
_FORGET_AFTER_TICKS = 4
"""A sample older than this many ticks is no base for a rate."""


class Tick(msgspec.Struct, omit_defaults=True):
    """`rates` are records per second since the tick before, by intake and by each verdict; null
    in the first tick. `windows` are the newest of the metric `window_metric`. `problems` says of
    each part that is not well what is wrong."""

    at: str
    as_of: str | None
    lag_ms: int | None
    epoch: int
    totals: dict[str, int]
    rates: dict[str, float] | None
    window_metric: str
    windows: list[dict[str, Any]]
    problems: dict[str, str]
    warning: str | None = None


class LiveFeed:
    """Takes samples while there are clients, at most one per tick however many they are."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._taking = asyncio.Lock()
        self._taken_at = float("-inf")
        self._totals: dict[str, int] = {}
        self._message = ServerSentEventMessage()
        self.clients = 0

    async def messages(self) -> AsyncIterator[ServerSentEventMessage]:
        """Ticks until the client goes or the server stops."""
        every_s = self._context.limits.live_every_ms / 1000
        self.clients += 1
        try:
            while not self._context.stop.is_set():
                yield await self._newest(every_s)
                await asyncio.sleep(every_s)
        finally:
            self.clients -= 1

    async def _newest(self, every_s: float) -> ServerSentEventMessage:
        async with self._taking:
            # Half a tick of tolerance: clients that wake up together share what the first one took.
            if self._context.installation.clock.monotonic() - self._taken_at >= every_s / 2:
                self._message = await asyncio.to_thread(self._take)
            return self._message

    def _take(self) -> ServerSentEventMessage:
        now = self._context.installation.clock.monotonic()
        since_s, before = now - self._taken_at, self._totals
        try:
            tick = _sample(self._context)
        except RtcdpError as error:
            text = msgspec.json.encode({"detail": str(error), "hint": error.hint})
            return ServerSentEventMessage(data=text, event="problem")
        if since_s * 1000 <= _FORGET_AFTER_TICKS * self._context.limits.live_every_ms:
            tick.rates = {
                name: round(max(0, total - before.get(name, 0)) / since_s, 1)
                for name, total in tick.totals.items()
            }
        self._taken_at, self._totals = now, tick.totals
        return ServerSentEventMessage(data=msgspec.json.encode(tick), event="tick")


LiveFeedDependency = NamedDependency[SkipValidation[LiveFeed]]


@get(
    "/api/live",
    summary="A live stream of totals, rates, lag and the newest windows",
    description="Server-sent events named `tick`, or `problem` while the numbers can't be read.",
    operation_class=documented(_ASKED),
)
async def live_stream(
    request: Request[Any, Any, Any], context: Context, live_feed: LiveFeedDependency
) -> ServerSentEvent:
    _ASKED.read(request)
    limit = context.limits.live_clients
    if live_feed.clients >= limit:
        raise TooManyClients(
            f"{limit} live streams are open, which is the limit",
            "try again later, or poll /api/ledger",
        )
    return ServerSentEvent(live_feed.messages())


def _sample(context: ApiContext) -> Tick:
    installation = context.installation
    metric = next((metric for metric in installation.metrics if metric.name == NAMESAKE), None)
    with open_reading(installation) as reading:
        snapshot, fresh = reading.snapshot, reading.freshness
        newest = WindowQuery(limit=NEWEST_WINDOWS)
        return Tick(
            at=iso_ms(installation.clock.now_ms()),
            as_of=fresh.as_of_text,
            lag_ms=fresh.lag_ms,
            warning=fresh.warning,
            epoch=snapshot.progress.epoch,
            totals=snapshot.ledger_totals(),
            rates=None,
            window_metric=NAMESAKE,
            windows=[] if metric is None else windows(snapshot, metric, newest).items,
            problems={n: said for n, check in context.checks.items() if (said := check())},
        )
