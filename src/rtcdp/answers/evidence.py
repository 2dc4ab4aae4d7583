"""The evidence for an anomaly: the very events that its window is counted from."""

from collections.abc import Iterator

from rtcdp.answers.anomalies import anomaly_page
from rtcdp.answers.drill_down import Effort
from rtcdp.answers.events import EventFound, EventsQuestion, events_page
from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import read_instant
from rtcdp.answers.question import Texts

_PAGE = 1000


def events_behind(installation: Installation, anomaly_id: str) -> Iterator[EventFound]:
    """The admitted events of an anomaly's window and key, in the order of the log, page after page
    as they are asked for.

    Raises `NotThere` when nothing is out of the ordinary there any more, `BadRequest`,
    `StoreUnavailable`, and `LogUnavailable`.
    """
    anomaly = anomaly_page(installation, anomaly_id).anomaly
    equals: Texts = {name: (text,) for name, text in anomaly.key.items()}
    cursor: str | None = None
    while True:
        question = EventsQuestion(
            metric=anomaly.metric,
            measure=anomaly.measure,
            window_start=read_instant("window_start", anomaly.window_start),
            equals=equals,
            verdict=("admitted",),
            limit=_PAGE,
            cursor=cursor,
        )
        page = events_page(installation, question, Effort())
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return
