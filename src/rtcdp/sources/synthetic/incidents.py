"""Incidents of a made-up past: what goes wrong or well in it, and the labels that say so.

After ten days something happens every other day, by turns: payments fail for ten minutes,
a product trends, a campaign brings people, the tracker is silent. What happens when is drawn by the
past's seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rtcdp.anomalies import Label, Touch, instant_of
from rtcdp.clock import DAY_MS, HOUR_MS, MINUTE_MS
from rtcdp.events.event import ADD_TO_CART, PAGE_VIEW, PRODUCT_VIEW, PURCHASE, SEARCH
from rtcdp.sources.synthetic.customers import Visits
from rtcdp.sources.synthetic.visits import Act, Ints, Scripts

Cause = Literal["payment outage", "trending product", "campaign", "silent tracker"]

CALM_DAYS = 10
"""So many days nothing happens: they show what is usual, by day and by hour."""

_EVERY_DAYS = 2
_TAIL_MS = 15 * MINUTE_MS
"""Visits that something has brought go on for about so long."""


@dataclass(frozen=True)
class Turn:
    """How an incident of a cause goes: between which hours of the day it begins, how long it lasts
    (minutes), and how many visits it brings for each that is there."""

    hours: tuple[int, int]
    minutes: int
    strength: float = 0.0


TURNS: dict[Cause, Turn] = {
    "payment outage": Turn((19, 22), 10),
    "trending product": Turn((9, 16), 240, strength=0.3),
    "campaign": Turn((9, 20), 60, strength=2.0),
    "silent tracker": Turn((9, 21), 30),
}
"""In their order. A payment outage stops purchases, and nobody is asked to pay later; a silent
tracker loses all events. A product that trends and a campaign bring that many visits for each that
is there."""


@dataclass(frozen=True)
class Incident:
    """What happens from `from_ms` to `to_ms` (UTC ms); `product` is the number of the one that
    trends."""

    cause: Cause
    from_ms: int
    to_ms: int
    product: int

    @property
    def strength(self) -> float:
        return TURNS[self.cause].strength

    def label(self, product_id: str) -> Label:
        """What is written of it. `product_id` is the id of its product."""
        touches, tail_ms = _touches(self.cause, product_id)
        return Label(
            cause=self.cause,
            begin=instant_of(self.from_ms),
            end=instant_of(self.to_ms + tail_ms),
            touches=touches,
        )


def incidents(
    first_day: int, days: int, products: int, random: np.random.Generator
) -> tuple[Incident, ...]:
    """What happens in `days` days from `first_day` (days after 1970-01-01), in its order, with one
    of so many products."""
    causes = list(TURNS)
    told = []
    for number, day in enumerate(range(CALM_DAYS, days, _EVERY_DAYS)):
        cause = causes[number % len(causes)]
        turn = TURNS[cause]
        first, last = (hour * HOUR_MS // MINUTE_MS for hour in turn.hours)
        minute, product = int(random.integers(first, last)), int(random.integers(products))
        from_ms = (first_day + day) * DAY_MS + minute * MINUTE_MS
        told.append(Incident(cause, from_ms, from_ms + turn.minutes * MINUTE_MS, product))
    return tuple(told)


def more_visits(
    incident: Incident, visits: Visits, users: int, scripts: Scripts, random: np.random.Generator
) -> Visits:
    """The visits of a day, and those that an incident brings besides: of the same kinds, of any of
    so many `users`; for the product that trends, or for any."""
    is_then = (visits.times_ms >= incident.from_ms) & (visits.times_ms < incident.to_ms)
    count = round(incident.strength * np.count_nonzero(is_then))
    if not count:
        return visits
    like = random.choice(np.flatnonzero(is_then), count)
    intents = visits.intents[like]
    products = visits.products[random.choice(len(visits), count)]
    if incident.cause == "trending product":
        products[:] = incident.product
    brought = Visits(
        random.integers(0, users, count, dtype=np.int32),
        random.integers(incident.from_ms, incident.to_ms, count),
        intents,
        scripts.draw(intents, random),
        products,
    )
    return visits + brought


def lost(
    incidents: Sequence[Incident], times_ms: Ints, acts: NDArray[np.int8]
) -> NDArray[np.bool_]:
    """Which events (when, and what) incidents keep from happening or from being told."""
    is_lost = np.zeros(len(times_ms), np.bool_)
    is_paid = (acts == Act.PURCHASE) | (acts == Act.THANKS)
    for incident in incidents:
        is_then = (times_ms >= incident.from_ms) & (times_ms < incident.to_ms)
        if incident.cause == "payment outage":
            is_lost |= is_then & is_paid
        elif incident.cause == "silent tracker":
            is_lost |= is_then
    return is_lost


def bot_label(from_ms: int, to_ms: int) -> Label:
    """The bot of a night: nothing new, day after day."""
    touches = (Touch(direction="up", event_type=PAGE_VIEW),)
    begin, end = instant_of(from_ms), instant_of(to_ms)
    return Label(cause="bot", begin=begin, end=end, touches=touches, recurs=True)


def _touches(cause: Cause, product_id: str) -> tuple[tuple[Touch, ...], int]:
    """What it touches, and how long after its end (ms)."""
    match cause:
        case "payment outage":
            about = {"page_url": "/thanks"}
            paid = Touch(direction="down", event_type=PURCHASE)
            return (paid, Touch(direction="down", event_type=PAGE_VIEW, **about)), 0
        case "trending product":
            of_it = [PRODUCT_VIEW, ADD_TO_CART, PURCHASE]
            trends = [
                Touch(direction="up", event_type=name, product_id=product_id) for name in of_it
            ]
            page = Touch(direction="up", event_type=PAGE_VIEW, page_url=f"/product/{product_id}")
            return (*trends, page, Touch(direction="up", event_type=SEARCH)), _TAIL_MS
        case "campaign":
            everything = [PAGE_VIEW, PRODUCT_VIEW, SEARCH, ADD_TO_CART, PURCHASE]
            return tuple(Touch(direction="up", event_type=name) for name in everything), _TAIL_MS
        case _:
            everything = [PAGE_VIEW, PRODUCT_VIEW, SEARCH, ADD_TO_CART, PURCHASE]
            return tuple(Touch(direction="down", event_type=name) for name in everything), 0
