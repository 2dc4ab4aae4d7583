"""Windows of event time, half-open: aligned to the Unix epoch, tumbling or sliding; or days, weeks
and months of a time zone."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

from rtcdp.clock import DAY_MS
from rtcdp.errors import UsageError
from rtcdp.events.calendar import CalendarStart, Unit, Weekday, zone_of

MAX_SIZE_MS = 365 * 86_400_000
"""A window is a year long at most: so much is left before the first and after the last time that
an event can have."""

MAX_WRITTEN_OVERLAP = 4
"""Up to this overlap windows are written out; beyond it only panes are, and readers add them up."""


@dataclass(frozen=True)
class Window:
    """`size_ms` long, a new one starting every `slide_ms`.

    Raises `UsageError` when the slide is not between 1 ms and the size, or the size is above
    `MAX_SIZE_MS`.
    """

    size_ms: int
    slide_ms: int

    def __post_init__(self) -> None:
        if not 0 < self.slide_ms <= self.size_ms:
            raise UsageError(
                f"a window of {self.size_ms} ms can't slide by {self.slide_ms} ms",
                "let it slide by more than nothing and at most by its size",
            )
        if self.size_ms > MAX_SIZE_MS:
            raise UsageError(
                f"a window of {self.size_ms} ms is too long", "make it 365 days long at most"
            )

    @property
    def pane_ms(self) -> int:
        """The slice of time that every window is a whole number of."""
        return gcd(self.size_ms, self.slide_ms)

    @property
    def overlap(self) -> int:
        """How many windows an event can fall into, at most."""
        return -(-self.size_ms // self.slide_ms)

    @property
    def is_written_out(self) -> bool:
        return self.overlap <= MAX_WRITTEN_OVERLAP

    @property
    def bucket_ms(self) -> int:
        """How long a stored bucket is: a window where windows are written out, else a pane."""
        return self.size_ms if self.is_written_out else self.pane_ms

    @property
    def column(self) -> str | None:
        """The column of decoded events that has the start of their window; None where their time
        alone tells it."""
        return None

    def end_of(self, start: int) -> int:
        """Where the window that starts there (UTC ms) ends."""
        return start + self.size_ms

    def starts_at(self, instant: int) -> bool:
        """Whether a window starts at the instant."""
        return instant % self.slide_ms == 0

    @property
    def starts_in_words(self) -> str:
        return f"a multiple of {self.slide_ms} ms since 1970"

    def first_open(self, instant: int) -> int:
        """Windows that start at the result or later have not ended by the instant."""
        return instant - self.size_ms + 1

    def last_ended(self, instant: int) -> int:
        """The start of the newest window that has ended by the instant."""
        return (instant - self.size_ms) // self.slide_ms * self.slide_ms


_LONGEST_DAYS: Mapping[Unit, int] = {"day": 1, "week": 7, "month": 31}


@dataclass(frozen=True)
class Calendar:
    """Each day, week or month from local midnight to local midnight, in a time zone such as
    `Europe/Berlin`; a day may be 23 or 25 hours long.

    While it lasts, its answer is what has come together since midnight. Raises `UsageError` for a
    time zone that there is none of.
    """

    unit: Unit
    zone: str = "UTC"
    week_starts: Weekday = "monday"

    def __post_init__(self) -> None:
        zone_of(self.zone)

    @property
    def _starts(self) -> CalendarStart:
        return CalendarStart(self.unit, self.zone, self.week_starts)

    @property
    def column(self) -> str:
        return self._starts.column

    @property
    def bucket_ms(self) -> int:
        """No window is longer, but for an hour or two where clocks are put back."""
        return _LONGEST_DAYS[self.unit] * DAY_MS

    @property
    def size_ms(self) -> int:
        """How long a window is, about."""
        return self.bucket_ms

    @property
    def slide_ms(self) -> int:
        """How long it takes until the next one begins, about."""
        return self.bucket_ms

    @property
    def overlap(self) -> int:
        return 1

    @property
    def is_written_out(self) -> bool:
        return True

    def end_of(self, start: int) -> int:
        return self._starts.end_of(start)

    def starts_at(self, instant: int) -> bool:
        return self._starts.start_of(instant) == instant

    @property
    def starts_in_words(self) -> str:
        return f"the first midnight of a {self.unit} in {self.zone}"

    def first_open(self, instant: int) -> int:
        return self._starts.start_of(instant)

    def last_ended(self, instant: int) -> int:
        return self._starts.start_of(self._starts.start_of(instant) - 1)


def tumbling(*, seconds: int = 0, minutes: int = 0, hours: int = 0, days: int = 0) -> Window:
    """Windows side by side: `tumbling(minutes=1)`."""
    size_ms = _milliseconds(seconds, minutes, hours, days)
    return Window(size_ms, size_ms)


def sliding(*, size_seconds: int, every_seconds: int) -> Window:
    """Overlapping windows: `sliding(size_seconds=60, every_seconds=30)`."""
    return Window(size_seconds * 1000, every_seconds * 1000)


def _milliseconds(seconds: int, minutes: int, hours: int, days: int) -> int:
    return 1000 * (seconds + 60 * (minutes + 60 * (hours + 24 * days)))
