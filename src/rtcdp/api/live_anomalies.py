"""The live topic of anomalies: worked out in a thread of its own, seldom where that takes long,
and only while somebody listens. One look serves all clients, and no tick waits for it."""

import asyncio
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import thread_time

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector as Scraped

from rtcdp.answers.anomaly_changes import AnomaliesChanged, AnomaliesWatch
from rtcdp.api.context import ApiContext
from rtcdp.errors import RtcdpError

KEPT_MESSAGES = 64
"""So many messages wait for clients that are slower than they come."""

_REST, _REST_MAX_S = 49, 60.0
"""After a look it rests so many times as long as that took of a processor, up to so many seconds:
how much others have to do makes no difference."""


class AnomalyFeed:
    """Looks for anomalies while there are clients. However they come and go, it rests between two
    looks: who comes meanwhile is told what the last one has found."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._watch = AnomaliesWatch()
        self._kept: deque[AnomaliesChanged] = deque(maxlen=KEPT_MESSAGES)
        self._clients = 0
        self._looking: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="anomalies")
        self._looks = _Looks()
        context.registry.register(self._looks)
        self._is_looking = False
        self._rests_until = float("-inf")

    def enter(self) -> "Listener":
        """One client more. It has to `leave`."""
        self._clients += 1
        if self._looking is None:
            is_old = self._context.installation.clock.monotonic() >= self._rests_until
            if is_old and not self._is_looking:
                # What was found when somebody was here last may be of another day.
                self._watch = AnomaliesWatch(self._watch.number)
            self._looking = asyncio.create_task(self._look_on())
        return Listener(self)

    def leave(self) -> None:
        """One client less. With the last one, nothing is looked at any more."""
        self._clients -= 1
        if self._clients == 0 and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def since(self, number: int | None) -> Iterator[AnomaliesChanged]:
        """The messages after that number; where there is none, what there is now."""
        if number is None:
            standing = self._watch.standing
            if standing is not None:
                yield standing
            return
        yield from [each for each in tuple(self._kept) if each.number > number]

    async def _look_on(self) -> None:
        every_s = self._context.limits.live_every_ms / 1000
        loop, clock = asyncio.get_running_loop(), self._context.installation.clock
        while not self._context.stop.is_set():
            rest_s = self._rests_until - clock.monotonic()
            if rest_s > 0:
                await asyncio.sleep(rest_s)
                continue
            await loop.run_in_executor(self._thread, self._look)
            await asyncio.sleep(every_s)

    def _look(self) -> None:
        """What is found is kept here: whoever had it looked for may have gone by then, and another
        one may have come."""
        monotonic = self._context.installation.clock.monotonic
        if monotonic() < self._rests_until:
            # One whose clients had gone was under way still.
            return
        self._is_looking = True
        began_s = thread_time()
        try:
            change = self._watch.look(self._context.installation)
        except RtcdpError:
            return  # while the store is away, ticks say so
        else:
            if change is not None:
                self._kept.append(change)
        finally:
            worked_s = thread_time() - began_s
            self._looks.count += 1
            self._looks.seconds += worked_s
            rest_s = min(_REST * worked_s, _REST_MAX_S)
            self._rests_until = monotonic() + rest_s
            self._is_looking = False


class _Looks(Scraped):
    """How many looks there were, and what they took."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0

    def collect(self) -> Iterator[CounterMetricFamily]:
        meaning = "Looks for anomalies, while somebody follows them."
        yield CounterMetricFamily("rtcdp_anomaly_looks", meaning, self.count)
        meaning = "What looks for anomalies took of a processor."
        yield CounterMetricFamily("rtcdp_anomaly_look_cpu_seconds", meaning, self.seconds)


class Listener:
    """One client of the topic, and what it was told."""

    def __init__(self, feed: AnomalyFeed) -> None:
        self._feed = feed
        self._number: int | None = None

    def news(self) -> Iterator[AnomaliesChanged]:
        """What the client has not been told yet: first what there is, then what changes."""
        for message in self._feed.since(self._number):
            self._number = message.number
            yield message

    def leave(self) -> None:
        """The client has gone."""
        self._feed.leave()
