"""The time that is shown, cut into the pieces that a chart has, and as many before it."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

from rtcdp.answers.intervals import Cut, Interval
from rtcdp.clock import DAY_MS, HOUR_MS
from rtcdp.dashboard.period import Period
from rtcdp.events.event import MIN_TIMESTAMP_MS

_BY_MINUTE_MS = 6 * HOUR_MS
_BY_HOUR_MS = 8 * DAY_MS
_SLACK_MS = HOUR_MS
"""A week may be an hour longer than seven times 24 hours."""


@dataclass(frozen=True)
class Buckets:
    """`edges` (UTC ms) are where pieces begin, and where the last one ends; those before `closed`
    have ended. `before` are the edges of as many pieces as have ended, just before the first; the
    last one alone where events can't be that old."""

    interval: Interval
    zone: str
    edges: tuple[int, ...]
    before: tuple[int, ...]
    now_ms: int

    @property
    def starts(self) -> tuple[int, ...]:
        return self.edges[:-1]

    @property
    def closed(self) -> int:
        """How many pieces have ended."""
        return max(0, bisect_right(self.edges, self.now_ms) - 1)

    @property
    def start(self) -> int:
        return self.edges[0]

    @property
    def closed_end(self) -> int:
        """Where the last piece ends that has ended."""
        return self.edges[self.closed]

    @property
    def end(self) -> int:
        return self.edges[-1]

    @property
    def gone_ms(self) -> int | None:
        """How much of the piece that is still open has gone by; None where none is."""
        is_open = self.closed < len(self.starts) and self.now_ms >= self.closed_end
        return self.now_ms - self.closed_end if is_open else None

    def has_all_before(self, complete_from: int | None) -> bool:
        """Whether there is a time before, and nothing of it is missing, where that is so only of
        what came after `complete_from` (UTC ms)."""
        is_whole = complete_from is None or complete_from <= self.before[0]
        return len(self.before) > 1 and is_whole

    @property
    def open_ms(self) -> int:
        """How long the piece is that is still open."""
        return self.edges[min(self.closed + 1, len(self.starts))] - self.closed_end


def buckets_of(period: Period, zone: str, now_ms: int) -> Buckets:
    """The pieces that a period has to do with: minutes, hours or days of the zone.

    Raises `BadRequest` for more than a chart can have.
    """
    interval: Interval = "day"
    if period.length <= _BY_MINUTE_MS:
        interval = "minute"
    elif period.length <= _BY_HOUR_MS + _SLACK_MS:
        interval = "hour"
    cut = Cut(interval, zone)
    start = cut.start_of(period.start)
    end = cut.end_of(cut.start_of(max(period.end - 1, start)))
    edges = tuple(cut.edges(start, end))
    closed = max(0, bisect_right(edges, now_ms) - 1)
    before: tuple[int, ...] = (start,)
    if closed:
        # A piece more, since those of another month may be an hour longer.
        longest = max(after - first for first, after in pairwise(edges))
        earliest = start - (edges[closed] - start) - longest
        if earliest >= MIN_TIMESTAMP_MS:
            before = tuple(cut.edges(cut.start_of(earliest), start))[-closed - 1 :]
    return Buckets(interval, zone, edges, before, now_ms)
