"""The independent judge of folds: what is told of each key's story, by the written rules alone.

Shares with the product docs/semantics.md, and no line of code. A fold is a dictionary, as
`plain_fold` makes it. Everything is tried event by event, which is slow and easy to read; whose
story is too long for that is named.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rtcdp.verify.event_values import Event, value_in
from rtcdp.verify.funnel_judge import attempts_told
from rtcdp.verify.judge import Key, holds, millionths

Plain = Mapping[str, Any]
Story = Sequence[Event]
Rows = Iterator[tuple[Key, dict[str, Any]]]

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
PERIOD_MS = {"hour": HOUR_MS, "day": DAY_MS, "week": 7 * DAY_MS}
HOUR_EVENTS_MAX = 10_000
"""Beyond that the events of an hour are counted and not told."""

STORY_EVENTS_MAX = 5_000
"""Longer stories than this are not judged."""

MEMBERS_MAX, ENGAGED_AFTER_MS = 64, 10_000
LIST_BYTES = 114_688
"""What the names of a path, or of a session's products, have together at most."""


def stories_in(events: Iterable[Event], key: str) -> tuple[dict[str, list[Event]], list[str]]:
    """The story of each key, in no order; and whose stories are too long, or too long in an hour,
    to be judged."""
    stories: defaultdict[str, list[Event]] = defaultdict(list)
    hours = Counter[tuple[str, int]]()
    for event in events:
        if event[key] is not None:
            stories[event[key]].append(event)
            hours[event[key], event["timestamp"] // HOUR_MS] += 1
    long = {who for (who, _), count in hours.items() if count > HOUR_EVENTS_MAX}
    long |= {who for who, story in stories.items() if len(story) > STORY_EVENTS_MAX}
    return {who: story for who, story in stories.items() if who not in long}, sorted(long)


def rows_of(fold: Plain, who: str, story: Story) -> dict[Key, dict[str, Any]]:
    """What is told of a story: by the key and what orders its rows (times as UTC ms), each value by
    the name that readers see. A frozen set holds all values that may stand there."""
    in_order = sorted(story, key=_place)
    return {(who, *place): values for place, values in _TOLD[fold["kind"]](fold, in_order)}


def settled_at(fold: Plain, key: Key, row: Mapping[str, Any]) -> int | None:
    """From when on (UTC ms) no event can change a row any more; None where one always can."""
    start: int = key[1]
    if fold["kind"] == "sessions":
        is_by_client = bool(row.get("client"))
        end: int = row["session_end"]
        return start + int(fold["longest_ms"]) if is_by_client else end + int(fold["gap_ms"])
    if fold["kind"] == "funnel" and fold["within_ms"] is not None:
        return start + int(fold["within_ms"]) + int(fold["apart_ms"])
    is_of_session = fold["kind"] == "paths" and fold["by"] == "session"
    if is_of_session or fold["kind"] == "products":
        return start + int(fold["sessions"]["longest_ms"] + fold["sessions"]["gap_ms"])
    if fold["kind"] == "join":
        return start + int(fold["within_ms"])
    if fold["kind"] == "outcomes":
        return start + int(fold["early_ms"] + fold["within_ms"])
    return None


def _place(event: Event) -> tuple[Any, ...]:
    return event["timestamp"], event["eventId"] or ""


def _local(time_ms: int, zone: str) -> date:
    return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(ZoneInfo(zone)).date()


def visits(story: Story, options: Plain, client: str | None = None) -> list[list[Event]]:
    """A story, or what of it has one id of the client's, cut into sessions."""
    found: list[list[Event]] = []
    campaign = None
    for event in story:
        new = event[options["campaign"]] if options["campaign"] else None
        is_over = not found or _ends_before(found[-1], event, options, client)
        is_over |= new is not None and campaign is not None and new != campaign
        if is_over:
            campaign = None
        if is_over or event["timestamp"] - found[-1][0]["timestamp"] >= options["longest_ms"]:
            found.append([])
        found[-1].append(event)
        campaign = campaign if new is None else new
    return found


def _ends_before(visit: Story, event: Event, options: Plain, client: str | None) -> bool:
    last, now, zone = visit[-1]["timestamp"], event["timestamp"], options["midnight"]
    if not client and now - last >= options["gap_ms"]:
        return True
    return zone is not None and _local(now, zone) != _local(last, zone)


def _sessions(fold: Plain, story: Story) -> Rows:
    active = [event for event in story if event["eventType"] not in fold["exclude"]]
    if fold["by"] == "client":
        for client in sorted({event["sessionId"] or "" for event in active}):
            own = [event for event in active if (event["sessionId"] or "") == client]
            for visit in visits(own, fold, client):
                yield (visit[0]["timestamp"], client), _session(fold, visit) | {"client": client}
        return
    number = Counter[int]()
    for visit in visits(active, fold):
        start = visit[0]["timestamp"]
        further = (number[start],) if fold["campaign"] else ()
        number[start] += 1
        yield (start, *further), _session(fold, visit)


def _session(fold: Plain, visit: Story) -> dict[str, Any]:
    start, end = visit[0]["timestamp"], visit[-1]["timestamp"]
    views = [event for event in visit if holds(fold["page_view"], event)]
    is_converted = any(holds(fold["conversion"], event) for event in visit)
    amounts = [event["value"] for event in visit if event["value"] is not None]
    pages = {
        name: frozenset(e["pageUrl"] for e in views if _place(e) == _place(views[at]))
        if views
        else None
        for name, at in (("entry_page", 0), ("exit_page", -1))
    }
    return {
        "session_end": end,
        "duration_ms": end - start,
        "event_count": len(visit),
        "page_view_count": len(views),
        "value": millionths(amounts) / 1_000_000,
        "converted": is_converted,
        "bounce": len(views) == 1,
        "engaged": end - start >= ENGAGED_AFTER_MS or len(views) >= 2 or is_converted,
        "product_count": _different(visit, "productId"),
        "client_count": _different(visit, "sessionId"),
        **pages,
    }


def _different(visit: Story, field: str) -> int:
    return min(MEMBERS_MAX, len({event[field] for event in visit} - {None}))


def _visits_with_all(options: Plain, story: Story) -> Iterator[tuple[int, list[Event]]]:
    """Sessions, and in them what is no activity but happened before they ended."""
    active = [event for event in story if event["eventType"] not in options["exclude"]]
    for visit in visits(active, options):
        start, end = visit[0]["timestamp"], visit[-1]["timestamp"]
        others = [
            event
            for event in story
            if event["eventType"] in options["exclude"] and start <= event["timestamp"] <= end
        ]
        yield start, sorted([*visit, *others], key=_place)


def _retention(fold: Plain, story: Story) -> Rows:
    story = sorted(story, key=lambda event: (*_place(event), holds(fold["returning"], event)))
    starts: dict[Any, int] = {}
    for number, event in enumerate(story):
        if holds(fold["start"], event):
            cohort = period_of(event["timestamp"], fold)
            starts.setdefault("all" if fold["cohort"] == "first" else cohort, number)
    returns = [n for n, event in enumerate(story) if holds(fold["returning"], event)]
    for start in starts.values():
        begun = story[start]["timestamp"]
        cohort = period_of(begun, fold)
        back = set()
        for number in returns:
            passed = story[number]["timestamp"] - begun
            if number != start and passed >= 0:
                is_calendar = fold["clock"] == "calendar"
                back.add(
                    period_of(begun + passed, fold) - cohort
                    if is_calendar
                    else passed // PERIOD_MS[fold["unit"]]
                )
        kept = {after for after in back if after < fold["periods"]}
        yield (
            (begun,),
            {
                "cohort": cohort,
                "returned": sum(2**after for after in kept),
                "last_return": max(kept, default=None),
            },
        )


def period_of(time_ms: int, fold: Plain) -> int:
    """The number of the hour, day, week or month, counted from that of 1970-01-01."""
    if fold["unit"] == "hour":
        return time_ms // HOUR_MS
    day = _local(time_ms, fold["time_zone"])
    if fold["unit"] == "month":
        return (day.year - 1970) * 12 + day.month - 1
    number = day.toordinal() - date(1970, 1, 1).toordinal()
    return (number + 4 - fold["week_start"]) // 7 if fold["unit"] == "week" else number


def _paths(fold: Plain, story: Story) -> Rows:
    node = fold["node"]
    units = [(None, story)] if fold["by"] == "user" else _visits_with_all(fold["sessions"], story)
    for start, unit in units:
        chosen = [e for e in unit if holds(fold["events"], e) and e[node] is not None]
        chosen.sort(key=lambda event: (*_place(event), event[node]))
        nodes: list[str] = []
        for event in _anchored(chosen, fold):
            if not (fold["collapse"] and nodes and nodes[-1] == event[node]):
                nodes.append(event[node])
        leads_to = fold["from_event"] is None and fold["to_event"] is not None
        most = fold["nodes_max"]
        kept = _last_that_fit(nodes[-most:]) if leads_to else _first_that_fit(nodes[:most])
        if kept:
            began = chosen[0]["timestamp"] if start is None else start
            told = {"path": kept, "length": len(kept), "cut": len(nodes) > len(kept)}
            yield (began,), told


def _first_that_fit(names: list[str]) -> list[str]:
    """As many as a list has room for, which rests as JSON."""
    left = LIST_BYTES
    for place, name in enumerate(names):
        left -= len(json.dumps(name, ensure_ascii=False).encode()) + len(",")
        if left < 0:
            return names[:place]
    return names


def _last_that_fit(names: list[str]) -> list[str]:
    return _first_that_fit(names[::-1])[::-1]


def _anchored(story: Story, fold: Plain) -> Story:
    first, last = fold["from_event"], fold["to_event"]
    if first is not None:
        begins = [n for n, event in enumerate(story) if holds(first, event)]
        story = story[begins[0] :] if begins else []
    if last is None:
        return story
    ends = [n for n, event in enumerate(story) if holds(last, event)]
    if first is not None:
        ends = [n for n in ends if n > 0][:1]
    return story[: ends[-1] + 1] if ends else []


def _products(fold: Plain, story: Story) -> Rows:
    chosen = [e for e in story if holds(fold["events"], e) and e["productId"] is not None]
    chosen.sort(key=lambda event: (*_place(event), event["productId"]))
    for visit in visits(chosen, fold["sessions"]):
        products: list[str] = []
        deeds: list[str] = []
        for event in visit:
            deed = (
                "b" if holds(fold["bought"], event) else "c" if holds(fold["cart"], event) else "s"
            )
            if products and products[-1] == event["productId"]:
                deeds[-1] = min(deeds[-1], deed)
            else:
                products.append(event["productId"])
                deeds.append(deed)
        kept = _last_that_fit(products[-fold["products_max"] :])
        told: dict[str, Any] = {"products": kept, "deeds": "".join(deeds[-len(kept) :])}
        told |= {"length": len(kept), "left_out": len(products) - len(kept)}
        yield (visit[0]["timestamp"],), told


def _funnels(fold: Plain, story: Story) -> Rows:
    units: defaultdict[Key, list[Event]] = defaultdict(list)
    by_session = fold["by"] == "session"
    of_visits = _visits_with_all(fold["sessions"], story) if by_session else [(0, story)]
    for start, unit in of_visits:
        for event in unit:
            held = tuple(event[field] for field in fold["hold"])
            if None not in held:
                units[(start, *held)].append(event)
    for place, unit in units.items():
        session = {"session_start": place[0]} if by_session else {}
        for entered, values in attempts_told(fold, unit):
            yield (entered, *place[1:]), values | session


def _joins(fold: Plain, story: Story) -> Rows:
    """Each left event, nearest to a right one first, takes it if both are still without."""
    left, right = fold["left"], fold["right"]
    groups: defaultdict[Key, list[Event]] = defaultdict(list)
    for event in story:
        on = tuple(event[field] for field in fold["on"])
        if None not in on and (holds(left, event) or holds(right, event)):
            groups[on].append(event)
    for on, group in groups.items():
        group.sort(key=lambda event: (event["timestamp"], not holds(left, event), _tie(event)))
        waiting: list[tuple[Key, dict[str, Any]]] = []
        number = Counter[int]()
        for event in group:
            now, value = event["timestamp"], event["value"]
            if holds(left, event):
                key = (now, *on, number[now])
                number[now] += 1
                waiting.append((key, _left_alone(value)))
            elif waiting and now - waiting[-1][0][0] <= fold["within_ms"]:
                key, row = waiting.pop()
                partner = {"matched": True, "right_at": now, "right_value": value}
                yield key, row | partner | {"took_ms": now - key[0]}
        yield from waiting


def _tie(event: Event) -> tuple[Any, ...]:
    value = event["value"]
    return event["eventId"] or "", value is not None, value or 0


def _left_alone(value: float | None) -> dict[str, Any]:
    partner = {"right_at": None, "right_value": None, "took_ms": None}
    return {"left_value": value, "matched": False, **partner}


def _outcomes(fold: Plain, story: Story) -> Rows:
    """Each recommendation by its name, with the purchases that hold it to be the last one."""
    named = [(event, _given(fold, event)) for event in story]
    steps: defaultdict[tuple[int, str], list[Event]] = defaultdict(list)
    led, after = defaultdict[str, list[Event]](list), defaultdict[str, list[Event]](list)
    for event, given in named:
        if given is not None:
            steps[given].append(event)
        if not holds(fold["bought"], event):
            continue
        for credits, clicked_alone in ((led, True), (after, False)):
            before = [
                (other["timestamp"], *name)
                for other, name in named
                if name is not None
                and other["timestamp"] <= event["timestamp"]
                and not holds(fold["bought"], other)
                and not (clicked_alone and holds(fold["shown_by"], other))
                and not (clicked_alone and other["productId"] != event["productId"])
            ]
            if given is None and before and not (clicked_alone and event["productId"] is None):
                _, at, name = max(before)
                if event["timestamp"] - at <= fold["within_ms"]:
                    credits[name].append(event)
            elif given is not None:
                credits[given[1]].append(event)
    for (at, name), events in steps.items():
        others = [each for each in events if not holds(fold["bought"], each)]
        shown = [each["timestamp"] for each in others if holds(fold["shown_by"], each)]
        clicks = [each["timestamp"] for each in others if not holds(fold["shown_by"], each)]
        kind, audience, *_ = name.split("-")
        yield (
            (at - fold["early_ms"], name),
            {
                "recommended_at": at,
                "kind": kind,
                "audience": audience,
                "shown_at": min(shown, default=None),
                "click_count": len(clicks),
                "clicked_at": min(clicks, default=None),
                "purchase_count": len(led[name]),
                "revenue": _spent(led[name]),
                "purchase_count_after": len(after[name]),
                "revenue_after": _spent(after[name]),
            },
        )


def _spent(purchases: Story) -> float:
    amounts = [event["value"] for event in purchases if event["value"] is not None]
    return millionths(amounts) / 1_000_000


def _given(fold: Plain, event: Event) -> tuple[int, str] | None:
    """When the recommendation was given that an event names in time, and its name."""
    name = value_in({"made": "property", "key": "recommendationId"}, event) or ""
    found = _RECOMMENDATION.fullmatch(name)
    if found is None:
        return None
    at = int(found[1])
    is_in_time = -fold["early_ms"] <= event["timestamp"] - at <= fold["within_ms"]
    return (at, name) if is_in_time else None


_RECOMMENDATION = re.compile(
    "(?:user|product|basket)-(?:recommended|held_out)-([0-9]{13})-[0-9a-f]{16}"
)

_TOLD: dict[str, Callable[[Plain, Story], Rows]] = {
    "sessions": _sessions,
    "retention": _retention,
    "paths": _paths,
    "products": _products,
    "funnel": _funnels,
    "join": _joins,
    "outcomes": _outcomes,
}
