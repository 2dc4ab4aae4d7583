"""Lists of the overview: what figures come from, the largest first. Each says which filters don't
narrow it, and of which time it is where that is not the one of the figures."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import iso_ms
from rtcdp.answers.pieces import pieces_of, whole_windows
from rtcdp.dashboard.address import PageAddress, written
from rtcdp.dashboard.overview.buckets import Buckets
from rtcdp.dashboard.overview.contents import CONTENTS, PAGE_IN, PRODUCT_IN, contents_of
from rtcdp.dashboard.overview.counted import CATEGORIES, TYPES, top
from rtcdp.dashboard.overview.figures import Row, ranked
from rtcdp.dashboard.overview.told import CATEGORY, Told
from rtcdp.dashboard.overview.visits import ENDS
from rtcdp.dashboard.stories import EVENTS
from rtcdp.dashboard.zone import PageZone
from rtcdp.definitions import Count, Metric, Property, Sum
from rtcdp.errors import BadRequest, NotThere

EXPLORE = "/explore"

Filters = Mapping[str, tuple[str, ...]]
Timed = tuple[int, int, tuple[Row, ...]]
"""Rows, and the time (UTC ms) that they are of."""

RankedLists = Mapping[str, Timed | str]
"""What metrics keep for lists, by their names; a text says why there is nothing."""


class Asking(Protocol):
    """For whom lists are made, and where they stand."""

    @property
    def installation(self) -> Installation: ...

    @property
    def zone(self) -> PageZone: ...

    @property
    def address(self) -> PageAddress: ...


@dataclass(frozen=True)
class Listed:
    """A list. `by` is the filter that a row sets, if it sets one; where it doesn't, `metric` and
    `field` say what Explore shows of a row. `behind` has the addresses of the events that the
    numbers count. `aside` says what else the rows are of, `missing` why there are none."""

    title: str
    name: str
    head: str
    rows: Sequence[Row] = ()
    by: str | None = None
    behind: Mapping[str, str] = field(default_factory=dict)
    metric: str | None = None
    field: str | None = None
    kind: str = "count"
    aside: str | None = None
    missing: str | None = None


def ranked_lists(installation: Installation, buckets: Buckets) -> RankedLists:
    """What metrics keep by themselves for lists. Raises `StoreUnavailable`."""
    reads: dict[str, Callable[[], Timed]] = {
        name: partial(top, installation, buckets, metric, measure)
        for name, (metric, measure) in _LARGEST.items()
    }
    for metric, adding in _by_property(installation):
        reads[_name_of(metric)] = partial(_grouped, installation, buckets, metric, adding.name)
    found: dict[str, Timed | str] = {}
    for name, read in reads.items():
        try:
            found[name] = read()
        except (NotThere, BadRequest) as error:
            found[name] = str(error)
    return found


_LARGEST = {"pages": ("top_pages", "pages"), "products": ("top_products", "products")}
"""The metric and the measure that a list is kept by."""


def _name_of(metric: Metric) -> str:
    return f"of-{metric.name}"


def _by_property(installation: Installation) -> Iterator[tuple[Metric, Count | Sum]]:
    """The metrics that have a property for their key, and what of them adds up."""
    for metric in installation.metrics:
        adding = [each for each in metric.measures if isinstance(each, Count | Sum)]
        if len(metric.key) == 1 and isinstance(metric.key[0], Property) and adding:
            yield metric, adding[0]


def _grouped(installation: Installation, buckets: Buckets, metric: Metric, measure: str) -> Timed:
    start, end = whole_windows(metric, buckets.start, buckets.end)
    found = pieces_of(installation, metric.name, (measure,), (start, end))
    groups = found.by_group(measure, start, end)
    return start, end, ranked([(" ".join(group), value) for group, value in groups if value])


def lists_of(
    asked: Asking, buckets: Buckets, found: Told, filters: Filters, kept: RankedLists
) -> tuple[Listed, ...]:
    """All lists: those that every shop has, and one for each metric of the catalog that is counted
    by a property."""
    lists = _Lists(asked, buckets, filters, kept)
    visits, types, categories = found.visits, found.types, found.categories
    only = [(each,) for each in filters.get(CATEGORY, ())] or None

    def told_by(name: str) -> str | None:
        return name if contents_of(asked.installation).get(name) else None

    ends = [
        Listed(
            f"{title} pages",
            f"{title.lower()}-pages",
            "Sessions",
            visits.ends[name] if visits else (),
            by=name,
            aside=lists.not_narrowed(*ENDS, *CONTENTS),
            missing=found.troubles.get("visits"),
        )
        for title, name in zip(("Entry", "Exit"), ENDS, strict=True)
    ]
    return (
        lists.largest(Listed("Pages", "pages", "Views", by=told_by(PAGE_IN)), "pageUrl"),
        *ends,
        lists.largest(Listed("Products", "products", "Views", by=told_by(PRODUCT_IN)), "productId"),
        Listed(
            "Categories",
            "categories",
            "Revenue",
            categories.list("revenue", only) if categories else (),
            by=CATEGORY,
            metric=CATEGORIES,
            kind="money",
            aside=lists.not_narrowed(CATEGORY),
            missing=found.troubles.get("categories"),
        ),
        Listed(
            "Event types",
            "types",
            "Events",
            types.list("event_count") if types else (),
            metric=TYPES,
            field="eventType",
            aside=lists.not_narrowed(),
            missing=found.troubles.get("types"),
        ),
        *lists.properties(),
    )


@dataclass(frozen=True)
class _Lists:
    """What lists are made for."""

    asked: Asking
    buckets: Buckets
    filters: Filters
    kept: RankedLists

    def not_narrowed(self, *by: str) -> str | None:
        """Which of the filters that are set don't narrow a list that can be narrowed `by` some."""
        names = [name for name, texts in self.filters.items() if texts and name not in by]
        return f"not narrowed by {' and '.join(names).replace('_', ' ')}" if names else None

    def largest(self, listed: Listed, of: str) -> Listed:
        """A list that a metric keeps for whole windows of its own, of values of the field `of`."""
        metric, _ = _LARGEST[listed.name]
        return self._timed(listed, lambda label, time: self._events(metric, of, label, time))

    def _events(self, metric: str, of: str, label: str, time: tuple[int, int]) -> str:
        """The page of the events that a row counts."""
        start, end = time
        zone = [pair for pair in self.asked.address.pairs if pair[0] == "tz"]
        time_of = [("from", iso_ms(start)), ("to", iso_ms(end))]
        only = [("metric", metric), ("where", f"{of}={label}"), ("verdict", "admitted")]
        return written(EVENTS, [*zone, *time_of, *only, ("back", self.asked.address.but())])

    def properties(self) -> Iterator[Listed]:
        """A list for each metric that has a property for its key, and something that adds up."""
        for metric, adding in _by_property(self.asked.installation):
            is_money = isinstance(adding, Sum) and adding.field == "value"
            listed = Listed(
                metric.title,
                _name_of(metric),
                adding.name.replace("_", " ").capitalize(),
                metric=metric.name,
                field=metric.key_names[0],
                kind="money" if is_money else "count",
            )
            # A metric may be there only since the lists were read.
            if listed.name in self.kept:
                yield self._timed(listed)

    def _timed(
        self, listed: Listed, behind: Callable[[str, tuple[int, int]], str] | None = None
    ) -> Listed:
        found = self.kept[listed.name]
        if isinstance(found, str):
            return replace(listed, missing=found)
        start, end, rows = found
        buckets, notes = self.buckets, [self.not_narrowed()]
        # As of when it was read: a window that has ended since then is not whole yet.
        if end > buckets.end and buckets.end < buckets.now_ms:
            is_open = end > buckets.now_ms
            notes.insert(0, f"until {'now' if is_open else self._when(end, buckets.end - 1)}")
        if start < buckets.start:
            notes.insert(0, f"since {self._when(start, buckets.start)}")
        hrefs = {} if behind is None else {r.label: behind(r.label, (start, end)) for r in rows}
        aside = ", ".join(n for n in notes if n) or None
        return replace(listed, rows=rows, aside=aside, behind=hrefs)

    def _when(self, instant: int, shown: int) -> str:
        """An instant, with its day where that is another one than the day that is shown there."""
        zone = self.asked.zone
        minute, day = zone.minute(instant), zone.day(instant)
        return minute if day == zone.day(shown) else f"{day} {minute}"
