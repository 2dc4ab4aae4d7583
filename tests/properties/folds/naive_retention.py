"""Retention on paper. Shares no code with the product's."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rtcdp.definitions import holds

LENGTH = {"hour": 3_600_000, "day": 86_400_000, "week": 604_800_000}


def rows_of(events, r):
    """(user, started at, periods with a return) of everybody and each cohort."""
    found = []
    for user in sorted({event["userId"] for event in events}):
        story = [event for event in events if event["userId"] == user]
        story.sort(key=lambda event: (event["timestamp"], event["eventId"] or ""))
        cohorts = {}
        for event in story:
            if holds(r.start, event):
                name = "all" if r.cohort == "first" else number(event["timestamp"], r)
                cohorts.setdefault(name, event)
        starts = cohorts.values()
        found += [(user, start["timestamp"], periods(start, story, r)) for start in starts]
    return sorted(found)


def periods(start, story, r):
    back = set()
    for event in story:
        if event is not start and holds(r.returning, event):
            passed = event["timestamp"] - start["timestamp"]
            after = (
                number(event["timestamp"], r) - number(start["timestamp"], r)
                if r.clock == "calendar"
                else passed // LENGTH[r.unit]
            )
            if passed >= 0 and after < r.periods:
                back.add(after)
    return sorted(back)


def number(time, r):
    if r.unit == "hour":
        return time // LENGTH["hour"]
    day = datetime.fromtimestamp(time / 1000, UTC).astimezone(ZoneInfo(r.time_zone)).date()
    if r.unit == "month":
        return day.year * 12 + day.month
    return (day.toordinal() - r.week_start) // 7 if r.unit == "week" else day.toordinal()


def in_words(rows, definition):
    for row in rows:
        assert (row["last_return"] or 0) == max(0, row["returned"].bit_length() - 1)
    return sorted(
        (
            row["userId"],
            row["started_at"],
            [n for n in range(definition.periods) if row["returned"] >> n & 1],
        )
        for row in rows
    )
