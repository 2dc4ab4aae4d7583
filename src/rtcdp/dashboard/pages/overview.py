"""What happens, at one look: figures with their charts, and where they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import msgspec

from rtcdp.answers.instant import iso_ms
from rtcdp.answers.ledger import Ledger, LedgerQuestion, ledger_page
from rtcdp.answers.question import NAMES
from rtcdp.api.query import Asked
from rtcdp.dashboard.drawing.curve import Block, Curve, block, curve, top_of
from rtcdp.dashboard.overview.buckets import Buckets, buckets_of
from rtcdp.dashboard.overview.counted import top
from rtcdp.dashboard.overview.figures import Figure, Row
from rtcdp.dashboard.overview.told import FILTERS, Told, told
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.stories import EVENTS
from rtcdp.errors import BadRequest, NotThere

Name = Literal["users", "views", "sessions", "revenue", "orders", "conversion", "bounce", "carts"]


class OverviewQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """Which figure has its chart, and what is left when the rest is filtered away."""

    chart: Annotated[Name, msgspec.Meta(description="the figure that the chart is of")] = "users"
    entry_page: Annotated[
        tuple[str, ...], msgspec.Meta(description="sessions that began on one of these pages")
    ] = ()
    exit_page: Annotated[
        tuple[str, ...], msgspec.Meta(description="sessions that ended on one of these pages")
    ] = ()
    category: Annotated[
        tuple[str, ...], msgspec.Meta(description="purchases of products of these categories")
    ] = ()


@dataclass(frozen=True)
class Card:
    """A figure with its sparkline."""

    figure: Figure
    spark: Curve
    is_chosen: bool


@dataclass(frozen=True)
class Chart:
    """The figure that is shown large: its curve, that of the time before, the piece of time that is
    still open, and its rows: when each piece began (UTC ms), its number, and that of the one before
    that it is compared with. `behind` is where the events or sessions are that it counts."""

    figure: Figure
    top: float
    now: Curve
    before: Curve
    open: Block | None
    rows: tuple[tuple[int, float | None, float | None], ...]
    behind: str | None


@dataclass(frozen=True)
class Listed:
    """A list. `by` is the filter that a row sets, if it sets one; `since` says from when on it is,
    where that is before what was asked for; `missing` why there is none. `hrefs` lead to the events
    that a row counts, by its label."""

    title: str
    name: str
    head: str
    rows: Sequence[Row] = ()
    by: str | None = None
    kind: str = "count"
    since: str | None = None
    missing: str | None = None
    hrefs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Filter:
    """A filter that is set."""

    name: str
    title: str
    text: str


@dataclass(frozen=True)
class Overview:
    """All that the page shows."""

    buckets: Buckets
    cards: tuple[Card, ...]
    chart: Chart
    lists: tuple[Listed, ...]
    filters: tuple[Filter, ...]
    ledger: Ledger
    is_empty: bool


_COUNTED = "admitted"
_SESSIONS = "/sessions"
_BEHIND: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "users": (EVENTS, {"verdict": _COUNTED}),
    "views": (EVENTS, {"verdict": _COUNTED, "where": "eventType=PAGE_VIEW"}),
    "sessions": (_SESSIONS, {}),
    "revenue": (EVENTS, {"verdict": _COUNTED, "where": "eventType=PURCHASE"}),
    "orders": (EVENTS, {"verdict": _COUNTED, "where": "eventType=PURCHASE"}),
    "conversion": (_SESSIONS, {"kind": "converted"}),
    "bounce": (_SESSIONS, {"kind": "bounce"}),
    "carts": (EVENTS, {"verdict": _COUNTED, "where": "eventType=ADD_TO_CART"}),
}
"""Where the page is, and what it is asked, that lists what a figure counts."""

_TITLES = {"entry_page": "Entry page", "exit_page": "Exit page", "category": "Category"}


def shown(asked: PageAsked[OverviewQuestion]) -> Overview:
    """The overview of a time. Raises `BadRequest` and `StoreUnavailable`."""
    question = asked.question
    buckets = buckets_of(asked.period, asked.zone.name, asked.now_ms)
    filters = {name: getattr(question, name) for name in FILTERS}
    ledger = ledger_page(asked.installation, LedgerQuestion(limit=1))
    found = told(asked.installation, buckets, filters)
    chosen = next(figure for figure in found.figures if figure.name == question.chart)
    return Overview(
        buckets=buckets,
        cards=tuple(_card(figure, buckets, figure is chosen) for figure in found.figures),
        chart=_chart(chosen, buckets, _behind(asked, buckets, chosen)),
        lists=_lists(asked, buckets, found),
        filters=tuple(
            Filter(name, _TITLES[name], text) for name, texts in filters.items() for text in texts
        ),
        ledger=ledger,
        is_empty=ledger.totals.received == 0 and not ledger.lag_ms,
    )


_ROOM = 1.15
"""Above the highest point of a sparkline, so that its line is not cut."""


def _card(figure: Figure, buckets: Buckets, is_chosen: bool) -> Card:
    closed = figure.values[: buckets.closed]
    return Card(figure, curve(closed, _ROOM * top_of(closed), len(closed)), is_chosen)


def _behind(asked: PageAsked[OverviewQuestion], buckets: Buckets, figure: Figure) -> str | None:
    """None where filters are set: of the events behind them nothing says whether they pass."""
    if any(getattr(asked.question, name) for name in FILTERS):
        return None
    path, wanted = _BEHIND[figure.name]
    return _elsewhere(asked, path, buckets.start, **wanted)


def _elsewhere(asked: PageAsked[OverviewQuestion], path: str, start: int, **more: str) -> str:
    """Another page, of the time that numbers here are of, with a way back if it has room for it."""
    time = {"from": iso_ms(start), "to": asked.question.start_to, "last": None}
    back = {"back": asked.address.but()} if path == EVENTS else {}
    return asked.address.elsewhere(path, **{**time, **more, **back})


def _chart(figure: Figure, buckets: Buckets, behind: str | None) -> Chart:
    slots, closed = len(buckets.starts), buckets.closed
    values = figure.values or (None,) * slots
    before = (*figure.before, *[None] * slots)[:slots]
    top = top_of(values, before)
    is_open = buckets.gone_ms is not None and figure.kind != "share"
    return Chart(
        figure=figure,
        top=top,
        now=curve(values[:closed], top, slots),
        before=curve(before, top, slots),
        open=block(closed, values[closed], top, slots) if is_open else None,
        rows=tuple(zip(buckets.starts, values, before, strict=True)),
        behind=behind,
    )


def _lists(asked: PageAsked[OverviewQuestion], buckets: Buckets, found: Told) -> tuple[Listed, ...]:
    visits, types, categories = found.visits, found.types, found.categories
    troubles = found.troubles
    return (
        _largest(asked, buckets, Listed("Pages", "pages", "Views"), "top_pages.pages", "pageUrl"),
        Listed(
            "Entry pages",
            "entry-pages",
            "Sessions",
            visits.ends["entry_page"] if visits else (),
            by="entry_page",
            missing=troubles.get("visits"),
        ),
        Listed(
            "Exit pages",
            "exit-pages",
            "Sessions",
            visits.ends["exit_page"] if visits else (),
            by="exit_page",
            missing=troubles.get("visits"),
        ),
        _largest(
            asked,
            buckets,
            Listed("Products", "products", "Views"),
            "top_products.products",
            "productId",
        ),
        Listed(
            "Categories",
            "categories",
            "Revenue",
            categories.list("revenue") if categories else (),
            by="category",
            kind="money",
            missing=troubles.get("categories"),
        ),
        Listed(
            "Event types",
            "types",
            "Events",
            rows := types.list("event_count") if types else (),
            missing=troubles.get("types"),
            hrefs={
                row.label: _elsewhere(
                    asked,
                    EVENTS,
                    buckets.start,
                    verdict=_COUNTED,
                    where=f"eventType={row.label}",
                )
                for row in rows
            },
        ),
    )


def _largest(
    asked: PageAsked[OverviewQuestion],
    buckets: Buckets,
    listed: Listed,
    column: str,
    field_name: str,
) -> Listed:
    """A list that a metric keeps for whole windows of its own."""
    try:
        start, rows = top(asked.installation, buckets, column)
    except (NotThere, BadRequest) as error:
        return Listed(listed.title, listed.name, listed.head, missing=str(error))
    since = f"since {asked.zone.minute(start)}" if start < buckets.start else None
    metric = column.partition(".")[0]
    hrefs = {
        row.label: _elsewhere(
            asked, EVENTS, start, verdict=_COUNTED, metric=metric, where=f"{field_name}={row.label}"
        )
        for row in rows
    }
    return replace(listed, rows=rows, since=since, hrefs=hrefs)


PAGE = DashboardPage(
    title="Overview",
    paths=("/",),
    template="overview.html",
    shown=shown,
    asked=Asked(OverviewQuestion),
    stream="anomalies=true",
)
