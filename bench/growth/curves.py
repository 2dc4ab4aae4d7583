"""What may grow, and at which sizes the cost of an event is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10


@dataclass(frozen=True)
class Curve:
    """One thing that grows while all else stays: its name, what is counted of it, the sizes at
    which the cost is taken, and why the cost may grow as it does."""

    name: str
    of_what: str
    sizes: tuple[int, ...]
    reason: str


CURVES: Mapping[str, Curve] = {
    curve.name: curve
    for curve in (
        Curve(
            "users",
            "users within the hour",
            (1_000, 10_000, 100_000, 1_000_000, 10_000_000),
            "With more users, fewer events share a row, and each row has its places in two trees, "
            "by time and by user. The last point has ten times the events, and their ids.",
        ),
        Curve(
            "metrics",
            "metrics in the catalog",
            (1, 3, 10, 30, 100),
            "Each metric has rows of its own, so that what it adds is its rows; decoding, "
            "admission and the ledger are paid once.",
        ),
        Curve(
            "overlap",
            "windows that an event is in",
            (1, 2, 10, 60, 600),
            "Panes are stored and windows are what is read, so that overlap costs the reader and "
            "not the event.",
        ),
        Curve(
            "partitions",
            "partitions of the topic",
            (1, 4, 16, 64),
            "Records of all partitions are merged by the time of their intake: the more there are, "
            "the smaller the pieces that are read, judged and merged, each at its own price.",
        ),
        Curve(
            "history",
            "hours of windows in the store",
            (1, 24, 168, 720),
            "The tree of windows is deeper, and its newest end is what is written.",
        ),
    )
}


@dataclass(frozen=True)
class Point:
    """What one event costs at one size: CPU-seconds a million events, of all threads, from the log
    to the committed answer."""

    size: int
    cpu_s_a_million: float


def grows_by_decade(points: Sequence[Point]) -> float:
    """By how much the cost is multiplied for each tenfold of size, between the smallest and the
    largest: 1 is not at all."""
    first, last = points[0], points[-1]
    decades = log10(last.size / first.size) or 1.0
    return float((last.cpu_s_a_million / first.cpu_s_a_million) ** (1 / decades))
