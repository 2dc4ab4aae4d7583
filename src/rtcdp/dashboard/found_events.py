"""Events as the log has them, with what became of each: how pages show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from rtcdp.answers.drill_down import ADMITTED
from rtcdp.answers.events import EventFound
from rtcdp.answers.instant import read_instant
from rtcdp.dashboard.page import PageAsked
from rtcdp.dashboard.stories import user_href
from rtcdp.errors import BadRequest
from rtcdp.words import NOTHING, measured

_FIELDS = ("productId", "pageUrl", "value", "sessionId")


@dataclass(frozen=True)
class FoundEvent:
    """One event: what became of it, and what it says."""

    received_at: int
    at: int | None
    user: str | None
    user_href: str | None
    type: str
    fields: Sequence[tuple[str, str]]
    verdict: str
    is_counted: bool
    why: str


def found_event(asked: PageAsked[Any], found: EventFound) -> FoundEvent:
    """A record that a drill-down found. What it says may be anything: nobody has checked it."""
    event: Mapping[str, Any] = msgspec.json.decode(found.event) or {}
    user, said = event.get("userId"), [found.reason, found.message]
    return FoundEvent(
        received_at=read_instant("received_at", found.received_at),
        at=_instant(event.get("timestamp")),
        user=user if isinstance(user, str) else None,
        user_href=user_href(asked, "userId", user) if isinstance(user, str) and user else None,
        type=str(event.get("eventType", NOTHING)),
        fields=[(name, written(event[name])) for name in _FIELDS if event.get(name) is not None],
        verdict=found.verdict.replace("_", " "),
        is_counted=found.verdict == ADMITTED,
        why=": ".join(text for text in said if text),
    )


def written(value: object) -> str:
    """A field of an event in words: numbers are amounts, however they were sent, and what no event
    should hold there is the JSON that it is."""
    match value:
        case bool() | list() | dict():
            return msgspec.json.encode(value).decode()
        case int():
            # Of any length, so that there need not be a float like it.
            return f"{value:,}.00"
        case _:
            return measured(value)


def _instant(sent: object) -> int | None:
    """When the event says that it happened, which may be written in several ways."""
    if isinstance(sent, bool) or not isinstance(sent, int | str):
        return None
    try:
        return read_instant("timestamp", str(sent))
    except BadRequest:
        return None
