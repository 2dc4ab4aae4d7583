"""Folds in the native engine: restarts, outages, and poison."""

import random
import threading

import polars as pl
import pytest

from rtcdp.definitions import Fold, event_type
from rtcdp.engines import folding
from rtcdp.folds.sessions import Sessions
from rtcdp.store import StoreUnavailable
from rtcdp.testing.driver import Driver, dump
from tests.unit.engines.fold_shop import FOLDS, VIEWS, WAY, Installation, differing_from


@pytest.fixture
def shop(tmp_path):
    return Installation(tmp_path)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What comes of all of it at once."""
    return Installation(tmp_path_factory.mktemp("at once"), 10**6).run((*FOLDS, WAY))


def test_the_traffic_makes_rows_of_every_fold(expected):
    heights = {fold.name: expected[fold.name].height for fold in (*FOLDS, WAY)}
    carts = heights.pop("cart_outcomes")
    assert min(heights.values()) > 5, heights
    assert carts > 3


def test_restarts_change_nothing(shop, expected):
    store = shop.open()
    while True:
        processor = shop.processor(store)
        processor.recover()
        if not processor.step():
            break
    store.close()
    assert differing_from(expected, shop.run()) == []


class Shaky:
    """A store that goes away at some reads, and whose answers to some commits get lost."""

    def __init__(self, store):
        self._store, self._commits, self.lost = store, 0, 0
        self._chance = random.Random(7)

    def __getattr__(self, name):
        return getattr(self._store, name)

    def snapshot(self):
        if self._chance.random() < 0.15:
            self.lost += 1
            raise StoreUnavailable("gone for now", "wait")
        return self._store.snapshot()

    def commit(self, epoch):
        self._commits += 1
        if self._commits % 3 == 1:
            raise StoreUnavailable("not applied", "wait")
        self._store.commit(epoch)
        if self._commits % 3 == 2:
            raise StoreUnavailable("applied, but nobody heard of it", "wait")


def test_a_store_that_comes_and_goes_changes_nothing(shop, expected):
    store = shop.open()
    shaky = Shaky(store)
    shop.processor(shaky).run(threading.Event(), once=True)
    assert shaky.lost > 3
    assert differing_from(expected, dump(store, (VIEWS,), folds=FOLDS)) == []
    store.close()


def test_what_a_fold_fails_at_becomes_a_dead_letter(tmp_path, monkeypatch):
    driver = Driver((VIEWS,), tmp_path, folds=FOLDS)
    made = folding.fold_batch

    def failing(fold, events, *of_them, **options):
        if fold.name == "shop_funnel" and (events["userId"] == "poison").any():
            raise pl.exceptions.ComputeError("it can't be folded")
        return made(fold, events, *of_them, **options)

    monkeypatch.setattr(folding, "fold_batch", failing)
    users = ["ann", "poison", "bob", "ann"]
    for number, user in enumerate(users):
        event = {"eventId": f"{number}", "userId": user, "eventType": "PAGE_VIEW"}
        driver.feed({**event, "timestamp": driver.now_ms + number})
    driver.process()
    counts = {row["userId"]: row["event_count"] for row in driver.rows("sessions")}
    assert counts == {"ann": 2, "bob": 1}
    assert driver.ledger()["dead_letter"] == 1
    assert set(driver.dump()["timeline__userid"]["userId"]) == {"ann", "bob"}
    driver.close()


def test_a_fold_that_asks_for_more_has_a_story_of_its_own(tmp_path):
    by_source = Fold("by_source", "", Sessions(page_view=event_type("A")), key="source")
    driver = Driver((), tmp_path, folds=(by_source, *FOLDS))
    driver.feed({"userId": "a", "eventType": "A", "timestamp": driver.now_ms}, source="shop")
    assert [row["source"] for row in driver.rows("by_source")] == ["shop"]
    assert {"timeline__source", "timeline__userid"} <= driver.dump().keys()
    driver.close()


def test_without_folds_there_is_nothing_of_them(shop):
    shop.run(())
    store = shop.open()
    assert store.row_tables() == {}
    store.close()
