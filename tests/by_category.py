"""Metrics by the category of products, and naively what they come to: event by event, update by
update."""

import random
from collections import defaultdict

from rtcdp.answers.instant import iso_ms
from rtcdp.definitions import (
    Average,
    Calendar,
    Count,
    Distinct,
    Maximum,
    Metric,
    Product,
    Sum,
    TopK,
    Window,
    event_type,
    sliding,
    tumbling,
)
from rtcdp.testing.driver import START_MS

BY = (Product("category"),)
MEASURES = (
    Count("n"),
    Sum("total"),
    Average("mean"),
    Maximum("most"),
    Distinct("users", "userId"),
    TopK("best", "userId", k=9),
)


def metric(name: str, window: Window | Calendar, *others: str) -> Metric:
    return Metric(name, name, window, MEASURES, (*BY, *others), event_type("PURCHASE"))  # type: ignore[arg-type]


METRICS = (
    metric("by_minute", tumbling(minutes=1)),
    metric("written_out", sliding(size_seconds=60, every_seconds=30)),
    metric("from_panes", sliding(size_seconds=60, every_seconds=10), "userId"),
    metric("by_day", Calendar("day", "Asia/Kathmandu"), "productId"),
)


def starts_of(window: Window | Calendar, at: int) -> list[int]:
    if isinstance(window, Calendar):
        kathmandu, day = 20_700_000, 86_400_000
        return [(at + kathmandu) // day * day - kathmandu]
    newest = at // window.slide_ms * window.slide_ms
    return list(range(newest, at - window.size_ms, -window.slide_ms))


def naive(metric: Metric, events: list[dict], updates: list[dict]) -> dict[tuple, dict]:
    """Event by event: the category that was said last of the last beginning before it."""
    found: dict[tuple, list[dict]] = defaultdict(list)
    for event in events:
        if event["eventType"] != "PURCHASE" or event["productId"] is None:
            continue
        of_it = [
            (update["validFrom"], number, update["category"])
            for number, update in enumerate(updates)
            if update["productId"] == event["productId"]
            and update["validFrom"] <= event["timestamp"]
        ]
        category = max(of_it)[2] if of_it else None
        others = [event[name] for name in metric.key_names[1:]]
        for start in starts_of(metric.window, event["timestamp"]):
            found[(iso_ms(start), category or "(unknown)", *others)].append(event)
    return {place: measured(events) for place, events in found.items()}


def measured(events: list[dict]) -> dict:
    values = [event["value"] for event in events]
    users = [event["userId"] for event in events]
    best = sorted((-users.count(user), user) for user in set(users))
    return {
        "n": len(events),
        "total": round(sum(values), 6),
        "mean": sum(values) / len(values),
        "most": max(values),
        "users": len(set(users)),
        "best": [{"userId": user, "count": -count} for count, user in best],
    }


def by_place(metric: Metric, items: list[dict[str, object]]) -> dict[tuple, dict]:
    """Windows by their start and key."""
    return {
        (item["window_start"], *(item[name] for name in metric.key_names)): {
            measure.name: item[measure.name] for measure in MEASURES
        }
        for item in items
    }


def traffic(chance: random.Random) -> tuple[list[dict], list[dict]]:
    """Some events, and some updates of their products, in any order of time."""
    span = chance.choice([3_000, 150_000])
    events = [
        {
            "eventId": f"e{number}",
            "userId": chance.choice("uvw"),
            "eventType": chance.choice(["PURCHASE", "PURCHASE", "PAGE_VIEW"]),
            "productId": chance.choice(["p", "q", "r", None]),
            "timestamp": START_MS - chance.randrange(span),
            "value": chance.randrange(100) / 4,
        }
        for number in range(60)
    ]
    times = [event["timestamp"] + chance.choice([-1, 0, 0, 1, 40_000]) for event in events]
    updates = [
        {
            "productId": chance.choice("pq"),
            "category": chance.choice(["A", "B", None]),
            "validFrom": chance.choice(times),
        }
        for _ in range(chance.randrange(12))
    ]
    return events, updates
