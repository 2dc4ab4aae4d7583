"""Why is this number what it is: the events behind it, and those that were not counted, with the
reasons. The time and the key that the number is of are those of the list."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, get_args

import msgspec

from rtcdp.answers.drill_down import ADMITTED, Effort
from rtcdp.answers.events import EventsPage, EventsQuestion, FoundVerdict, events_page
from rtcdp.answers.instant import read_instant
from rtcdp.answers.query import QueryPage, QueryQuestion, query_page
from rtcdp.answers.question import NAMES, Cursor, Texts
from rtcdp.api.query import Asked
from rtcdp.api.query_routes import QUERY_PATH
from rtcdp.dashboard.address import own_address, written
from rtcdp.dashboard.found_events import FoundEvent, found_event
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.stories import Tab
from rtcdp.dashboard.where import Where, as_pairs, filters_in
from rtcdp.errors import BadRequest, NotThere
from rtcdp.log.contract import LogUnavailable
from rtcdp.words import measured

PATH = "/why"
_EVENTS_PATH = "/api/events"
_PAGE = 50
_UNCOUNTED = tuple(each for each in get_args(FoundVerdict) if each != ADMITTED)


class WhyQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """Which number: the `metrics` column of the time and key fields."""

    metrics: Annotated[str | None, msgspec.Meta(description="the number, as `NAME.MEASURE`")] = None
    where: Where = ()
    verdict: Annotated[
        Literal["all", "counted", "uncounted"],
        msgspec.Meta(description="all events, those that were counted, or those that were not"),
    ] = "all"
    back: Annotated[str | None, msgspec.Meta(description="where the number stands")] = None
    cursor: Cursor = None


@dataclass(frozen=True)
class WhyShown:
    """The number, its list, and where both are told to programs."""

    title: str
    says: str
    value: str
    start: int
    end: int
    filters: Sequence[str]
    metric: str
    measure: str
    number_api: str
    answer: QueryPage
    tabs: Sequence[Tab]
    back: str | None
    events: Sequence[FoundEvent] = ()
    page: EventsPage | None = None
    counted: int = 0
    events_api: str = ""
    trouble: str = ""


def shown(asked: PageAsked[WhyQuestion]) -> WhyShown | None:
    """The number and its events; None where no number is named."""
    question = asked.question
    if question.metrics is None:
        return None
    period, filters = asked.period, filters_in(question.where)
    query = QueryQuestion(
        metrics=(question.metrics,),
        equals=filters,
        start_from=period.start,
        start_to=period.end,
        fill="zero",
    )
    answer = query_page(asked.installation, query)
    column, *others = answer.columns
    if others or column.divided_by is not None:
        raise BadRequest(
            f"{question.metrics[:100]!r} is more than one number",
            f"name one of them: metrics={column.metric}.{column.measure}",
        )
    # The time that the number is of: whole windows.
    start, end = (read_instant("from", at) for at in (answer.start_from, answer.start_to))
    value = answer.items[0][column.name] if answer.items else None
    base = WhyShown(
        title=_title(asked, column.metric),
        says=column.says,
        value=measured(value),
        start=start,
        end=end,
        filters=[f"{name} = {text}" for name, text in as_pairs(filters)],
        metric=column.metric,
        measure=column.measure,
        number_api=written(
            QUERY_PATH,
            [
                ("metrics", column.name),
                ("from", answer.start_from),
                ("to", answer.start_to),
                *as_pairs(filters),
            ],
        ),
        answer=answer,
        tabs=[
            Tab(title, asked.address.but(verdict=name, cursor=None), name == question.verdict)
            for name, title in (
                ("all", "All"),
                ("counted", "Counted"),
                ("uncounted", "Not counted"),
            )
        ],
        back=None if question.back is None else own_address(question.back),
    )
    return _with_events(asked, base, filters)


def _with_events(asked: PageAsked[WhyQuestion], base: WhyShown, filters: Texts) -> WhyShown:
    question, limits = asked.question, asked.context.limits
    verdict: Sequence[str] = {"all": (), "counted": (ADMITTED,)}.get(question.verdict, _UNCOUNTED)
    wanted = EventsQuestion(
        equals=filters,
        metric=base.metric,
        measure=base.measure,
        verdict=tuple(verdict),  # type: ignore[arg-type]
        start_from=base.start,
        start_to=base.end,
        order="desc",
        limit=_PAGE,
        cursor=question.cursor,
    )
    effort = Effort(limits.events_bytes, limits.slice_bytes)
    try:
        page = events_page(asked.installation, wanted, effort)
    except (NotThere, LogUnavailable) as error:
        return replace(base, trouble=f"{error}. {error.hint}.")
    events = [found_event(asked, found) for found in page.items]
    api = written(
        _EVENTS_PATH,
        [
            ("metric", base.metric),
            ("measure", base.measure),
            ("from", base.answer.start_from),
            ("to", base.answer.start_to),
            *as_pairs(filters),
            *(("verdict", each) for each in verdict),
            ("order", "desc"),
        ],
    )
    return replace(
        base,
        events=events,
        page=page,
        counted=sum(event.is_counted for event in events),
        events_api=api,
    )


def _title(asked: PageAsked[WhyQuestion], name: str) -> str:
    return next(metric.title for metric in asked.installation.metrics if metric.name == name)


PAGE = DashboardPage(
    title="Why",
    paths=(PATH,),
    template="why.html",
    shown=shown,
    asked=Asked(WhyQuestion),
    has_period=False,
)
