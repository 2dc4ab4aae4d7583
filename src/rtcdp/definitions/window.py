"""Windows of event time: half-open, aligned to the Unix epoch, tumbling or sliding."""

from dataclasses import dataclass
from math import gcd

from rtcdp.errors import UsageError

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


def tumbling(*, seconds: int = 0, minutes: int = 0, hours: int = 0, days: int = 0) -> Window:
    """Windows side by side: `tumbling(minutes=1)`."""
    size_ms = _milliseconds(seconds, minutes, hours, days)
    return Window(size_ms, size_ms)


def sliding(*, size_seconds: int, every_seconds: int) -> Window:
    """Overlapping windows: `sliding(size_seconds=60, every_seconds=30)`."""
    return Window(size_seconds * 1000, every_seconds * 1000)


def _milliseconds(seconds: int, minutes: int, hours: int, days: int) -> int:
    return 1000 * (seconds + 60 * (minutes + 60 * (hours + 24 * days)))
