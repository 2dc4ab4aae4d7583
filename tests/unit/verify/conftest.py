import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtcdp.definitions import Average, Count, Distinct, Metric, TopK, sliding, tumbling
from rtcdp.testing.driver import Driver

METRICS = (
    Metric(
        "by_user",
        "",
        tumbling(minutes=1),
        (Count("events"), Average("mean"), Distinct("pages", "pageUrl")),
        ("userId",),
    ),
    Metric("panes", "", sliding(size_seconds=60, every_seconds=5), (TopK("top", "userId"),)),
)


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    """An installation that counted some events, among them a repeat, a late one and a bad one."""
    driver = Driver(METRICS, tmp_path)
    now = driver.now_ms
    for user, event_id, age_ms in (
        ("ada", "a", 0),
        ("bob", "b", 10),
        ("ada", "a", 0),
        ("eve", "c", 10**6),
    ):
        event = {"userId": user, "eventId": event_id, "eventType": "A", "timestamp": now - age_ms}
        driver.feed(json.dumps(event | {"value": 1.5}).encode())
    driver.feed(b"{}")
    driver.process()
    yield driver
    driver.close()
