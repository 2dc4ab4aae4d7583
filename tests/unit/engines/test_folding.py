"""Folds on a real store: batch by batch, with restarts and with commits that come to nothing."""

import random
from dataclasses import replace

import polars as pl
import pytest

from rtcdp.definitions import Fold, event_type
from rtcdp.engines import folding as folding_module
from rtcdp.engines.folding import Folding
from rtcdp.folds import timeline
from rtcdp.folds.funnels import Funnel, FunnelStep
from rtcdp.folds.sessions import Sessions
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.epochs import EpochMaker
from tests.stories import batches, event, frame_of

MINUTE = 60_000
STEPS = tuple(FunnelStep(name, event_type(name)) for name in ("PAGE_VIEW", "PURCHASE"))
FOLDS = (
    Fold("visits", "Visits", Sessions(longest_ms=120 * MINUTE)),
    Fold("by_campaign", "Visits by campaign", Sessions(campaign="productId")),
    Fold("shop", "Shop", Funnel(STEPS, within_ms=60 * MINUTE)),
    Fold("by_client", "By the client's session", Sessions(), key="sessionId"),
)


@pytest.fixture
def store(tmp_path):
    opened = SqliteStore(tmp_path / "store.sqlite")
    yield opened
    opened.close()


def events_of(seed):
    rng = random.Random(seed)
    found = [
        event(
            rng.randrange(60) * 8 * MINUTE,
            rng.choice(["PAGE_VIEW", "PURCHASE"]),
            rng.choice(["ann", "bob"]),
            eventId=f"e{number:03d}",
            sessionId=rng.choice([None, "s", "t"]),
            productId=rng.choice([None, "shoe", "sock"]),
            value=rng.choice([None, 1.5]),
        )
        for number in range(120)
    ]
    rng.shuffle(found)
    return found, rng


@pytest.mark.parametrize("dropped", [0.0, 0.2])
@pytest.mark.parametrize("seed", range(2))
def test_what_rests_is_what_the_whole_story_makes(store, seed, dropped):
    events, rng = events_of(seed)
    maker, folding = EpochMaker(), Folding(FOLDS, store, rows_max=20)
    store.prepare((), folding.tables)
    for batch in batches(events, [5, 1, 17]):
        what_happens = rng.random()
        if what_happens < 0.2:
            folding = Folding(FOLDS, store, rows_max=20)  # the engine was restarted
        changes = folding.fold(frame_of(batch), maker.number + 1)
        if what_happens > 1 - dropped:
            folding.drop()  # the commit came to nothing, and the batch is folded again
            changes = folding.fold(frame_of(batch), maker.number + 1)
        store.commit(replace(maker.make(admitted=len(batch)), rows=changes))
        folding.committed()
    for fold in FOLDS:
        whole = fold.step.rows(frame_of(events).filter(pl.col(fold.key).is_not_null()), fold.key)
        expected = whole.sort(fold.primary_key).rows(named=True)
        assert store.dump(fold.table).rows(named=True) == expected


def test_rows_that_expired_in_the_store_do_not_come_back_from_memory(store):
    visits, maker, folding = FOLDS[0], EpochMaker(), Folding(FOLDS[:1], store)
    store.prepare((), folding.tables)
    for number, time in enumerate((0, 10 * MINUTE)):
        if number:
            store.expire(buckets_before=MINUTE, uncounted_before=0, offsets_before={})
            folding.forget_before(MINUTE)
        changes = folding.fold(frame_of([event(time, eventId=f"e{number}")]), number + 1)
        store.commit(replace(maker.make(), rows=changes))
        folding.committed()
    assert [row["start"] for row in store.dump(visits.table).rows(named=True)] == [10 * MINUTE]


def test_one_who_never_stops_adds_little_to_a_full_hour(store, monkeypatch):
    monkeypatch.setattr(timeline, "EVENTS_MAX", 10)
    for function in (timeline.chunks_of, timeline.first_of_hours, timeline.full_hours):
        monkeypatch.setattr(function, "__defaults__", (10,))
    maker, folding = EpochMaker(), Folding(FOLDS[2:3], store)
    store.prepare((), folding.tables)
    events = [event(n, eventId=f"e{n:03d}") for n in range(200)]
    for batch in batches(events, [12]):
        store.commit(replace(maker.make(), rows=folding.fold(frame_of(batch), maker.number + 1)))
        folding.committed()
    chunks = store.dump(folding.tables[-1])
    assert chunks["event_count"].sum() == 200
    assert chunks.filter(pl.col("events") != "").height <= 2
    assert chunks.height <= folding_module.COMPACT_FROM + 1


def test_without_events_nothing_changes(store):
    folding = Folding(FOLDS, store)
    store.prepare((), folding.tables)
    assert folding.fold(frame_of([]), 1) == ()
    folding.committed()


def test_folds_say_what_is_to_be_decoded_and_prepared(store):
    folding = Folding(FOLDS, store)
    assert {"eventId", "userId", "sessionId", "productId"} <= set(folding.fields)
    names = [table.name for table in folding.tables]
    assert names == [
        *(fold.name for fold in FOLDS),
        "timeline__userid",
        "timeline__sessionid",
    ]
