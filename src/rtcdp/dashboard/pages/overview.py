"""What happens, at one look: figures with their charts, and where they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from rtcdp.answers.instant import iso_ms
from rtcdp.answers.ledger import Ledger, LedgerQuestion, ledger_page
from rtcdp.answers.question import NAMES
from rtcdp.api.query import Asked
from rtcdp.dashboard.drawing.curve import Block, Curve, block, curve, top_of
from rtcdp.dashboard.overview.buckets import Buckets, buckets_of
from rtcdp.dashboard.overview.contents import PAGE_IN, PRODUCT_IN, contents_of
from rtcdp.dashboard.overview.figures import Figure
from rtcdp.dashboard.overview.lists import Listed, RankedLists, lists_of, ranked_lists
from rtcdp.dashboard.overview.told import CATEGORY, FILTERS, Told, told
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.period import Period
from rtcdp.dashboard.stories import EVENTS

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
    page: Annotated[
        tuple[str, ...], msgspec.Meta(description="sessions with one of these pages in them")
    ] = ()
    product: Annotated[
        tuple[str, ...], msgspec.Meta(description="sessions with one of these products in them")
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
class Filter:
    """A filter that is set, and, where its title does not tell, `says` what is left by it."""

    name: str
    title: str
    text: str
    says: str | None = None


@dataclass(frozen=True)
class Overview:
    """All that the page shows: of whole pieces, so that its `shown_time` may be longer than what
    was asked for."""

    buckets: Buckets
    cards: tuple[Card, ...]
    chart: Chart
    lists: tuple[Listed, ...]
    filters: tuple[Filter, ...]
    ledger: Ledger
    is_empty: bool
    shown_time: Period


_COUNTED = "admitted"
_SESSIONS = "/sessions"
_BEHIND: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "users": (EVENTS, {"verdict": _COUNTED}),
    "views": (EVENTS, {"verdict": _COUNTED, "where": "eventType=PAGE_VIEW"}),
    "sessions": (_SESSIONS, {}),
    "revenue": (EVENTS, {"verdict": _COUNTED, "where": "eventType=PURCHASE"}),
    "orders": (EVENTS, {"verdict": _COUNTED, "where": "eventType=PURCHASE"}),
    "conversion": (_SESSIONS, {"kind": "converted", "state": "final"}),
    "bounce": (_SESSIONS, {"kind": "bounce", "state": "final"}),
    "carts": (EVENTS, {"verdict": _COUNTED, "where": "eventType=ADD_TO_CART"}),
}
"""Where the page is, and what it is asked, that lists what a figure counts."""

_TITLES = {
    "entry_page": "Entry page",
    "exit_page": "Exit page",
    PAGE_IN: "Page",
    PRODUCT_IN: "Product",
    CATEGORY: "Category",
}


@dataclass(frozen=True)
class _Numbers:
    """All that is read for the page, whichever figure has its chart."""

    period: Period
    buckets: Buckets
    ledger: Ledger
    told: Told
    lists: RankedLists


def shown(asked: PageAsked[OverviewQuestion]) -> Overview:
    """The overview of a time. Raises `BadRequest` and `StoreUnavailable`."""
    filters = {name: getattr(asked.question, name) for name in FILTERS}

    def read() -> _Numbers:
        buckets = buckets_of(asked.period, asked.zone.name, asked.now_ms)
        ledger = ledger_page(asked.installation, LedgerQuestion(limit=1))
        found = told(asked.installation, buckets, filters)
        lists = ranked_lists(asked.installation, buckets)
        return _Numbers(asked.period, buckets, ledger, found, lists)

    numbers = asked.part(f"{asked.zone.name} {asked.address.but(chart=None)}", read)
    found, buckets, ledger = numbers.told, numbers.buckets, numbers.ledger
    chosen = _chosen(asked, found.figures)
    return Overview(
        buckets=buckets,
        cards=tuple(_card(figure, buckets, figure is chosen) for figure in found.figures),
        chart=_chart(chosen, buckets, _behind(asked, buckets, chosen)),
        lists=lists_of(asked, buckets, found, filters, numbers.lists),
        filters=_filters(asked, filters),
        ledger=ledger,
        is_empty=ledger.totals.received == 0 and not ledger.lag_ms,
        shown_time=Period(buckets.start, buckets.end, numbers.period.moves),
    )


def _filters(
    asked: PageAsked[OverviewQuestion], filters: Mapping[str, Sequence[str]]
) -> tuple[Filter, ...]:
    told_of = contents_of(asked.installation)
    return tuple(
        Filter(name, _TITLES[name], text, told_of[name].says if name in told_of else None)
        for name, texts in filters.items()
        for text in texts
    )


def _chosen(asked: PageAsked[OverviewQuestion], figures: Sequence[Figure]) -> Figure:
    """The figure that was chosen; where nobody chose one, the first that filters leave."""
    named = next(each for each in figures if each.name == asked.question.chart)
    if any(name == "chart" for name, _ in asked.address.pairs):
        return named
    return next((each for each in (named, *figures) if not each.missing), named)


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
    return _elsewhere(asked, path, buckets, **wanted)


def _elsewhere(asked: PageAsked[OverviewQuestion], path: str, buckets: Buckets, **more: str) -> str:
    """Another page, of the time that numbers here are of, with a way back if it has room for it."""
    end = None if asked.question.start_to is None else iso_ms(buckets.end)
    time = {"from": iso_ms(buckets.start), "to": end, "last": None}
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


PAGE = DashboardPage(
    title="Overview",
    paths=("/",),
    template="overview.html",
    shown=shown,
    asked=Asked(OverviewQuestion),
    stream="anomalies=true",
)
