"""Products of sessions on paper. Shares no code with the product's."""

import json

from rtcdp.definitions import holds
from tests.properties.folds.naive_sessions import visits


def rows_of(events, step):
    """(user, started at, products, deeds, how many are left out) of each session that has any."""
    found = []
    named = [e for e in events if e["productId"] is not None and holds(step.events, e)]
    for user in {event["userId"] for event in named}:
        story = sorted((e for e in named if e["userId"] == user), key=place)
        for visit in visits(story, None, step.sessions):
            products, deeds = [], []
            for event in visit:
                if not products or products[-1] != event["productId"]:
                    products.append(event["productId"])
                    deeds.append(set())
                deeds[-1].add(deed(event, step))
            told = "".join("b" if "b" in each else "c" if "c" in each else "s" for each in deeds)
            more = max(0, len(products) - step.products_max)
            kept = json.loads(json.dumps(products[more:]))
            found.append((user, visit[0]["timestamp"], kept, told[more:], more))
    return sorted(found)


def place(event):
    return event["timestamp"], event["eventId"] or "", event["productId"]


def deed(event, step):
    return "b" if holds(step.bought, event) else "c" if holds(step.cart, event) else "s"


def in_words(rows):
    found = []
    for row in rows:
        products = json.loads(row["products"])
        assert len(products) == len(row["deeds"]) == row["length"]
        found.append((row["userId"], row["started_at"], products, row["deeds"], row["left_out"]))
    return sorted(found)
