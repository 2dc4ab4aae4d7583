"""Reads the days that the overview tells of before anybody asks for them.

What is read of whole days is kept (`rtcdp.answers.kept_days`), so that the first look at a month
after a start is the only one that reads it. Nobody has to wait for that: day by day, with pauses in
between, it is read ahead while the processor keeps up, until half of what may be kept is.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial

from rtcdp.answers.folds import SESSIONS, find_fold
from rtcdp.answers.freshness import Installation, open_reading
from rtcdp.answers.one_state import one_state
from rtcdp.clock import DAY_MS, HOUR_MS, repeating
from rtcdp.dashboard.overview.buckets import Buckets
from rtcdp.dashboard.overview.contents import read_contents
from rtcdp.dashboard.overview.lists import ranked_lists
from rtcdp.dashboard.overview.told import told
from rtcdp.errors import RtcdpError
from rtcdp.store import StoreUnavailable

EVERY_S = 0.25
"""How long it pauses after each day."""

CAUGHT_UP_MS = 5000
"""It reads while what waits to be counted is no older than this."""

LOOK_AGAIN_S = 2.0
"""How long it pauses where it can't read: something waits, or the store is away."""

DAYS, DAYS_BY_HOUR = 60, 15
"""So many days back: a month and the month before by day, a week and the week before by hour."""


_log = logging.getLogger(__name__)


def warming(installation: Installation) -> AbstractContextManager[None]:
    """Read ahead, from a thread of its own, until all is read."""
    return repeating("warming", EVERY_S, Warming(installation).step)


_Part = Callable[[Installation], None]
"""Reads one part of what is to be read."""


class Warming:
    """What is still to be read."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._left: deque[_Part] | None = None
        self._look_at = float("-inf")

    def step(self) -> bool:
        """Read one more day. False: there is none left, it can't go on, or enough is kept."""
        monotonic = self._installation.clock.monotonic
        if monotonic() < self._look_at:
            return True
        try:
            has_read = self._read()
        except StoreUnavailable:
            # It may come yet; and then this day, and what else there is.
            has_read = False
        except RtcdpError:
            # What can't be told pages say themselves.
            if self._left:
                self._left.popleft()
            return bool(self._left)
        except Exception as error:  # noqa: BLE001 - whatever it is, pages are told without it
            _log.error("reading days ahead failed", exc_info=error)
            return False
        if not has_read:
            self._look_at = monotonic() + LOOK_AGAIN_S
        return self._left is None or (
            len(self._left) > 0 and not self._installation.days.is_half_full
        )

    def _read(self) -> bool:
        """Read on which days any session began, or one of them, the newest first; False while
        something waits to be counted. Raises `NotThere` where no sessions are told."""
        fold = find_fold(self._installation.folds, SESSIONS, SESSIONS)
        with one_state(self._installation) as still:
            with open_reading(still) as reading:
                lag_ms = reading.freshness.lag_ms
                if lag_ms is None or lag_ms > CAUGHT_UP_MS:
                    return False
                if self._left is None:
                    known = reading.snapshot.daily_sums(fold.table) or {}
                    self._left = deque(_of_days(known, still.clock.now_ms()))
                    return True
            if self._left:
                self._left[0](still)
                self._left.popleft()
        return True


def _of_days(known: Iterable[int], now_ms: int) -> Iterator[_Part]:
    today = now_ms // DAY_MS
    days = sorted((day for day in known if today - DAYS <= day <= today), reverse=True)
    for day in days:
        start, end = day * DAY_MS, (day + 1) * DAY_MS
        yield partial(read_ahead, buckets=Buckets("day", "UTC", (start, end), (start,), now_ms))
    for day in days:
        if day >= today - DAYS_BY_HOUR:
            start = day * DAY_MS
            edges = tuple(range(start, start + DAY_MS + 1, HOUR_MS))
            yield partial(read_ahead, buckets=Buckets("hour", "UTC", edges, (start,), now_ms))
    # Last, since a click on a page or product is what fewest wait for.
    for day in days:
        yield partial(read_contents, span=(day * DAY_MS, (day + 1) * DAY_MS))


def read_ahead(installation: Installation, buckets: Buckets) -> None:
    """Read what the overview tells of these pieces. Raises `StoreUnavailable`."""
    with one_state(installation) as still:
        told(still, buckets, {})
        ranked_lists(still, buckets)
