"""What each contestant has to come to, counted one event at a time, with the standard library."""

import json
from collections import Counter
from datetime import datetime
from pathlib import Path

from bench.rivals.contestant import STEP_MS, WINDOW_MS


def expected_rows(events: Path) -> dict[tuple[int, str], int]:
    """Page views by window start (UTC ms) and user, of a file of JSON lines without repeats."""
    counts: Counter[tuple[int, str]] = Counter()
    with events.open("rb") as lines:
        for line in lines:
            event = json.loads(line)
            if event["eventType"] != "PAGE_VIEW":
                continue
            at = round(datetime.fromisoformat(event["timestamp"]).timestamp() * 1_000)
            newest = at - at % STEP_MS
            for start in range(newest, at - WINDOW_MS, -STEP_MS):
                counts[start, event["userId"]] += 1
    return dict(counts)
