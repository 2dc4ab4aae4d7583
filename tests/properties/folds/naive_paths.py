"""Paths on paper. Shares no code with the product's."""

import json
from collections import defaultdict

from rtcdp.definitions import holds
from tests.properties.folds.naive_sessions import visits


def rows_of(events, paths):
    """(user, started at, path, whether it was cut) of each unit that has one."""
    units = defaultdict(list)
    for user in {event["userId"] for event in events}:
        story = sorted(
            (e for e in events if e["userId"] == user), key=lambda e: place(e, paths.node)
        )
        if paths.by == "user":
            units[user, None] = story
            continue
        for visit in visits(story, None, paths.sessions):
            units[user, visit[0]["timestamp"]] = visit
    found = []
    for (user, start), story in units.items():
        chosen = [e for e in story if holds(paths.events, e) and e[paths.node] is not None]
        way, is_cut = way_of(anchored(chosen, paths), paths)
        if way:
            found.append((user, chosen[0]["timestamp"] if start is None else start, way, is_cut))
    return sorted(found)


def place(event, node):
    return event["timestamp"], event["eventId"] or "", event[node] or ""


def anchored(story, paths):
    if paths.from_event is not None:
        while story and not holds(paths.from_event, story[0]):
            story = story[1:]
    if paths.to_event is None:
        return story
    ends = [n for n, event in enumerate(story) if holds(paths.to_event, event)]
    if paths.from_event is not None:
        ends = [n for n in ends if n > 0][:1]
    return story[: ends[-1] + 1] if ends else []


def way_of(story, paths):
    nodes = []
    for event in story:
        if not (paths.collapse and nodes and nodes[-1] == event[paths.node]):
            nodes.append(event[paths.node])
    ends_there = paths.from_event is None and paths.to_event is not None
    kept = nodes[-paths.nodes_max :] if ends_there else nodes[: paths.nodes_max]
    return json.loads(json.dumps(kept)), len(nodes) > paths.nodes_max


def in_words(rows):
    found = []
    for row in rows:
        nodes = json.loads(row["path"])
        assert len(nodes) == row["length"]
        found.append((row["userId"], row["started_at"], nodes, bool(row["is_cut"])))
    return sorted(found)
