"""A figure: a number for a time, one for each piece of it, and those of the time before."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["count", "money", "share"]
Numbers = tuple[float | None, ...]


@dataclass(frozen=True)
class Figure:
    """`values` are those of the pieces, `before` those of the pieces that it is compared with;
    `total` is of all the time up to now, `closed_total` of the pieces that have ended, and
    `before_total` of as many before. `missing` says why there is nothing, if so; less is
    `is_better` for some. A figure that is `incomplete` is still being filled from the log. `note`
    says what it leaves out."""

    name: str
    title: str
    kind: Kind
    says: str
    values: Numbers = ()
    before: Numbers = ()
    total: float | None = None
    closed_total: float | None = None
    before_total: float | None = None
    missing: str | None = None
    is_better: Literal["more", "less"] = "more"
    incomplete: bool = False
    note: str | None = None

    @property
    def change(self) -> float | None:
        """By which part of it the figure grew; for a share, by how many of one. None where there is
        nothing to compare with."""
        if self.closed_total is None or self.before_total is None:
            return None
        if self.kind == "share":
            return self.closed_total - self.before_total
        return self.closed_total / self.before_total - 1 if self.before_total else None

    @property
    def tone(self) -> str:
        """Whether the change is `good`, `bad` or `even`."""
        change = self.change
        if change is None or abs(change) < 0.0005:
            return "even"
        return "good" if (change > 0) == (self.is_better == "more") else "bad"

    def but_missing(self, why: str) -> "Figure":
        """The figure where it can't be told."""
        return replace(self, missing=why)


FIGURES = (
    Figure("users", "Active users", "count", "Different users who did anything"),
    Figure("views", "Page views", "count", "Pages that were viewed"),
    Figure("sessions", "Sessions", "count", "Visits that began"),
    Figure("revenue", "Revenue", "money", "The values of purchases"),
    Figure("orders", "Orders", "count", "Purchases"),
    Figure("conversion", "Conversion", "share",
           "Of the sessions that are over, those with a purchase"),
    Figure("bounce", "Bounce rate", "share",
           "Of the sessions that are over, those with one page view", is_better="less"),
    Figure("carts", "Carts", "count", "Products that were put into a cart"),
)  # fmt: skip
"""The figures of the overview, in the order of its cards."""

NAMES = tuple(figure.name for figure in FIGURES)


@dataclass(frozen=True)
class Row:
    """One row of a list: what it is, its number, and its share of the largest one."""

    label: str
    value: float
    share: float


def ranked(pairs: Sequence[tuple[str, float]], limit: int = 10) -> tuple[Row, ...]:
    """The largest rows, first; equals by their labels."""
    largest = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:limit]
    most = max((value for _, value in largest), default=0) or 1
    return tuple(Row(label, value, max(0.0, value / most)) for label, value in largest)
