"""Figures and lists that metrics of the catalog have counted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rtcdp.answers.freshness import Installation
from rtcdp.answers.metrics import find_metric
from rtcdp.answers.pieces import Group, Pieces, fits, pieces_of, whole_windows
from rtcdp.dashboard.overview.buckets import Buckets
from rtcdp.dashboard.overview.figures import Figure, Row, ranked
from rtcdp.events.event import ADD_TO_CART, PAGE_VIEW

TYPES = "events_by_type"
REVENUE = "revenue"
CATEGORIES = "revenue_by_category"
USERS = ("daily_active_users", "active_users")
"""Both count different users: whichever fits the pieces, the one with the longest windows first."""

ACTIVE_USERS = "active_users"
"""What the measure is called."""

TYPE_OF = {"views": PAGE_VIEW, "carts": ADD_TO_CART}
"""Figures that count events of one type."""


@dataclass(frozen=True)
class Counted:
    """What was asked of one metric: the pieces that are shown, and those before."""

    buckets: Buckets
    pieces: Pieces

    def figure(self, figure: Figure, measure: str, groups: Sequence[Group] | None = None) -> Figure:
        """A figure: of all that the metric counts, or of some values of its key together."""
        buckets, count_before = self.buckets, len(self.buckets.before) - 1
        whole = (buckets.start, buckets.end if buckets.gone_ms is not None else buckets.closed_end)
        together = (whole, (buckets.start, buckets.closed_end), (buckets.before[0], buckets.start))
        found = [value or 0 for value in self.pieces.values(measure, together, groups)]
        *values, total, closed, before = found
        return replace(
            figure,
            values=tuple(values[count_before:]),
            before=tuple(values[:count_before]),
            total=total,
            closed_total=closed,
            before_total=before if self.has_all_before else None,
            incomplete=self.pieces.incomplete,
        )

    @property
    def has_all_before(self) -> bool:
        return self.buckets.has_all_before(self.pieces.complete_from)

    def list(self, measure: str, only: Sequence[Group] | None = None) -> tuple[Row, ...]:
        """The largest values of the key in the time that is shown."""
        found = self.pieces.by_group(measure, self.buckets.start, self.buckets.end)
        chosen = found if only is None else [each for each in found if each[0] in only]
        return ranked([(" ".join(group), value) for group, value in chosen if value])


def counted(
    installation: Installation, buckets: Buckets, metric: str, measures: tuple[str, ...]
) -> Counted:
    """What a metric has counted. Raises `NotThere` where the catalog doesn't have it, and
    `BadRequest`."""
    edges = (*buckets.before[:-1], *buckets.edges)
    return Counted(buckets, pieces_of(installation, metric, measures, edges))


def users(installation: Installation, buckets: Buckets) -> Counted:
    """Different users. Raises `NotThere` and `BadRequest`."""
    edges = (*buckets.before[:-1], *buckets.edges)
    by_name = {each.name: each for each in installation.metrics}
    fitting = [name for name in USERS if name in by_name and fits(by_name[name], edges)]
    return counted(installation, buckets, fitting[0] if fitting else USERS[-1], (ACTIVE_USERS,))


def top(
    installation: Installation, buckets: Buckets, metric: str, measure: str
) -> tuple[int, int, tuple[Row, ...]]:
    """A list of the largest that a metric keeps, and of which time (UTC ms): whole windows of the
    metric, which may be longer than what is shown. Raises `NotThere` and `BadRequest`."""
    windows = find_metric(installation.metrics, metric)
    start, end = whole_windows(windows, buckets.start, buckets.end)
    found = pieces_of(installation, metric, (measure,), (start, end))
    return start, end, ranked([_pair(each) for each in found.total(measure, start, end)])


def _pair(item: dict[str, Any]) -> tuple[str, float]:
    """The label and the number of one of the largest."""
    texts = [each for each in item.values() if isinstance(each, str)]
    numbers = [each for each in item.values() if isinstance(each, int | float)]
    return texts[0], numbers[0]
