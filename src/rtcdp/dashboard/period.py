"""The time that a page tells of, and the one before it that it is compared with."""

from dataclasses import dataclass

from rtcdp.clock import DAY_MS, HOUR_MS, MINUTE_MS
from rtcdp.errors import BadRequest
from rtcdp.events.event import MIN_TIMESTAMP_MS

OFFERED = (
    ("30m", "30 min", "Last 30 minutes"),
    ("1h", "1 h", "Last hour"),
    ("6h", "6 h", "Last 6 hours"),
    ("24h", "24 h", "Last 24 hours"),
    ("7d", "7 d", "Last 7 days"),
    ("30d", "30 d", "Last 30 days"),
)
"""What is offered for a choice, as the address says it, in short, and in words."""

DEFAULT_MS = HOUR_MS
REFRESHED_MS = 2000


@dataclass(frozen=True)
class Period:
    """The half-open range [`start`, `end`) of event times (UTC ms). It `moves` with the clock where
    it was asked for as the last so many minutes."""

    start: int
    end: int
    moves: bool

    @property
    def length(self) -> int:
        return self.end - self.start

    @property
    def refreshed_ms(self) -> int:
        """After how long a page that tells of it is worth rendering again."""
        if self.length <= 6 * HOUR_MS:
            return REFRESHED_MS
        return 10_000 if self.length <= 8 * DAY_MS else MINUTE_MS

    def before(self) -> "Period":
        """What it is compared with: as long, and just before."""
        return Period(self.start - self.length, self.start, self.moves)


def period_of(
    start: int | None, end: int | None, last_ms: int | None, now_ms: int, default_ms: int
) -> Period:
    """The period that `from`, `to` and `last` ask for, of `default_ms` if they ask for nothing.
    It begins with the first time that events have at the earliest.

    Raises `BadRequest` where they contradict each other.
    """
    if last_ms is not None and start is not None:
        raise BadRequest("last and from both say where to begin", "send one of them")
    until = now_ms if end is None else end
    begin = start
    if begin is None:
        begin = max(MIN_TIMESTAMP_MS, until - (last_ms or default_ms))
    if begin >= until:
        raise BadRequest(
            "the time that is asked for ends before it begins",
            "choose a From that is earlier than To; without To, than now",
        )
    return Period(begin, until, moves=start is None and end is None)
