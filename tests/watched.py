"""Six days of a shop, hour by hour: page views with a rise, and purchases with a drop."""

import numpy as np

from rtcdp.definitions import Alarms, Average, Calendar, Count, Metric, Sum, sliding, tumbling
from rtcdp.testing.driver import Driver

HOUR = 3_600_000
START = 1_767_225_600_000
"""2026-01-01T00:00:00Z"""
HOURS = 6 * 24
RISE, DROP = 4 * 24 + 3, 5 * 24 + 15

HOURLY = Metric(
    name="hourly",
    title="Events of each type",
    key=("eventType",),
    window=tumbling(hours=1),
    measures=(Average("average"), Count("event_count"), Sum("sum_of_values")),
    alarms=Alarms(min_difference=10.0),
)
SLIDING = Metric(
    name="sliding_hours",
    title="The same in windows that overlap",
    window=sliding(size_seconds=3_600, every_seconds=600),
    measures=(Count("event_count"),),
)
DAILY = Metric(
    name="daily",
    title="By days",
    window=Calendar("day", "Europe/Berlin"),
    measures=(Count("event_count"),),
)
AVERAGES = Metric(
    name="averages",
    title="Nothing that adds up",
    window=tumbling(hours=1),
    measures=(Average("average"),),
)
METRICS = (HOURLY, SLIDING, DAILY, AVERAGES)


def events_in(hour: int, event_type: str, count: int) -> list[dict[str, object]]:
    """That many events, one a second."""
    return [
        {
            "userId": f"u{number}",
            "eventType": event_type,
            "timestamp": START + hour * HOUR + number * 1_000,
            "value": 1,
        }
        for number in range(count)
    ]


def watched(driver: Driver) -> Driver:
    """The same driver a few minutes after these days, with all of them counted."""
    driver.advance(seconds=(START + HOURS * HOUR + 410_000 - driver.now_ms) / 1000)
    chance = np.random.default_rng(3)
    events = []
    for hour in range(HOURS):
        factor = 3 if hour == RISE else 1
        events += events_in(hour, "PAGE_VIEW", factor * int(chance.poisson(60)))
        events += events_in(hour, "PURCHASE", 0 if hour == DROP else int(chance.poisson(50)))
    driver.feed(*events, intake="import")
    driver.feed(*events_in(HOURS, "PAGE_VIEW", 3))
    driver.process()
    return driver
