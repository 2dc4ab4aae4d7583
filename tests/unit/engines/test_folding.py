"""Folds on a real store: batch by batch, with restarts and with commits that come to nothing."""

import random
from dataclasses import replace

import polars as pl
import pytest

from rtcdp.definitions import Fold, event_type
from rtcdp.engines import folding as folding_module
from rtcdp.engines import timeline as timeline_module
from rtcdp.engines.folding import Folding
from rtcdp.engines.stored_rows import StoredRows
from rtcdp.folds import timeline
from rtcdp.folds.paths import Paths
from rtcdp.folds.retention import Retention
from rtcdp.folds.sessions import Sessions
from rtcdp.store.checksums import check_sums
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.epochs import EpochMaker
from tests.stories import batches, event, frame_of
from tests.unit.engines.told_folds import FOLDS, MINUTE, asked_of


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


@pytest.mark.parametrize(
    ("dropped", "told_at_once", "rows_max"),
    [(0.0, 10**6, 20), (0.2, 10**6, 20), (0.1, 50, 20), (0.1, 20, 3)],
)
@pytest.mark.parametrize("seed", range(2))
def test_what_rests_is_what_the_whole_story_makes(
    store, seed, dropped, told_at_once, rows_max, monkeypatch
):
    monkeypatch.setattr(timeline_module, "TOLD_AT_ONCE_MAX", told_at_once)
    monkeypatch.setattr(folding_module, "SIDE_BY_SIDE_FROM", 2 if seed else 10**6)
    events, rng = events_of(seed)
    maker, folding = EpochMaker(), Folding(FOLDS, store, rows_max)
    store.prepare((), folding.tables)
    for batch in batches(events, [5, 1, 17]):
        what_happens = rng.random()
        if what_happens < 0.2:
            folding = Folding(FOLDS, store, rows_max)  # the engine was restarted
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
    with store.snapshot() as snapshot:
        assert check_sums(snapshot, (), row_tables=folding.tables).is_sound


def test_of_more_rows_than_may_be_kept_the_first_are(store, monkeypatch):
    monkeypatch.setattr(timeline_module, "TOLD_AT_ONCE_MAX", 20)
    maker, folding = EpochMaker(), Folding(FOLDS[:1], store, rows_max=12)
    store.prepare((), folding.tables)
    users = [f"user {number}" for number in range(10)]
    for minutes in ((0, 40, 80, 120), (121,)):
        batch = [event(at * MINUTE, user=user, eventId=f"{at}") for user in users for at in minutes]
        changes = folding.fold(frame_of(batch), maker.number + 1)
        store.commit(replace(maker.make(admitted=len(batch)), rows=changes))
        folding.committed()
    assert (folding.cache_hits, folding.cache_misses) == (2, 8 + 10)
    assert store.dump(FOLDS[0].table)["event_count"].to_list() == [1, 1, 1, 2] * 10


def test_folds_side_by_side_have_no_more_read_than_one_after_the_other(store, monkeypatch):
    first = Retention(event_type("PAGE_VIEW"), event_type("PURCHASE"))
    folds = (Fold("first", "First", first), Fold("paths", "Paths", Paths()), *FOLDS)
    asked, noting = asked_of("timeline__userid")
    monkeypatch.setattr(StoredRows, "rows", noting)
    counts = []
    for from_events in (10**6, 1):
        monkeypatch.setattr(folding_module, "SIDE_BY_SIDE_FROM", from_events)
        folding = Folding(folds, store)
        # Whoever asks for the longest stories begins, and not one who may ask for none.
        assert [fold.name for fold in folding.folds][::3] == ["paths", "first"]
        store.prepare((), folding.tables)
        asked.clear()
        folding.fold(frame_of([event(0, eventId="e0")]), 1)
        counts.append(len(asked))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("broken", ["shop", "visits", "by_client"])
def test_what_fails_beside_another_fold_is_told(store, monkeypatch, broken):
    folding = Folding(FOLDS, store)
    store.prepare((), folding.tables)
    monkeypatch.setattr(folding_module, "SIDE_BY_SIDE_FROM", 1)
    fold_batch = folding_module.fold_batch

    def failing(fold, *rest):
        if fold.name == broken:
            raise ValueError(fold.name)
        return fold_batch(fold, *rest)

    batch = frame_of([event(0, eventId="e0", sessionId="s")])
    monkeypatch.setattr(folding_module, "fold_batch", failing)
    with pytest.raises(ValueError, match=broken):
        folding.fold(batch, 1)
    folding.drop()
    monkeypatch.setattr(folding_module, "fold_batch", fold_batch)
    changed = {change.table.name for change in folding.fold(batch, 1)}
    assert {fold.table.name for fold in FOLDS} <= changed


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


@pytest.mark.parametrize("seed", range(3))
def test_what_is_beyond_a_full_hour_counts_in_no_order(tmp_path, monkeypatch, seed):
    """Ten events an hour are told here; whichever come first, rows are those of these ten."""
    monkeypatch.setattr(timeline, "EVENTS_MAX", 10)
    for function in (timeline.chunks_of, timeline.first_of_hours, timeline.full_hours):
        monkeypatch.setattr(function, "__defaults__", (10,))
    folds = (
        Fold("visits", "Visits", Sessions(longest_ms=120 * MINUTE)),
        Fold("back", "Back", Retention(returning=event_type("PURCHASE"), unit="hour")),
    )
    rng = random.Random(seed)
    times = [rng.randrange(60) * MINUTE for _ in range(20)] + [n * 25 * MINUTE for n in range(12)]
    events = [
        event(time, rng.choice(["PAGE_VIEW", "PURCHASE"]), eventId=f"e{number:03d}")
        for number, time in enumerate(times)
    ]
    told = sorted(events, key=lambda each: (each["timestamp"], each["eventId"]))
    hours = {}
    for each in told:
        hours.setdefault(each["timestamp"] // (60 * MINUTE), []).append(each)
    told = frame_of([each for hour in hours.values() for each in hour[:10]])
    rng.shuffle(events)
    store = SqliteStore(tmp_path / "store.sqlite")
    maker, folding = EpochMaker(), Folding(folds, store)
    store.prepare((), folding.tables)
    for batch in batches(events, [5, 1, 7]):
        changes = folding.fold(frame_of(batch), maker.number + 1)
        store.commit(replace(maker.make(admitted=len(batch)), rows=changes))
        folding.committed()
    for fold in folds:
        expected = fold.step.rows(told, fold.key).sort(fold.primary_key).rows(named=True)
        assert store.dump(fold.table).rows(named=True) == expected
    store.close()


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
