"""Drill-down: the events behind a number, and those that were not counted, with the reasons."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, cast, get_args

import msgspec

from rtcdp.admission.verdicts import Verdict
from rtcdp.answers.cursor import OFFSET, PARTITION, Shape, read_cursor, write_cursor
from rtcdp.answers.drill_down import (
    Effort,
    EventQuery,
    Judged,
    Place,
    Wish,
    read_events,
    with_products,
)
from rtcdp.answers.freshness import FreshAnswer, Installation, open_reading
from rtcdp.answers.instant import iso_ms
from rtcdp.answers.metrics import find_metric
from rtcdp.answers.query_columns import find_value
from rtcdp.answers.question import (
    INSTANT,
    NAMES,
    Cursor,
    From,
    Limit,
    Since,
    Texts,
    To,
    beginning,
)
from rtcdp.definitions import Measure, Metric, TextField
from rtcdp.errors import BadRequest, NotThere
from rtcdp.log.contract import LogUnavailable

_FORWARDS = (PARTITION, OFFSET)
_BACKWARDS: tuple[Shape, ...] = ("desc", PARTITION, OFFSET)

FoundVerdict = Literal[Verdict, "unknown"]
"""What became of a record, as far as the store still knows."""

FILTERS = {name: f"events with this {name}" for name in get_args(TextField)}


def filters_of(metrics: Sequence[Metric]) -> dict[str, str]:
    """The fields of events, and what else `metrics` are keyed by."""
    names = (name for metric in metrics for name in metric.key_names)
    return {**{name: f"with `metric`: events with this {name}" for name in names}, **FILTERS}


"""What a question's `equals` may name."""


class EventsQuestion(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Which events of the log."""

    equals: Texts = {}
    metric: Annotated[str | None, msgspec.Meta(description="events that this metric looks at")] = (
        None
    )
    measure: Annotated[
        str | None,
        msgspec.Meta(description="with `metric`: events that this measure of it looks at"),
    ] = None
    window_start: Annotated[
        int | None,
        msgspec.Meta(
            description="with `metric`: events of the window that starts then", extra=INSTANT
        ),
    ] = None
    verdict: Annotated[
        tuple[FoundVerdict, ...],
        msgspec.Meta(description="what became of them"),
    ] = ()
    start_from: From = None
    since: Since = None
    start_to: To = None
    order: Annotated[
        Literal["asc", "desc"] | None,
        msgspec.Meta(description="from the beginning of the log on, or backwards from its end"),
    ] = None
    limit: Limit = 100
    cursor: Cursor = None


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


class EventsPage(FreshAnswer, omit_defaults=True):
    """Events in the order of the log, or backwards. A page may hold few or none and still have a
    `next_cursor`: a request reads a bounded stretch of the log. `log_trimmed` says that older
    records which were counted are no longer kept, so that events may be missing here."""

    items: list[EventFound]
    next_cursor: str | None
    log_trimmed: bool


def events_page(installation: Installation, question: EventsQuestion, effort: Effort) -> EventsPage:
    """A page of events. Raises `BadRequest`, `NotThere`, `StoreUnavailable`, and `LogUnavailable`
    where the log is not the one that was counted."""
    if installation.log is None:
        raise NotThere("this server has no log to look into", "ask the one that runs with --log")
    newest_first = question.order == "desc"
    start = read_cursor(question.cursor, _BACKWARDS if newest_first else _FORWARDS)
    wanted = EventQuery(
        wish=_wish(installation, question),
        verdict=question.verdict,
        start=None if start is None else cast("Place", start[-2:]),
        limit=question.limit,
        newest_first=newest_first,
    )
    with open_reading(installation) as reading:
        if reading.freshness.warning is not None:
            # Of another log it would tell verdicts that are none of its records.
            raise LogUnavailable(reading.freshness.warning, "bring the log back, then ask again")
        wish = with_products(wanted.wish, reading.snapshot)
        wanted = replace(wanted, wish=wish)
        page = read_events(installation.log, reading.snapshot, wanted, effort)
    return EventsPage(
        items=[_shown(item) for item in page.items],
        next_cursor=_cursor(page.after, newest_first),
        log_trimmed=page.is_trimmed,
        **reading.freshness.fields,
    )


def _cursor(after: Place | None, newest_first: bool) -> str | None:
    if after is None:
        return None
    return write_cursor(("desc", *after) if newest_first else after)


def _wish(installation: Installation, question: EventsQuestion) -> Wish:
    name, start = question.metric, question.window_start
    metric = None if name is None else find_metric(installation.metrics, name)
    time_to, now_ms = question.start_to, installation.clock.now_ms()
    time_from = beginning(question.start_from, question.since, now_ms, time_to)
    if start is not None:
        if metric is None:
            raise BadRequest("window_start needs a metric", "send metric=NAME with it")
        window = metric.window
        if not window.starts_at(start):
            raise BadRequest(
                f"no window of {metric.name} starts at {iso_ms(start)}",
                f"send {window.starts_in_words}",
            )
        end = window.end_of(start)
        time_from = start if time_from is None else max(start, time_from)
        time_to = end if time_to is None else min(end, time_to)
    known = {*FILTERS, *(() if metric is None else metric.key_names)}
    for name in question.equals:
        if name not in known:
            raise BadRequest(
                f"{name} is a part of a metric's key", "send metric=NAME of such a metric with it"
            )
    measure = _measure(metric, question.measure)
    return Wish(question.equals, time_from, time_to, metric, measure)


def _measure(metric: Metric | None, name: str | None) -> Measure | None:
    """The measure that is named."""
    if name is None:
        return None
    if metric is None:
        raise BadRequest("measure needs a metric", "send metric=NAME with it")
    return find_value(metric, name).measure


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
        event=msgspec.Raw(record.raw if found.is_event else b"null"),
    )
