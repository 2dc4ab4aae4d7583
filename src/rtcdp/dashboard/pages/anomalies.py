"""What is out of the ordinary, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from rtcdp.answers.anomalies import (
    ANOMALIES_PATH,
    AnomaliesPage,
    AnomaliesQuestion,
    Anomaly,
    anomalies_page,
)
from rtcdp.answers.question import NAMES, Cursor
from rtcdp.api.query import Asked
from rtcdp.clock import DAY_MS
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.stories import api_address, from_to, in_time, instant_of

PATH = "/anomalies"
_LISTED = 50


class AnomaliesPageQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """Which anomalies."""

    metric: Annotated[
        str | None, msgspec.Meta(description="of this metric; else of all that are watched")
    ] = None
    direction: Annotated[
        Literal["up", "down", "both"], msgspec.Meta(description="rises, drops or both")
    ] = "both"
    acknowledged: Annotated[
        Literal["true", "false"] | None,
        msgspec.Meta(description="only those that somebody has seen, or that nobody has"),
    ] = None
    cursor: Cursor = None


@dataclass(frozen=True)
class AnomalyRow:
    """One anomaly in the list."""

    anomaly: Anomaly
    subject: str
    href: str
    start: int | None
    end: int | None


@dataclass(frozen=True)
class AnomaliesShown:
    """Anomalies, newest first, and the metrics that may be asked for."""

    answer: AnomaliesPage
    items: Sequence[AnomalyRow]
    metrics: Sequence[str]
    is_filtered: bool
    api: str


def subject_of(anomaly: Anomaly) -> str:
    """What an anomaly is of: the metric, and its key."""
    key = ", ".join(anomaly.key.values())
    return f"{anomaly.metric} · {key}" if key else anomaly.metric


def shown(asked: PageAsked[AnomaliesPageQuestion]) -> AnomaliesShown:
    """The anomalies that are asked for. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    question, time = asked.question, in_time(asked)
    answer = anomalies_page(
        asked.installation,
        AnomaliesQuestion(
            metric=question.metric,
            direction=question.direction,
            acknowledged=question.acknowledged,
            limit=_LISTED,
            cursor=question.cursor,
            **time,
        ),
    )
    direction = None if question.direction == "both" else question.direction
    filters = {
        "metric": question.metric,
        "direction": direction,
        "acknowledged": question.acknowledged,
    }
    return AnomaliesShown(
        answer=answer,
        items=[
            AnomalyRow(
                each,
                subject_of(each),
                asked.address.elsewhere(f"{PATH}/{each.id}"),
                instant_of(each.window_start),
                instant_of(each.window_end),
            )
            for each in answer.items
        ],
        metrics=[each.name for each in asked.installation.metrics],
        is_filtered=any(value is not None for value in filters.values()),
        api=api_address(ANOMALIES_PATH, {**filters, **from_to(time)}),
    )


PAGE = DashboardPage(
    title="Anomalies",
    paths=(PATH,),
    template="anomalies.html",
    shown=shown,
    asked=Asked(AnomaliesPageQuestion),
    default_period_ms=7 * DAY_MS,
)
"""What stands at `/anomalies`."""
