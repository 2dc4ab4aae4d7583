"""Reads the days that the overview tells of before anybody asks for them.

What is read of whole days is kept (`rtcdp.answers.kept_days`), so that the first look at a month
after a start is the only one that reads it. Nobody has to wait for that: day by day, with pauses in
between, it is read ahead once the processor has caught up.
"""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from rtcdp.answers.folds import SESSIONS, find_fold
from rtcdp.answers.freshness import Installation, open_reading
from rtcdp.answers.one_state import one_state
from rtcdp.clock import repeating
from rtcdp.dashboard.address import PageAddress
from rtcdp.dashboard.overview.buckets import Buckets
from rtcdp.dashboard.overview.lists import lists_of
from rtcdp.dashboard.overview.told import told
from rtcdp.dashboard.zone import PageZone
from rtcdp.errors import RtcdpError
from rtcdp.events.calendar import DAY_MS
from rtcdp.store import StoreUnavailable

EVERY_S = 0.25
"""How long it pauses after each day."""

CAUGHT_UP_MS = 5000
"""It begins once no more than this waits to be counted."""

DAYS, DAYS_BY_HOUR = 60, 15
"""So many days back: a month and the month before by day, a week and the week before by hour."""

_HOUR_MS = 3_600_000

_log = logging.getLogger(__name__)


def warming(installation: Installation) -> AbstractContextManager[None]:
    """Read ahead, from a thread of its own, until all is read."""
    return repeating("warming", EVERY_S, Warming(installation).step)


class Warming:
    """What is still to be read."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._left: deque[Buckets] | None = None

    def step(self) -> bool:
        """Read one more day. False: there is none left, or it can't go on."""
        try:
            if self._left is None:
                self._left = self._found()
                return self._left is None or len(self._left) > 0
            read_ahead(self._installation, self._left.popleft())
        except StoreUnavailable:
            # It may come yet; and then what else there is.
            return self._left is None or len(self._left) > 0
        except RtcdpError:
            # What can't be told pages say themselves.
            return bool(self._left)
        except Exception as error:  # noqa: BLE001 - whatever it is, pages are told without it
            _log.error("reading days ahead failed", exc_info=error)
            return False
        return len(self._left) > 0

    def _found(self) -> deque[Buckets] | None:
        """The days on which any session began, the newest first; None while much is to be counted.
        Raises `NotThere` where no sessions are told."""
        installation = self._installation
        fold = find_fold(installation.folds, SESSIONS, SESSIONS)
        with open_reading(installation) as reading:
            lag_ms = reading.freshness.lag_ms
            if lag_ms is None or lag_ms > CAUGHT_UP_MS:
                return None
            known = reading.snapshot.daily_sums(fold.table) or {}
        now_ms = installation.clock.now_ms()
        today = now_ms // DAY_MS
        days = sorted((day for day in known if today - DAYS <= day <= today), reverse=True)
        return deque(_of_days(days, today, now_ms))


def _of_days(days: list[int], today: int, now_ms: int) -> Iterator[Buckets]:
    for day in days:
        start, end = day * DAY_MS, (day + 1) * DAY_MS
        yield Buckets("day", "UTC", (start, end), (start,), now_ms)
    for day in days:
        if day >= today - DAYS_BY_HOUR:
            start = day * DAY_MS
            edges = tuple(range(start, start + DAY_MS + 1, _HOUR_MS))
            yield Buckets("hour", "UTC", edges, (start,), now_ms)


@dataclass(frozen=True)
class Nobody:
    """For whom days are read ahead."""

    installation: Installation
    now_ms: int
    zone: PageZone = PageZone()
    address: PageAddress = PageAddress("/")


def read_ahead(installation: Installation, buckets: Buckets) -> None:
    """Read what the overview tells of these pieces. Raises `StoreUnavailable`."""
    with one_state(installation) as still:
        lists_of(Nobody(still, buckets.now_ms), buckets, told(still, buckets, {}), {})
