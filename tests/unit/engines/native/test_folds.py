"""Folds in the native engine: restarts, outages, poison, and what is new in an existing store."""

import threading

import polars as pl
import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_folds
from rtcdp.clock import ManualClock
from rtcdp.definitions import Count, Fold, Metric, event_type, tumbling
from rtcdp.engines import folding
from rtcdp.engines.native.limits import ProcessorLimits
from rtcdp.engines.native.processor import Processor
from rtcdp.folds.funnels import Funnel, FunnelStep
from rtcdp.folds.sessions import Sessions
from rtcdp.store import StoreUnavailable
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import START_MS, Driver
from rtcdp.testing.dump import differing, dump
from rtcdp.testing.memory_log import MemoryLog
from rtcdp.testing.traffic import Traffic

VIEWS = Metric("views", "t", tumbling(minutes=1), (Count("n"),), ("userId",))
TRAFFIC = Traffic(lines=240, users=12, span_ms=6 * 3_600_000, request_lines=40)
FOLDS = load_folds()
SHOP = Fold(
    "way",
    "Way",
    Funnel(tuple(FunnelStep(t, event_type(t)) for t in ("SEARCH", "PRODUCT_VIEW"))),
)


class Installation:
    """A log with a shop's traffic, and a store in a file."""

    def __init__(self, directory, records_per_read=70):
        self.log = MemoryLog(lambda: records_per_read)
        self.log.append(list(TRAFFIC.deliveries()))
        self.path = directory / "store.db"
        self.said, self.filled = [], {}

    def open(self):
        return SqliteStore(self.path)

    def processor(self, store, folds=FOLDS, metrics=(VIEWS,)):
        limits = ProcessorLimits(epoch_every_s=0, retry_s=0)
        clock = ManualClock(START_MS)
        processor = Processor(self.log, store, metrics, AdmissionRules(), clock, limits)
        processor.folds = tuple(folds)
        processor.on_trouble = self.said.append
        processor.on_filling = self.filled.__setitem__
        return processor

    def run(self, folds=FOLDS):
        store = self.open()
        self.processor(store, folds).run(threading.Event(), once=True)
        found = dump(store, (VIEWS,), folds=folds)
        store.close()
        return found


@pytest.fixture
def shop(tmp_path):
    return Installation(tmp_path)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What comes of all of it at once."""
    return Installation(tmp_path_factory.mktemp("at once"), 10**6).run((*FOLDS, SHOP))


def differing_from(expected, found):
    return differing({name: expected[name] for name in found}, found)


def test_the_traffic_makes_rows_of_every_fold(expected):
    assert all(expected[fold.name].height > 5 for fold in (*FOLDS, SHOP))


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
        self._store, self._reads, self._commits, self.lost = store, 0, 0, 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    def snapshot(self):
        self._reads += 1
        if self._reads % 5 == 0:
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

    def failing(fold, events, stored, story):
        if fold.name == "shop_funnel" and (events["userId"] == "poison").any():
            raise pl.exceptions.ComputeError("it can't be folded")
        return made(fold, events, stored, story)

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


def test_folds_that_are_new_are_filled(shop, expected):
    shop.run(())
    assert differing_from(expected, shop.run()) == []
    assert shop.filled == dict.fromkeys([*(fold.name for fold in FOLDS), "timeline__userid"], 1.0)


def test_folds_that_were_left_out_for_a_while_are_filled_where_they_stopped(shop, expected):
    store = shop.open()
    for folds in (FOLDS, (), FOLDS[:1], FOLDS):
        processor = shop.processor(store, folds)
        processor.recover()
        processor.step()
    store.close()
    assert differing_from(expected, shop.run()) == []


def test_a_fold_reaches_back_to_what_the_log_has_lost(shop, expected):
    shop.run()
    shop.log.trim(shop.log.extent(0).next_offset)
    assert differing_from(expected, shop.run((*FOLDS, SHOP))) == []
    assert not any("is filled from" in sentence for sentence in shop.said)


def test_what_a_new_timeline_misses_is_told(shop):
    shop.run(())
    shop.log.trim(120)
    found = shop.run()
    assert "timeline__userid is filled from offset 120" in " ".join(shop.said)
    store = shop.open()
    with store.snapshot() as snapshot:
        times = {fold.name: snapshot.complete_from(fold.name) for fold in FOLDS}
    store.close()
    (time,) = set(times.values())
    assert time > START_MS
    assert found["timeline__userid"].height < 180


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
