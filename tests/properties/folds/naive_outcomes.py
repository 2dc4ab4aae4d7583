"""What came of recommendations, on paper. Shares no code with the product's."""

import math
import re

from rtcdp.definitions import holds

NAME = re.compile("(user|product|basket)-(recommended|held_out)-([0-9]{13})-[0-9a-f]{16}")


def rows_of(events, step):
    """(user, when, name, kind, audience, first shown, clicks, first clicked, bought, revenue,
    bought after, revenue after) of each recommendation; revenue in millionths."""
    found = {}
    for user in {event["userId"] for event in events}:
        story = [(event, given(event, step)) for event in events if event["userId"] == user]
        for event, name in story:
            if name is not None:
                row = found.setdefault((user, name), [None, 0, None, 0, 0, 0, 0])
                now = event["timestamp"]
                if holds(step.bought, event):
                    pass
                elif holds(step.shown_by, event):
                    row[0] = now if row[0] is None else min(row[0], now)
                else:
                    row[1] += 1
                    row[2] = now if row[2] is None else min(row[2], now)
        for event, name in story:
            if holds(step.bought, event):
                clicked = None if event["productId"] is None else event["productId"]
                for place, credited in (
                    (3, name or last(story, event, step, clicked, is_click=True)),
                    (5, name or last(story, event, step, None, is_click=False)),
                ):
                    if credited is not None:
                        found[user, credited][place] += 1
                        found[user, credited][place + 1] += millionths(event["value"])
    return sorted(
        (
            (user, at(name), name, *NAME.fullmatch(name).group(1, 2), *row)
            for (user, name), row in found.items()
        ),
        key=str,
    )


def last(story, purchase, step, product, *, is_click):
    """What was named last before a purchase, by a click on its product or by anything."""
    if is_click and product is None:
        return None
    now = purchase["timestamp"]
    before = [
        (event["timestamp"], at(name), name)
        for event, name in story
        if name is not None
        and event["timestamp"] <= now
        and not holds(step.bought, event)
        and (not is_click or (event["productId"] == product and not holds(step.shown_by, event)))
    ]
    if not before:
        return None
    _, given_at, name = max(before)
    return name if now - given_at <= step.within_ms else None


def given(event, step):
    """The recommendation that an event names in time."""
    name = event.get("property:recommendationId") or event.get("recommendationId") or ""
    if NAME.fullmatch(name) is None:
        return None
    return name if -step.early_ms <= event["timestamp"] - at(name) <= step.within_ms else None


def at(name):
    return int(name.split("-")[2])


def millionths(value):
    if value is None:
        return 0
    whole = math.floor(value)
    return whole * 1_000_000 + math.floor((value - whole) * 1_000_000 + 0.5)


def in_words(rows, step):
    return sorted(
        (
            (
                row["userId"],
                row["counted_from"] + step.early_ms,
                row["recommendation_id"],
                row["kind"],
                row["audience"],
                row["shown_at"],
                row["click_count"],
                row["clicked_at"],
                *(
                    part
                    for suffix in ("", "_after")
                    for part in (
                        row[f"purchase_count{suffix}"],
                        row[f"revenue{suffix}_units"] * 1_000_000 + row[f"revenue{suffix}_micros"],
                    )
                ),
            )
            for row in rows
        ),
        key=str,
    )
