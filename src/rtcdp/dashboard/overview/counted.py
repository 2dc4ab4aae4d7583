"""Figures and lists that metrics of the catalog have counted."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import iso_ms, read_instant
from rtcdp.answers.metrics import find_metric
from rtcdp.answers.query import QueryQuestion, query_page
from rtcdp.dashboard.overview.buckets import Buckets
from rtcdp.dashboard.overview.figures import Figure, Numbers, Row, ranked
from rtcdp.events.event import ADD_TO_CART, PAGE_VIEW

TYPES = "events_by_type"
REVENUE = "revenue"
CATEGORIES = "revenue_by_category"
USERS = "active_users"
_TYPES_MAX = 200


@dataclass(frozen=True)
class Counted:
    """What was asked of one metric, in pieces: rows of numbers by the value of its key (empty
    where it has none), for the pieces before and those that are shown."""

    buckets: Buckets
    columns: Mapping[str, Mapping[str, Mapping[int, float]]]
    incomplete: bool
    complete_from: int | None = None

    def figure(self, figure: Figure, column: str, key: str = "") -> Figure:
        """A figure whose numbers add up."""
        found = self.columns[column].get(key, {})
        values: Numbers = tuple(found.get(start, 0) for start in self.buckets.starts)
        before: Numbers = tuple(found.get(start, 0) for start in self.buckets.before[:-1])
        return replace(
            figure,
            values=values,
            before=before,
            total=_sum(values),
            closed_total=_sum(values[: self.buckets.closed]),
            before_total=_sum(before) if self.has_all_before else None,
            incomplete=self.incomplete,
        )

    @property
    def has_all_before(self) -> bool:
        return self.buckets.has_all_before(self.complete_from)

    def together(self, keys: Collection[str]) -> "Counted":
        """The rows of some values of the key, added up."""
        columns: dict[str, dict[str, dict[int, float]]] = {}
        for column, by_key in self.columns.items():
            sums = columns.setdefault(column, {"": {}})[""]
            for key in keys:
                for start, value in by_key.get(key, {}).items():
                    sums[start] = sums.get(start, 0) + value
        return replace(self, columns=columns)

    def list(self, column: str) -> tuple[Row, ...]:
        """The largest keys of the time that is shown."""
        start = self.buckets.start
        sums = {
            key: sum(value for at, value in by_start.items() if at >= start)
            for key, by_start in self.columns[column].items()
        }
        return ranked([(key, value) for key, value in sums.items() if value])


def counted(
    installation: Installation,
    buckets: Buckets,
    metric: str,
    columns: tuple[str, ...],
    equals: Mapping[str, tuple[str, ...]] | None = None,
) -> Counted:
    """What a metric has counted. Raises `NotThere` where the catalog doesn't have it."""
    by = find_metric(installation.metrics, metric).key_names
    question = QueryQuestion(
        metrics=tuple(f"{metric}.{column}" for column in columns),
        equals=dict(equals or {}),
        group_by=by,
        interval=buckets.interval,
        tz=buckets.zone,
        start_from=buckets.before[0],
        start_to=buckets.end,
        limit=_TYPES_MAX,
    )
    page = query_page(installation, question)
    starts = {iso_ms(start): start for start in (*buckets.before[:-1], *buckets.starts)}
    found: dict[str, dict[str, dict[int, float]]] = {column: {} for column in columns}
    for item in page.items:
        key = " ".join("other" if item[name] is None else item[name] for name in by)
        for described in page.columns:
            by_key = found[described.measure].setdefault(key, {})
            by_key[starts[item["window_start"]]] = item[described.name] or 0
    since = page.complete_from and read_instant("from", page.complete_from)
    return Counted(buckets, found, page.incomplete, since or None)


def users(installation: Installation, buckets: Buckets, figure: Figure) -> Figure:
    """Different users, whose numbers don't add up: who came twice is one. Raises `NotThere`."""
    by_piece = counted(installation, buckets, USERS, (USERS,))

    def different(start: int, end: int) -> float | None:
        if start >= end:
            return None
        question = QueryQuestion(
            metrics=(f"{USERS}.{USERS}",), tz=buckets.zone, start_from=start, start_to=end
        )
        page = query_page(installation, question)
        return page.items[0][page.columns[0].name] if page.items else 0

    closed = different(buckets.start, buckets.closed_end)
    return replace(
        by_piece.figure(figure, USERS),
        closed_total=closed,
        before_total=different(buckets.before[0], buckets.start)
        if by_piece.has_all_before
        else None,
        total=closed if buckets.gone_ms is None else different(buckets.start, buckets.end),
    )


def top(installation: Installation, buckets: Buckets, column: str) -> tuple[int, tuple[Row, ...]]:
    """A list of the largest that a metric keeps, of whole windows of it, and where the first of
    these begins (UTC ms). Raises `NotThere`."""
    find_metric(installation.metrics, column.partition(".")[0])
    question = QueryQuestion(
        metrics=(column,), tz=buckets.zone, start_from=buckets.start, start_to=buckets.end
    )
    page = query_page(installation, question)
    items = page.items[0][page.columns[0].name] if page.items else []
    return read_instant("from", page.start_from), ranked([_pair(each) for each in items])


TYPE_OF = {"views": PAGE_VIEW, "carts": ADD_TO_CART}
"""Figures that count events of one type."""


def _pair(item: Mapping[str, Any]) -> tuple[str, float]:
    """The label and the number of one of the largest."""
    texts = [each for each in item.values() if isinstance(each, str)]
    numbers = [each for each in item.values() if isinstance(each, int | float)]
    return texts[0], numbers[0]


def _sum(values: Numbers) -> float:
    return sum(value or 0 for value in values)
