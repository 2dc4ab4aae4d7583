"""The events themselves, newest first in each partition of the log, and what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from rtcdp.answers.drill_down import Effort
from rtcdp.answers.events import EventsPage, EventsQuestion, FoundVerdict, events_page
from rtcdp.answers.question import NAMES, Cursor
from rtcdp.api.query import Asked
from rtcdp.clock import DAY_MS
from rtcdp.dashboard.address import own_address, written
from rtcdp.dashboard.found_events import FoundEvent, found_event
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.stories import EVENTS, Tab, from_to, in_time
from rtcdp.dashboard.where import Where, as_pairs, filters_in
from rtcdp.errors import NotThere
from rtcdp.log.contract import LogUnavailable

_API = "/api/events"
_LISTED = 50

_VERDICTS: tuple[tuple[FoundVerdict | None, str], ...] = (
    (None, "All"),
    ("admitted", "Counted"),
    ("duplicate", "Duplicates"),
    ("late", "Late"),
)


class EventsPageQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """Which events, by when they happened."""

    where: Where = ()
    metric: Annotated[str | None, msgspec.Meta(description="those that this metric looks at")] = (
        None
    )
    verdict: Annotated[FoundVerdict | None, msgspec.Meta(description="what became of them")] = None
    back: Annotated[str | None, msgspec.Meta(description="where one came from")] = None
    cursor: Cursor = None


@dataclass(frozen=True)
class Chosen:
    """A filter that is in force, and the page without it."""

    words: str
    href: str


@dataclass(frozen=True)
class EventsShown:
    """A page of events, the newest first of `partitions`, one after the other; `trouble` says why
    there is none."""

    items: Sequence[FoundEvent]
    answer: EventsPage | None
    tabs: Sequence[Tab]
    chosen: Sequence[Chosen]
    back: str | None
    api: str
    partitions: int = 1
    trouble: str = ""


def shown(asked: PageAsked[EventsPageQuestion]) -> EventsShown:
    """The events that are asked for. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    question, limits, time = asked.question, asked.context.limits, in_time(asked)
    filters = filters_in(question.where)
    wanted: dict[str, Any] = {"metric": question.metric}
    if question.verdict is not None:
        wanted["verdict"] = (question.verdict,)
    answer, partitions, trouble = None, 1, ""
    try:
        answer = events_page(
            asked.installation,
            EventsQuestion(
                equals=filters,
                order="desc",
                limit=_LISTED,
                cursor=question.cursor,
                **wanted,
                **time,
            ),
            Effort(limits.events_bytes, limits.slice_bytes),
        )
        assert asked.installation.log is not None
        partitions = len(asked.installation.log.partitions())
    except LogUnavailable as error:
        trouble = f"{error}. {error.hint}."
    except NotThere as error:
        if asked.installation.log is not None:
            raise
        trouble = f"{error}. {error.hint}."
    asked_for = {**from_to(time), "metric": question.metric, "verdict": question.verdict}
    pairs = [(name, text) for name, text in asked_for.items() if text is not None]
    return EventsShown(
        items=[] if answer is None else [found_event(asked, each) for each in answer.items],
        answer=answer,
        tabs=_tabs(asked),
        chosen=_chosen(asked),
        back=None if question.back is None else own_address(question.back),
        api=written(_API, [*pairs, *as_pairs(filters), ("order", "desc")]),
        partitions=partitions,
        trouble=trouble,
    )


def _tabs(asked: PageAsked[EventsPageQuestion]) -> list[Tab]:
    verdict = asked.question.verdict
    return [
        Tab(title, asked.address.but(verdict=name, cursor=None), name == verdict)
        for name, title in _VERDICTS
    ]


def _chosen(asked: PageAsked[EventsPageQuestion]) -> list[Chosen]:
    question, address = asked.question, asked.address
    found = [
        Chosen(f"{name} = {text}", address.without("where", where))
        for where in dict.fromkeys(question.where)
        for name, _, text in [where.partition("=")]
    ]
    if question.metric is not None:
        words = f"looked at by {question.metric}"
        found.append(Chosen(words, address.but(metric=None, cursor=None)))
    return found


PAGE = DashboardPage(
    title="Events",
    paths=(EVENTS,),
    template="events.html",
    shown=shown,
    asked=Asked(EventsPageQuestion),
    default_period_ms=DAY_MS,
)
"""What stands at `/events`."""
