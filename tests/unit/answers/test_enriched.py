"""Metrics by what products are: exact as of each event, in every order of events and updates."""

import random
from pathlib import Path

import pytest

from rtcdp.answers.instant import iso_ms
from rtcdp.answers.windows import WindowQuery, windows
from rtcdp.catalog.definition import faults_of
from rtcdp.definitions import (
    Count,
    Equals,
    Metric,
    Product,
    tumbling,
)
from rtcdp.errors import UsageError
from rtcdp.testing.driver import START_MS, Driver
from tests.by_category import METRICS, by_place, metric, naive, traffic


def answered(driver: Driver, metric: Metric, **key: str) -> dict[tuple, dict]:
    return by_place(metric, driver.windows(metric.name, **key))


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_events_and_updates_gives_the_naive_answer(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    events, updates = traffic(chance)
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
