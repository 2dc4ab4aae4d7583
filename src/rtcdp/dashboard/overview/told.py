"""All figures of the overview, from what the catalog counts; one that can't be had says why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from rtcdp.answers.freshness import Installation
from rtcdp.dashboard.overview.buckets import Buckets
from rtcdp.dashboard.overview.contents import CONTENTS
from rtcdp.dashboard.overview.counted import (
    ACTIVE_USERS,
    CATEGORIES,
    REVENUE,
    TYPE_OF,
    TYPES,
    Counted,
    counted,
    users,
)
from rtcdp.dashboard.overview.figures import FIGURES, Figure
from rtcdp.dashboard.overview.visits import ENDS, Visits, visits
from rtcdp.errors import BadRequest, NotThere

T = TypeVar("T")

CATEGORY = "category"
FILTERS = (*ENDS, *CONTENTS, CATEGORY)
"""What the overview can be narrowed to."""

_BY_CATEGORY = {"revenue": "revenue", "orders": "purchase_count"}
_BY_MINUTE = {"revenue": "revenue", "orders": "order_count"}
_SESSIONS = ("sessions", "conversion", "bounce")


@dataclass(frozen=True)
class Told:
    """The figures, and what lists are made of; None where it is not there."""

    figures: tuple[Figure, ...]
    types: Counted | None
    categories: Counted | None
    visits: Visits | None
    troubles: Mapping[str, str]


def told(
    installation: Installation, buckets: Buckets, filters: Mapping[str, tuple[str, ...]]
) -> Told:
    """The figures of a time, narrowed by `filters`. Raises `StoreUnavailable`."""
    of_visits = {name: texts for name, texts in filters.items() if name != CATEGORY and texts}
    categories = filters.get(CATEGORY, ())
    troubles: dict[str, str] = {}

    def asked(name: str, of: Callable[[], T]) -> T | None:
        try:
            return of()
        except (NotThere, BadRequest) as error:
            troubles[name] = str(error)
            return None

    by_type = asked("types", lambda: counted(installation, buckets, TYPES, ("event_count",)))
    minutes = asked(
        "minutes",
        lambda: counted(installation, buckets, REVENUE, tuple(_BY_MINUTE.values())),
    )
    by_category = asked(
        "categories",
        lambda: counted(installation, buckets, CATEGORIES, tuple(_BY_CATEGORY.values())),
    )
    found = asked("visits", lambda: visits(installation, buckets, of_visits))

    def figure(wanted: Figure) -> Figure:
        name = wanted.name
        if categories:
            return _of_categories(wanted, by_category, categories, bool(of_visits), troubles)
        if of_visits or name in _SESSIONS:
            return wanted.but_missing(troubles["visits"]) if found is None else found.figure(wanted)
        if name in TYPE_OF:
            if by_type is None:
                return wanted.but_missing(troubles["types"])
            return by_type.figure(wanted, "event_count", [(TYPE_OF[name],)])
        if name in _BY_MINUTE:
            if minutes is None:
                return wanted.but_missing(troubles["minutes"])
            return minutes.figure(wanted, _BY_MINUTE[name])
        people = asked(name, lambda: users(installation, buckets))
        if people is None:
            return wanted.but_missing(troubles[name])
        return people.figure(wanted, ACTIVE_USERS)

    figures = tuple(figure(wanted) for wanted in FIGURES)
    return Told(figures, by_type, by_category, found, troubles)


def _of_categories(
    wanted: Figure,
    by_category: Counted | None,
    categories: tuple[str, ...],
    is_narrowed: bool,
    troubles: Mapping[str, str],
) -> Figure:
    column = _BY_CATEGORY.get(wanted.name)
    if column is None:
        return wanted.but_missing("not told apart by the category of products")
    if is_narrowed:
        return wanted.but_missing("not told apart by sessions and categories at once")
    if by_category is None:
        return wanted.but_missing(troubles["categories"])
    return by_category.figure(wanted, column, [(each,) for each in categories])
