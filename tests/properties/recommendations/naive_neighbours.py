"""Recommendations on paper: sessions are compared one after the other. Shares no code with the
product's."""

import math
from collections import defaultdict

DAY_MS = 86_400_000


def points_of(sessions, current, taste):
    """Points by item. `sessions` are (user, start, items); `current` are items, the last first."""
    different = [(start, user, tuple(dict.fromkeys(items))) for user, start, items in sessions]
    ordered = sorted(each for each in different if each[2])
    counts = defaultdict(int)
    for _, _, items in ordered:
        for item in items:
            counts[item] += 1
    current = [item for item in current if counts[item]][: taste.items_max]
    heard = [
        [each for each in ordered if item in each[2]][-taste.sessions_per_item :]
        for item in current
    ]
    near = by_neighbours(heard, current, taste, (len(ordered), counts))
    if not taste.rules:
        return near
    blended = defaultdict(float)
    for item, points in share(near).items():
        blended[item] += points * (1 - taste.rules)
    for item, points in share(by_rules(heard, current, taste)).items():
        blended[item] += points * taste.rules
    return dict(blended)


def by_neighbours(heard, current, taste, totals):
    count, counts = totals
    likeness, shares = defaultdict(float), {}
    for back, sessions in enumerate(heard):
        for session in sessions:
            likeness[session] += taste.fading**back
            shares.setdefault(session, back)
    newest = max((start for start, _, _ in likeness), default=0)
    for session in likeness:
        likeness[session] /= len(session[2]) ** taste.shortness
        if taste.old_days:
            likeness[session] *= math.exp((session[0] - newest) / (taste.old_days * DAY_MS))
    # Equal ones differ by less than this, others by more.
    best = sorted(likeness, key=lambda each: (round(likeness[each], 9), each), reverse=True)
    points = defaultdict(float)
    for session in best[: taste.neighbours]:
        items = session[2]
        at = items.index(current[shares[session]])
        for place, item in enumerate(items):
            weight = likeness[session] * taste.fading ** shares[session]
            if taste.near_items:
                weight *= math.exp(-abs(place - at) / taste.near_items)
            points[item] += weight * (1 + taste.rarity * math.log(count / counts[item]))
    return points


def by_rules(heard, current, taste):
    points = defaultdict(float)
    for _, _, items in heard[0] if heard else ():
        at = items.index(current[0])
        for place, item in enumerate(items):
            if 0 < abs(place - at) <= taste.rule_steps:
                points[item] += (1 if place > at else taste.rules_back) / abs(place - at)
    return points


def share(points):
    most = max(points.values(), default=0)
    return {item: each / most if most else each for item, each in points.items()}
