"""Sessions as one would write them down on paper. Shares no code with the product's."""

from collections import defaultdict
from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def sessions_of(events, options):
    """Rows by hand: one dictionary a session."""
    stories = defaultdict(list)
    for event in events:
        if event["eventType"] not in options.exclude:
            client = (event["sessionId"] or "") if options.by == "client" else None
            stories[event["userId"], client].append(event)
    return [
        row_of(user, client, visit)
        for (user, client), story in stories.items()
        for visit in visits(sorted(story, key=place), client, options)
    ]


def visits(story, client, options):
    visit, campaign = [], None
    for event in story:
        new = event[options.campaign] if options.campaign else None
        if visit:
            is_changed = new is not None and campaign is not None and new != campaign
            is_over = is_changed or ends_before(visit, event, client, options)
            if is_over or event["timestamp"] - visit[0]["timestamp"] >= options.longest_ms:
                yield visit
                visit = []
            if is_over:
                campaign = None
        visit.append(event)
        campaign = campaign if new is None else new
    if visit:
        yield visit


def ends_before(visit, event, client, options):
    if not client and event["timestamp"] - visit[-1]["timestamp"] >= options.gap_ms:
        return True
    zone = options.midnight
    return zone is not None and day(event, zone) != day(visit[-1], zone)


def day(event, zone):
    return datetime.fromtimestamp(event["timestamp"] / 1000, UTC).astimezone(ZoneInfo(zone)).date()


def place(event):
    return event["timestamp"], event["eventId"] or ""


def row_of(user, client, visit):
    views = [event for event in visit if event["eventType"] == "PAGE_VIEW"]
    amounts = [event["value"] for event in visit if event["value"] is not None]
    row = {
        "userId": user,
        "start": visit[0]["timestamp"],
        "end": visit[-1]["timestamp"],
        "event_count": len(visit),
        "page_view_count": len(views),
        "value": sum(amounts),
        "converted": int(any(event["eventType"] == "PURCHASE" for event in visit)),
        "entry_page": views[0]["pageUrl"] if views else None,
        "exit_page": views[-1]["pageUrl"] if views else None,
        "product_count": len({event["productId"] for event in visit} - {None}),
        "client_count": len({event["sessionId"] for event in visit} - {None}),
    }
    return row if client is None else {**row, "client": client}


def rows_of(events, options):
    rows = sessions_of(events, options)
    return sorted(rows, key=lambda row: (row["userId"], row.get("client", ""), row["start"]))


def in_words(rows):
    """What is told of a session, without what only serves to join it."""
    shown = [
        {
            **{name: row[name] for name in row if name in NAMES},
            "value": row["value_units"] + row["value_micros"] / 1e6,
        }
        for row in rows
    ]
    return sorted(shown, key=lambda row: (row["userId"], row.get("client", ""), row["start"]))


NAMES = {
    *("userId", "client", "start", "end", "event_count", "page_view_count", "converted"),
    *("entry_page", "exit_page", "product_count", "client_count"),
}
