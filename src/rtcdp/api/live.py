"""The live stream: a few times a second, what has happened since. One sample serves all clients.

Who asks for the rows of folds is told besides which of them are other ones now, and which are gone.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.response import ServerSentEvent, ServerSentEventMessage
from prometheus_client import Gauge

from rtcdp.access.needs import READ
from rtcdp.answers.fold_rows import told_by
from rtcdp.answers.folds import find_fold
from rtcdp.answers.freshness import Reading, open_reading
from rtcdp.answers.instant import iso_ms
from rtcdp.answers.metrics import NAMESAKE
from rtcdp.answers.row_changes import RowsChanged, RowsWatch
from rtcdp.answers.windows import WindowQuery, windows
from rtcdp.api.context import ApiContext, Context
from rtcdp.api.documentation import documented
from rtcdp.api.entrance import may_go_on
from rtcdp.api.live_anomalies import AnomalyFeed
from rtcdp.api.problem import TooManyClients
from rtcdp.api.query import Asked
from rtcdp.errors import RtcdpError

NEWEST_WINDOWS = 12
_FORGET_AFTER_TICKS = 4
"""A sample older than this many ticks is no base for a rate."""


TICKS_PER_S, SLOWEST_S = 100, 2.0
"""So many ticks a second go to all clients together: where there are more clients, each gets one
less often, though not less than that. A page takes a stream that is silent for 5 s for broken."""

KEPT_MESSAGES = 64
"""So many messages of a fold wait for clients that are slower than they come."""


class LiveQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What is told besides ticks."""

    rows: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="folds, like sessions, whose rows are told when they change"),
    ] = ()
    anomalies: Annotated[
        Literal["true", "false"],
        msgspec.Meta(description="whether what is out of the ordinary is told, too"),
    ] = "false"


_ASKED = Asked(LiveQuestion)


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


class _ForAll(ServerSentEventMessage):
    """A message to all clients, which is put into bytes once."""

    @cached_property
    def _bytes(self) -> bytes:
        return super().encode()

    def encode(self) -> bytes:
        return self._bytes


class LiveFeed:
    """Takes samples while there are clients, at most one per tick however many they are."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._taking = asyncio.Lock()
        self._taken_at = float("-inf")
        self._totals: dict[str, int] = {}
        self._message = ServerSentEventMessage()
        self._watches: dict[str, RowsWatch] = {}
        self._changes: dict[str, deque[RowsChanged]] = {}
        self._watchers = Counter[str]()
        self._anomalies = AnomalyFeed(context)
        self.clients = 0
        following = "Clients that follow the live stream now."
        gauge = Gauge("rtcdp_live_clients", following, registry=context.registry)
        gauge.set_function(lambda: self.clients)

    async def messages(
        self,
        folds: Sequence[str] = (),
        *,
        anomalies: bool = False,
        may_go_on: Callable[[], bool] = lambda: True,
    ) -> AsyncGenerator[ServerSentEventMessage]:
        """Ticks, changed rows of some folds and, if they are asked for, what is out of the
        ordinary, until the client goes, the server stops, or the client may not know any more,
        which is asked before each message."""
        async with aclosing(self._all_messages(folds, anomalies)) as messages:
            async for message in messages:
                if not may_go_on():
                    return
                yield message

    async def _all_messages(
        self, folds: Sequence[str], anomalies: bool
    ) -> AsyncGenerator[ServerSentEventMessage]:
        listener = self._anomalies.enter() if anomalies else None
        self.clients += 1
        self._watchers.update(folds)
        try:
            await self._begin(folds)
            told = {name: self._number_of(name) for name in folds}
            while not self._context.stop.is_set():
                yield await self._newest()
                for change in self._changed_since(told):
                    told[change.fold] = change.number
                    yield ServerSentEventMessage(data=msgspec.json.encode(change), event="rows")
                for news in listener.news() if listener is not None else ():
                    yield ServerSentEventMessage(data=msgspec.json.encode(news), event="anomalies")
                await asyncio.sleep(self._every_s)
        finally:
            self.clients -= 1
            self._watchers.subtract(folds)
            if listener is not None:
                listener.leave()

    async def _begin(self, folds: Sequence[str]) -> None:
        """Let all that changes from now on be told, also where nobody has asked for it yet."""
        async with self._taking:
            if not all(name in self._watches and self._watches[name].has_looked for name in folds):
                await asyncio.to_thread(self._look)

    def _look(self) -> None:
        """Look at the rows of folds, between two samples. What is away is told by the next one."""
        with suppress(RtcdpError), open_reading(self._context.installation) as reading:
            self._watch(reading)

    def _number_of(self, fold: str) -> int:
        """The number of the last message about a fold."""
        return self._watches[fold].number if fold in self._watches else 0

    def _changed_since(self, told: dict[str, int]) -> list[RowsChanged]:
        """The messages that a client has not had, of all folds it asked for."""
        return [
            change
            for fold, number in told.items()
            for change in tuple(self._changes.get(fold, ()))
            if change.number > number
        ]

    @property
    def _every_s(self) -> float:
        """From one tick of a client to its next."""
        shared_s = min(self.clients / TICKS_PER_S, SLOWEST_S)
        return max(self._context.limits.live_every_ms / 1000, shared_s)

    async def _newest(self) -> ServerSentEventMessage:
        async with self._taking:
            # However the clients' ticks lie, they share a sample; some tolerance, so that one of
            # them that wakes up a little early doesn't miss its own.
            age_s = self._context.installation.clock.monotonic() - self._taken_at
            if age_s >= 0.9 * self._every_s:
                self._message = await asyncio.to_thread(self._take)
            return self._message

    def _take(self) -> ServerSentEventMessage:
        now = self._context.installation.clock.monotonic()
        since_s, before = now - self._taken_at, self._totals
        try:
            with open_reading(self._context.installation) as reading:
                tick = _sample(self._context, reading)
                self._watch(reading)
        except RtcdpError as error:
            text = msgspec.json.encode({"detail": str(error), "hint": error.hint})
            return _ForAll(data=text, event="problem")
        if since_s <= _FORGET_AFTER_TICKS * self._every_s:
            tick.rates = {
                name: round(max(0, total - before.get(name, 0)) / since_s, 1)
                for name, total in tick.totals.items()
            }
        self._taken_at, self._totals = now, tick.totals
        return _ForAll(data=msgspec.json.encode(tick), event="tick")

    def _watch(self, reading: Reading) -> None:
        """Look at the rows of the folds that anybody asked for. A fold that nobody follows any more
        is forgotten; its numbers go on."""
        installation = self._context.installation
        for fold in installation.folds:
            if self._watchers[fold.name] <= 0:
                if fold.name in self._watches:
                    self._watches[fold.name].forget()
                continue
            watch = self._watches.get(fold.name)
            if watch is None or watch.fold != fold:
                watch = self._watches[fold.name] = RowsWatch(fold, self._number_of(fold.name))
            change = watch.look(told_by(installation, reading, fold))
            if change is not None:
                self._changes.setdefault(fold.name, deque(maxlen=KEPT_MESSAGES)).append(change)


LiveFeedDependency = NamedDependency[SkipValidation[LiveFeed]]


@get(
    "/api/live",
    summary="A live stream of totals, rates, lag and the newest windows",
    description="Server-sent events named `tick`, or `problem` while the numbers can't be read; "
    "with `rows=sessions` also `rows`, when rows of that fold changed or are gone; with "
    "`anomalies=true` also `anomalies`: first what is out of the ordinary, then what begins, "
    "changes and is none any more.",
    operation_class=documented(_ASKED, group="Look"),
    media_type="text/event-stream",
    opt=READ,
)
async def live_stream(
    request: Request[Any, Any, Any], context: Context, live_feed: LiveFeedDependency
) -> ServerSentEvent:
    question = _ASKED.read(request)
    for name in question.rows:
        find_fold(context.installation.folds, name)
    limit = context.limits.live_clients
    if live_feed.clients >= limit:
        raise TooManyClients(
            f"{limit} live streams are open, which is the limit",
            "try again later, or poll /api/ledger",
        )
    is_watching = question.anomalies == "true"
    return ServerSentEvent(
        live_feed.messages(question.rows, anomalies=is_watching, may_go_on=may_go_on(request))
    )


def _sample(context: ApiContext, reading: Reading) -> Tick:
    installation = context.installation
    metric = next((metric for metric in installation.metrics if metric.name == NAMESAKE), None)
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
