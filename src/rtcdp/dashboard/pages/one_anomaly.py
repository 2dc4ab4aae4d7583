"""One anomaly: what led up to it, how far off it is, the events behind it, and who has seen it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from markupsafe import Markup

from rtcdp.answers.anomalies import ANOMALIES_PATH, AnomalyPage, anomaly_page
from rtcdp.answers.drill_down import Effort
from rtcdp.answers.events import EventsPage, EventsQuestion, events_page
from rtcdp.answers.freshness import Installation
from rtcdp.answers.one_state import one_state
from rtcdp.answers.question import NAMES, Cursor
from rtcdp.api.query import Asked
from rtcdp.clock import DAY_MS
from rtcdp.dashboard.address import segment
from rtcdp.dashboard.drawing.band import BandPoint, band
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.pages.anomalies import PATH, subject_of
from rtcdp.dashboard.stories import EventShown, event_shown, instant_of
from rtcdp.dashboard.zone import PageZone
from rtcdp.errors import NotThere
from rtcdp.log.contract import LogUnavailable

_LISTED = 25


class AnomalyPageQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """Which of the events behind it."""

    cursor: Cursor = None


@dataclass(frozen=True)
class PointShown:
    """One window of the series."""

    start: int | None
    observed: float
    expected: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class OneAnomalyShown:
    """An anomaly within its series, with events behind it; `no_events` says why there are none."""

    answer: AnomalyPage
    subject: str
    start: int | None
    end: int | None
    drawing: Markup
    points: Sequence[PointShown]
    events: EventsPage | None
    event_items: Sequence[tuple[str, EventShown]]
    no_events: str
    seen_at: int | None
    acknowledge_url: str
    all_href: str
    api: str


def shown(asked: PageAsked[AnomalyPageQuestion]) -> OneAnomalyShown:
    """The anomaly in the path. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    anomaly_id = asked.in_path("anomalyId") or ""
    with one_state(asked.installation) as still:
        answer = anomaly_page(still, anomaly_id)
        events, no_events = _events(asked, still, answer)
    anomaly = answer.anomaly
    points = [
        PointShown(instant_of(each.window_start), each.observed, each.expected, each.low, each.high)
        for each in answer.series
    ]
    acknowledged = anomaly.acknowledged
    return OneAnomalyShown(
        answer=answer,
        subject=subject_of(anomaly),
        start=instant_of(anomaly.window_start),
        end=instant_of(anomaly.window_end),
        drawing=band(_drawn(asked.zone, points), marked=len(points) - 1),
        points=points[::-1],
        events=events,
        event_items=[] if events is None else [_event(each.event) for each in events.items],
        no_events=no_events,
        seen_at=instant_of(acknowledged.at) if acknowledged else None,
        acknowledge_url=f"{ANOMALIES_PATH}/{segment(anomaly_id)}/acknowledgement",
        all_href=asked.address.elsewhere(PATH),
        api=f"{ANOMALIES_PATH}/{segment(anomaly_id)}",
    )


def _drawn(zone: PageZone, points: Sequence[PointShown]) -> list[BandPoint]:
    starts = [each.start for each in points if each.start is not None]
    is_long = bool(starts) and starts[-1] - starts[0] > DAY_MS
    return [
        BandPoint(
            ""
            if each.start is None
            else f"{zone.day(each.start)}, {zone.minute(each.start)}"
            if is_long
            else zone.minute(each.start),
            each.observed,
            each.expected,
            each.low,
            each.high,
        )
        for each in points
    ]


def _events(
    asked: PageAsked[AnomalyPageQuestion], still: Installation, answer: AnomalyPage
) -> tuple[EventsPage | None, str]:
    """The admitted events of its window, or why they can't be told."""
    anomaly = answer.anomaly
    question = EventsQuestion(
        metric=anomaly.metric,
        measure=anomaly.measure,
        window_start=instant_of(anomaly.window_start),
        equals={name: (text,) for name, text in anomaly.key.items()},
        verdict=("admitted",),
        limit=_LISTED,
        cursor=asked.question.cursor,
    )
    limits = asked.context.limits
    try:
        effort = Effort(limits.events_bytes, limits.slice_bytes)
        return events_page(still, question, effort), ""
    except (NotThere, LogUnavailable) as error:
        return None, str(error)


def _event(raw: msgspec.Raw) -> tuple[str, EventShown]:
    """An event as it was sent, and whose it is."""
    event: dict[str, Any] = msgspec.json.decode(raw)
    return str(event.get("userId")), event_shown(event)


PAGE = DashboardPage(
    title="Anomaly",
    paths=(f"{PATH}/{{anomalyId:str}}",),
    template="one_anomaly.html",
    shown=shown,
    asked=Asked(AnomalyPageQuestion),
    has_period=False,
)
"""What stands at `/anomalies/ID`."""
