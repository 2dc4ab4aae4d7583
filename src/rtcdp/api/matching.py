"""Which events a reader means, one event at a time, in plain Python: for drilling down, not for
the hot path. Says the same as the engines' columnar predicates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import ge, gt, le, lt

from rtcdp.events.event import CustomerActivityEvent
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.predicate import (
    AllOf,
    AnyOf,
    Compare,
    Comparison,
    Equals,
    Everything,
    Negation,
    OneOf,
    Predicate,
    Present,
)

_COMPARE: Mapping[Comparison, Callable[[float, float], bool]] = {
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}


@dataclass(frozen=True)
class Wish:
    """Events with these text fields and an event time in [`time_from`, `time_to`) (UTC ms).

    With a `metric`, only those that it counts: its predicate holds and every key field is there.
    """

    equals: Mapping[str, str] = field(default_factory=dict)
    time_from: int | None = None
    time_to: int | None = None
    metric: Metric | None = None


def is_wished(wish: Wish, event: CustomerActivityEvent, source: str) -> bool:
    """Whether the event, which came from `source`, is one of the wished ones."""
    if wish.time_from is not None and event.timestamp_ms < wish.time_from:
        return False
    if wish.time_to is not None and event.timestamp_ms >= wish.time_to:
        return False
    fields = text_fields(event, source)
    if any(fields[name] != text for name, text in wish.equals.items()):
        return False
    metric = wish.metric
    if metric is None:
        return True
    return all(fields[name] is not None for name in metric.key) and holds(
        metric.predicate, fields, event.value
    )


def text_fields(event: CustomerActivityEvent, source: str) -> dict[str, str | None]:
    """The event's text fields by their name on the wire."""
    return {
        "userId": event.user_id,
        "sessionId": event.session_id,
        "eventType": event.event_type,
        "productId": event.product_id,
        "pageUrl": event.page_url,
        "source": source,
    }


def holds(predicate: Predicate, fields: Mapping[str, str | None], value: float | None) -> bool:
    """Two-valued: a comparison with an absent field is false, and so its negation is true."""
    match predicate:
        case Everything():
            return True
        case Equals(name, text):
            return fields[name] == text
        case OneOf(name, texts):
            return fields[name] in texts
        case Present("value"):
            return value is not None
        case Present(name):
            return fields[name] is not None
        case Compare(_, comparison, limit):
            return value is not None and _COMPARE[comparison](value, limit)
        case AllOf(parts):
            return all(holds(part, fields, value) for part in parts)
        case AnyOf(parts):
            return any(holds(part, fields, value) for part in parts)
        case Negation(part):
            return not holds(part, fields, value)
