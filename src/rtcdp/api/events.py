"""Drill-down: the events behind a number, and those that were not counted, with the reasons."""

from typing import Any, cast

import msgspec
from litestar import Request, Response, get
from litestar.openapi.spec import OpenAPIType, Schema

from rtcdp.admission.verdicts import VERDICTS
from rtcdp.answers.cursor import OFFSET, PARTITION, Shape, write_cursor
from rtcdp.answers.drill_down import UNKNOWN, Effort, EventQuery, Judged, Place, Wish, read_events
from rtcdp.answers.freshness import open_reading
from rtcdp.answers.instant import iso_ms
from rtcdp.api.context import ApiContext, Context, answer
from rtcdp.api.metric_windows import find_metric
from rtcdp.api.parameter import (
    CURSOR,
    FROM,
    SINCE,
    TO,
    QueryParameter,
    documented,
    instant,
    limit,
    text,
    words,
)
from rtcdp.api.query import TEXT_FIELDS, Query, read_query
from rtcdp.errors import BadRequest, NotThere
from rtcdp.log.contract import LogUnavailable

_DEFAULT_PAGE = 100
_MAX_PAGE = 1000
_ORDERS = ("asc", "desc")
_PARAMETERS = (
    *(text(name, f"events with this {name}") for name in TEXT_FIELDS),
    QueryParameter("metric", "events that this metric looks at", Schema(type=OpenAPIType.STRING)),
    instant("window_start", "with `metric`: events of the window that starts then"),
    words("verdict", "what became of them", (*VERDICTS, UNKNOWN), is_many=True),
    FROM,
    SINCE,
    TO,
    words("order", "from the beginning of the log on, or backwards from its end", _ORDERS),
    limit(_DEFAULT_PAGE, _MAX_PAGE),
    CURSOR,
)
_FORWARDS = (PARTITION, OFFSET)
_BACKWARDS: tuple[Shape, ...] = ("desc", PARTITION, OFFSET)


class EventFound(msgspec.Struct):
    """One record of the log. `event` is it as it was sent; null where it is no event (its bytes
    are among the dead letters). `reason` and `message` say why it was not counted. The verdict is
    `unknown` where retention has deleted what the store knew of uncounted records: it may have been
    admitted, late or a duplicate."""

    partition: int
    offset: int
    received_at: str
    source: str
    intake: str
    verdict: str
    reason: str | None
    message: str | None
    event: msgspec.Raw


class EventsPage(msgspec.Struct, omit_defaults=True):
    """Events in the order of the log, or backwards. A page may hold few or none and still have a
    `next_cursor`: a request reads a bounded stretch of the log. `log_trimmed` says that older
    records which were counted are no longer kept, so that events may be missing here."""

    items: list[EventFound]
    next_cursor: str | None
    log_trimmed: bool
    as_of: str | None
    lag_ms: int | None
    warning: str | None = None


@get(
    "/api/events",
    summary="The events behind a number",
    description="Ask with `metric`, `window_start` and the key fields of a window for exactly the "
    "events in it, and for those that were not counted, with the reasons. `from` and `to` are "
    "event times. `order=desc` begins with what came last.",
    operation_class=documented(*_PARAMETERS),
    sync_to_thread=True,
)
def events(request: Request[Any, Any, Any], context: Context) -> Response[EventsPage]:
    query = read_query(request, _PARAMETERS)
    if context.installation.log is None:
        raise NotThere("this server has no log to look into", "ask the one that runs with --log")
    newest_first = query.one_of("order", _ORDERS) == "desc"
    start = query.cursor(_BACKWARDS if newest_first else _FORWARDS)
    wanted = EventQuery(
        wish=_wish(context, query),
        verdict=query.some_of("verdict", (*VERDICTS, UNKNOWN)),
        start=None if start is None else cast("Place", start[-2:]),
        limit=query.number("limit", default=_DEFAULT_PAGE, most=_MAX_PAGE),
        newest_first=newest_first,
    )
    with open_reading(context.installation) as reading:
        if reading.freshness.warning is not None:
            # Of another log it would tell verdicts that are none of its records.
            raise LogUnavailable(reading.freshness.warning, "bring the log back, then ask again")
        effort = Effort(context.limits.events_bytes, context.limits.slice_bytes)
        page = read_events(context.installation.log, reading.snapshot, wanted, effort)
    fresh = reading.freshness
    found = EventsPage(
        items=[_shown(item) for item in page.items],
        next_cursor=_cursor(page.after, newest_first),
        log_trimmed=page.is_trimmed,
        as_of=fresh.as_of_text,
        lag_ms=fresh.lag_ms,
        warning=fresh.warning,
    )
    return answer(found, fresh)


def _cursor(after: Place | None, newest_first: bool) -> str | None:
    if after is None:
        return None
    return write_cursor(("desc", *after) if newest_first else after)


def _wish(context: ApiContext, query: Query) -> Wish:
    name, start = query.text("metric"), query.instant("window_start")
    metric = None if name is None else find_metric(context.installation.metrics, name)
    time_from, time_to = query.start(context.installation.clock.now_ms), query.instant("to")
    if start is not None:
        if metric is None:
            raise BadRequest("window_start needs a metric", "send metric=NAME with it")
        window = metric.window
        if start % window.slide_ms:
            raise BadRequest(
                f"no window of {metric.name} starts at {iso_ms(start)}",
                f"send a multiple of {window.slide_ms} ms since 1970",
            )
        end = start + window.size_ms
        time_from = start if time_from is None else max(start, time_from)
        time_to = end if time_to is None else min(end, time_to)
    return Wish(query.equals(), time_from, time_to, metric)


def _shown(found: Judged) -> EventFound:
    record = found.record
    return EventFound(
        partition=record.partition,
        offset=record.offset,
        received_at=iso_ms(record.received_at),
        source=record.source,
        intake=record.intake,
        verdict=found.verdict,
        reason=found.reason,
        message=found.message,
        event=msgspec.Raw(b"null" if found.event is None else record.raw),
    )
