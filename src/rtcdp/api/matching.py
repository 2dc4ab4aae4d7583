"""Which events a reader means, one event at a time, in plain Python: for drilling down, not for
the hot path. Says the same as the engines' columnar predicates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from rtcdp.definitions import Metric, holds
from rtcdp.events.columns import from_event
from rtcdp.events.derived import Text, text_in
from rtcdp.events.event import CustomerActivityEvent


@dataclass(frozen=True)
class Wish:
    """Events with these text fields, each equal to one text or to any of several, and an event time
    in [`time_from`, `time_to`) (UTC ms).

    With a `metric`, only those that it counts: its predicate holds and every key field is there.
    """

    equals: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    time_from: int | None = None
    time_to: int | None = None
    metric: Metric | None = None

    @property
    def texts(self) -> dict[str, tuple[str, ...]]:
        """`equals` with a tuple of texts for each field."""
        return {
            name: (wanted,) if isinstance(wanted, str) else wanted
            for name, wanted in self.equals.items()
        }


def is_wished(wish: Wish, event: CustomerActivityEvent, source: str) -> bool:
    """Whether the event, which came from `source`, is one of the wished ones."""
    if wish.time_from is not None and event.timestamp_ms < wish.time_from:
        return False
    if wish.time_to is not None and event.timestamp_ms >= wish.time_to:
        return False
    fields = {**from_event(event), "source": source}
    metric = wish.metric
    parts = {} if metric is None else dict(zip(metric.key_names, metric.key, strict=True))
    for name, texts in wish.texts.items():
        if text_in(parts.get(name, cast("Text", name)), fields) not in texts:
            return False
    if metric is None:
        return True
    has_key = all(text_in(part, fields) is not None for part in metric.key)
    return has_key and holds(metric.predicate, fields)
