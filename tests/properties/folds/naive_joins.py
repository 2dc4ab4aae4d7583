"""Joins on paper. Shares no code with the product's."""

from collections import defaultdict

from rtcdp.definitions import holds


def rows_of(events, join):
    """(user, left at, values of `on`, number, left value, right at, right value) of each left
    event."""
    stacks, found, at_once = defaultdict(list), [], defaultdict(int)
    for event in sorted(events, key=lambda e: place(e, join)):
        unit = (event["userId"], *(event[field] for field in join.on))
        if None in unit:
            continue
        if holds(join.left, event):
            start = (unit[0], event["timestamp"], *unit[1:])
            row = [*start, at_once[start], event["value"], None, None]
            at_once[start] += 1
            stacks[unit].append(row)
            found.append(row)
        elif holds(join.right, event) and stacks[unit]:
            nearest = stacks[unit][-1]
            if event["timestamp"] - nearest[1] <= join.within_ms:
                stacks[unit].pop()[-2:] = [event["timestamp"], event["value"]]
    return sorted(map(tuple, found), key=str)


def place(event, join):
    value = event["value"]
    return (
        event["timestamp"],
        not holds(join.left, event),
        event["eventId"] or "",
        value is not None,
        value or 0,
    )


def in_words(rows, join):
    names = ("userId", "left_at", *join.on, "number", "left_value", "right_at", "right_value")
    return sorted((tuple(row[name] for name in names) for row in rows), key=str)
