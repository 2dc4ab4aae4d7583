"""Funnels by trying every way through every story. Shares no code with the product's."""

from collections import defaultdict

from rtcdp.definitions import holds
from tests.properties.folds.naive_sessions import visits


def rows_of(events, funnel):
    """What is told of each kept attempt: who, held values, entered at, step, depth, reached at."""
    return sorted(
        (unit, *told)
        for unit, story in stories(events, funnel).items()
        for told in kept(story, funnel)
    )


def stories(events, funnel):
    units = defaultdict(list)
    for visit_start, event in visited(events, funnel):
        held = tuple(event[field] for field in funnel.hold)
        if None not in held:
            units[event["userId"], *held, visit_start].append(event)
    return units


def visited(events, funnel):
    if funnel.by != "session":
        yield from ((0, event) for event in events)
        return
    for user in {event["userId"] for event in events}:
        story = sorted((e for e in events if e["userId"] == user), key=lambda e: e["timestamp"])
        for visit in visits(story, None, funnel.sessions):
            yield from ((visit[0]["timestamp"], event) for event in visit)


def kept(story, funnel):
    attempts = every_attempt(sorted(story, key=lambda event: event["timestamp"]), funnel)
    if funnel.by == "attempt":
        return following(story, sorted(attempts), funnel)
    best = {}
    for entered, step, depth, reached in attempts:
        stretch = entered // funnel.apart_ms
        rank = (-depth, entered, step, reached)
        best[stretch] = min(best.get(stretch, rank), rank)
    return [(entered, step, -depth, reached) for depth, entered, step, reached in best.values()]


def following(story, attempts, funnel):
    """Best of each time, one after the other."""
    chosen, free_from = [], None
    for entered in sorted({attempt[0] for attempt in attempts}):
        if free_from is not None and entered < free_from:
            continue
        depth, _, reached = min(
            (-depth, step, reached) for at, step, depth, reached in attempts if at == entered
        )
        chosen.append((entered, 1, -depth, reached))
        ends = [
            event["timestamp"]
            for event in story
            if is_excluded(event, funnel) and event["timestamp"] > entered
        ]
        if funnel.within_ms is not None:
            ends.append(entered + funnel.within_ms + 1)
        if -depth == len(funnel.steps):
            ends = [reached + 1]
        if not ends:
            break
        free_from = min(ends)
    return chosen


def every_attempt(story, funnel):
    """(entered at, first step, depth, reached at): the farthest of each event and first step."""
    firsts = range(1, len(funnel.steps) + 1) if funnel.is_open else (1,)
    for event in story:
        if funnel.order_of_steps == "any":
            yield from in_any_order(event, story, funnel)
            continue
        for step in firsts:
            if fills(event, step, funnel):
                ways = list(chains([event], step, story, funnel))
                depth = max(step + len(way) - 1 for way in ways)
                ends = [way[-1]["timestamp"] for way in ways if step + len(way) - 1 == depth]
                yield event["timestamp"], step, depth, min(ends)


def chains(way, step, story, funnel):
    if funnel.order_of_steps != "strict" or is_consecutive(way, story):
        yield way
    if step == len(funnel.steps):
        return
    for event in story:
        if any(event is used for used in way) or not fills(event, step + 1, funnel):
            continue
        if may_follow(way, event, story, funnel):
            yield from chains([*way, event], step + 1, story, funnel)


def may_follow(way, event, story, funnel):
    before, now = way[-1]["timestamp"], event["timestamp"]
    if now < before:
        return False
    if funnel.step_within_ms is not None and now - before > funnel.step_within_ms:
        return False
    if funnel.within_ms is not None and now - way[0]["timestamp"] > funnel.within_ms:
        return False
    return not any(
        is_excluded(other, funnel) and before < other["timestamp"] < now for other in story
    )


def is_consecutive(way, story):
    first, last = way[0]["timestamp"], way[-1]["timestamp"]
    between = [event for event in story if first < event["timestamp"] < last]
    return all(any(event is used for used in way) for event in between)


def in_any_order(event, story, funnel):
    own, start = first_step(event, funnel), event["timestamp"]
    if own is None:
        return
    done = {}
    for other in sorted(story, key=lambda each: each["timestamp"]):
        at = other["timestamp"]
        is_over = funnel.within_ms is not None and at - start > funnel.within_ms
        ended = any(is_excluded(x, funnel) and start < x["timestamp"] < at for x in story)
        step = first_step(other, funnel)
        if at >= start and not is_over and not ended and step is not None:
            done.setdefault(step, at)
    yield start, 1, len(done), max(done.values())


def first_step(event, funnel):
    steps = range(1, len(funnel.steps) + 1)
    return next((step for step in steps if fills(event, step, funnel)), None)


def fills(event, step, funnel):
    return holds(funnel.steps[step - 1].events, event)


def is_excluded(event, funnel):
    return funnel.exclusion is not None and holds(funnel.exclusion, event)


def in_words(rows, funnel):
    held = funnel.hold
    return sorted(
        (
            (row["userId"], *(row[field] for field in held), row.get("session_start", 0)),
            row["entered_at"],
            row["entered_step"],
            row["depth"],
            row[f"at_{row['depth']}"],
        )
        for row in rows
    )
