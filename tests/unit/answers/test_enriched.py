"""Metrics by what products are: exact as of each event, in every order of events and updates."""

import random
from collections import defaultdict
from pathlib import Path

import pytest

from rtcdp.answers.instant import iso_ms
from rtcdp.answers.windows import WindowQuery, windows
from rtcdp.catalog.definition import faults_of
from rtcdp.definitions import (
    Average,
    Calendar,
    Count,
    Distinct,
    Equals,
    Maximum,
    Metric,
    Product,
    Sum,
    TopK,
    Window,
    event_type,
    sliding,
    tumbling,
)
from rtcdp.errors import UsageError
from rtcdp.testing.driver import START_MS, Driver

BY = (Product("category"),)
MEASURES = (
    Count("n"),
    Sum("total"),
    Average("mean"),
    Maximum("most"),
    Distinct("users", "userId"),
    TopK("best", "userId", k=9),
)


def metric(name: str, window: Window | Calendar, *others: str) -> Metric:
    return Metric(name, name, window, MEASURES, (*BY, *others), event_type("PURCHASE"))  # type: ignore[arg-type]


METRICS = (
    metric("by_minute", tumbling(minutes=1)),
    metric("written_out", sliding(size_seconds=60, every_seconds=30)),
    metric("from_panes", sliding(size_seconds=60, every_seconds=10), "userId"),
    metric("by_day", Calendar("day", "Asia/Kathmandu"), "productId"),
)


def starts_of(window: Window | Calendar, at: int) -> list[int]:
    if isinstance(window, Calendar):
        kathmandu, day = 20_700_000, 86_400_000
        return [(at + kathmandu) // day * day - kathmandu]
    newest = at // window.slide_ms * window.slide_ms
    return list(range(newest, at - window.size_ms, -window.slide_ms))


def naive(metric: Metric, events: list[dict], updates: list[dict]) -> dict[tuple, dict]:
    """Event by event: the category that was said last of the last beginning before it."""
    found: dict[tuple, list[dict]] = defaultdict(list)
    for event in events:
        if event["eventType"] != "PURCHASE" or event["productId"] is None:
            continue
        of_it = [
            (update["validFrom"], number, update["category"])
            for number, update in enumerate(updates)
            if update["productId"] == event["productId"]
            and update["validFrom"] <= event["timestamp"]
        ]
        category = max(of_it)[2] if of_it else None
        others = [event[name] for name in metric.key_names[1:]]
        for start in starts_of(metric.window, event["timestamp"]):
            found[(iso_ms(start), category or "(unknown)", *others)].append(event)
    return {place: measured(events) for place, events in found.items()}


def measured(events: list[dict]) -> dict:
    values = [event["value"] for event in events]
    users = [event["userId"] for event in events]
    best = sorted((-users.count(user), user) for user in set(users))
    return {
        "n": len(events),
        "total": round(sum(values), 6),
        "mean": sum(values) / len(values),
        "most": max(values),
        "users": len(set(users)),
        "best": [{"userId": user, "count": -count} for count, user in best],
    }


def answered(driver: Driver, metric: Metric, **key: str) -> dict[tuple, dict]:
    return {
        (item["window_start"], *(item[name] for name in metric.key_names)): {
            measure.name: item[measure.name] for measure in MEASURES
        }
        for item in driver.windows(metric.name, **key)
    }


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_events_and_updates_gives_the_naive_answer(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    span = chance.choice([3_000, 150_000])
    events = [
        {
            "eventId": f"e{number}",
            "userId": chance.choice("uvw"),
            "eventType": chance.choice(["PURCHASE", "PURCHASE", "PAGE_VIEW"]),
            "productId": chance.choice(["p", "q", "r", None]),
            "timestamp": START_MS - chance.randrange(span),
            "value": chance.randrange(100) / 4,
        }
        for number in range(60)
    ]
    times = [event["timestamp"] + chance.choice([-1, 0, 0, 1, 40_000]) for event in events]
    updates = [
        {
            "productId": chance.choice("pq"),
            "category": chance.choice(["A", "B", None]),
            "validFrom": chance.choice(times),
        }
        for _ in range(chance.randrange(12))
    ]
    driver = Driver(METRICS, tmp_path, records_per_read=lambda: chance.randint(1, 40))
    waiting: list[tuple[str, dict]] = [("event", event) for event in events]
    waiting += [("update", update) for update in updates]
    chance.shuffle(waiting)
    said = []
    for kind, fact in waiting:
        if kind == "event":
            driver.feed(fact, intake="import")
        else:
            said.append(fact)
            driver.update_products(fact)
        if chance.random() < 0.1:
            driver.process()
        if chance.random() < 0.03:
            driver.restart()
    for each in METRICS:
        expected = naive(each, events, said)
        assert answered(driver, each) == expected, each.name
        of_a = {place: row for place, row in expected.items() if place[1] == "A"}
        assert answered(driver, each, category="A") == of_a, each.name
    driver.close()


def test_a_late_update_corrects_what_it_touches_and_nothing_else(tmp_path: Path) -> None:
    driver = Driver(METRICS[:1], tmp_path)
    for at in (0, 29_999, 30_000, 59_999, 60_000):
        event = {"userId": "u", "eventType": "PURCHASE", "productId": "p", "value": 1.0}
        driver.feed({**event, "timestamp": START_MS - 120_000 + at})
    driver.update_products({"productId": "p", "category": "A", "validFrom": 0})
    driver.advance(seconds=400 * 86_400)
    by_category = {key[1]: row["n"] for key, row in answered(driver, METRICS[0]).items()}
    assert by_category == {"A": 4} or by_category == {"A": 1}
    driver.update_products({"productId": "p", "category": "B", "validFrom": START_MS - 90_000})
    rows = {key: row["n"] for key, row in answered(driver, METRICS[0]).items()}
    first, second = iso_ms(START_MS - 120_000), iso_ms(START_MS - 60_000)
    assert rows == {(second, "B"): 1, (first, "A"): 2, (first, "B"): 2}
    driver.close()


def test_many_products_change_inside_of_one_pane(tmp_path: Path) -> None:
    driver = Driver(METRICS[:1], tmp_path)
    for number in range(250):
        for at in (1_000, 31_000):
            fields = {"userId": "u", "eventType": "PURCHASE", "productId": f"p{number}"}
            driver.feed({**fields, "value": 1.0, "timestamp": START_MS + at})
        began = START_MS + 30_000
        driver.update_products({"productId": f"p{number}", "category": "A", "validFrom": began})
    rows = {key[1]: row["n"] for key, row in answered(driver, METRICS[0]).items()}
    assert rows == {"(unknown)": 250, "A": 250}
    driver.close()


def test_pages_go_through_all_of_it(tmp_path: Path) -> None:
    driver = Driver(METRICS, tmp_path)
    for number in range(40):
        fields = {"userId": "u", "eventType": "PURCHASE", "productId": f"p{number % 5}"}
        driver.feed({**fields, "value": 1.0, "timestamp": START_MS - number * 7_000})
        if number % 5 < 3:
            of_it = {"productId": f"p{number % 5}", "category": f"c{number % 5}"}
            driver.update_products({**of_it, "validFrom": START_MS - number * 7_000})
    for each in METRICS:
        whole = driver.windows(each.name)
        found, after = [], None
        with driver.store.snapshot() as snapshot:
            while True:
                page = windows(snapshot, each, WindowQuery(limit=3, after=after))
                found += page.items
                after = page.after
                if after is None:
                    break
        assert found == whole, each.name
    driver.close()


def test_what_products_are_can_only_be_a_key() -> None:
    where = Equals(Product("category"), "A")
    wrong = Metric("x", "x", tumbling(minutes=1), (Count("n"),), ("userId",), where)
    assert any("can be a key and nothing else" in str(fault) for fault in faults_of(wrong))
    assert not faults_of(METRICS[0])
    with pytest.raises(UsageError, match="too long a name"):
        faults_of(metric("a" * 40, tumbling(minutes=1)))
