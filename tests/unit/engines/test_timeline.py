"""Stories as they are told to folds: which of them are kept, and what is read again."""

from dataclasses import replace

import polars as pl

from rtcdp.engines import folding as folding_module
from rtcdp.engines import timeline as timeline_module
from rtcdp.engines.folding import Folding
from rtcdp.engines.stored_rows import StoredRows
from rtcdp.folds import timeline
from rtcdp.testing.epochs import EpochMaker
from tests.stories import batches, event, frame_of
from tests.unit.engines.told_folds import FOLDS, MINUTE, asked_of


def keys_of_parts(monkeypatch, told_at_once):
    """A list of how many users each part of a batch has, which grows; so many events are told
    together."""
    found = []
    fold_batch = folding_module.fold_batch

    def counted(fold, events, *rest):
        found.append(events["userId"].n_unique())
        return fold_batch(fold, events, *rest)

    monkeypatch.setattr(folding_module, "fold_batch", counted)
    monkeypatch.setattr(timeline_module, "TOLD_AT_ONCE_MAX", told_at_once)
    return found


def test_a_story_that_was_just_told_is_not_read_again(store, monkeypatch):
    maker, folding = EpochMaker(), Folding(FOLDS[2:3], store)
    store.prepare((), folding.tables)
    asked, noting = asked_of("timeline__userid")
    monkeypatch.setattr(StoredRows, "rows", noting)
    for number, user in enumerate(["ann", "ann", "bob", "ann"]):
        batch = [
            event(number * MINUTE, user=user, eventId=f"e{number}"),
            # What a fold does not look at belongs to the story all the same.
            event(number * MINUTE, "OTHER", eventId=f"o{number}"),
        ]
        changes = folding.fold(frame_of(batch), maker.number + 1)
        store.commit(replace(maker.make(admitted=2), rows=changes))
        folding.committed()
    assert asked == ["ann", "bob"]
    spans = pl.DataFrame({"userId": ["ann"], "from": [0], "to": [10**9]})
    (timeline_,) = folding._timelines
    assert timeline_.events(spans)["eventId"].to_list() == [
        "e0",
        "o0",
        "e1",
        "o1",
        "o2",
        "e3",
        "o3",
    ]


def test_stories_that_are_too_many_to_be_kept_are_read_again(store, monkeypatch):
    maker, folding = EpochMaker(), Folding(FOLDS[2:3], store)
    store.prepare((), folding.tables)
    monkeypatch.setattr(timeline_module, "TOLD_AT_ONCE_MAX", 1)
    events = [
        [event(number, kind, user, eventId=f"{user}{number}") for user in ("ann", "bob")]
        for number, kind in enumerate(["PURCHASE", "PAGE_VIEW", "PURCHASE"])
    ]
    for number, batch in enumerate(events):
        monkeypatch.setattr(timeline_module, "EVENTS_KEPT_MAX", 100 if number != 1 else 1)
        changes = folding.fold(frame_of(batch), maker.number + 1)
        store.commit(replace(maker.make(admitted=2), rows=changes))
        folding.committed()
    assert store.dump(FOLDS[2].table)["depth"].to_list() == [2, 2]


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
    assert chunks.height <= timeline_module.COMPACT_FROM + 1


def test_rows_within_reach_make_parts_as_events_do(store, monkeypatch):
    folds_at_once = keys_of_parts(monkeypatch, told_at_once=20)
    maker, folding = EpochMaker(), Folding(FOLDS[:1], store)
    store.prepare((), folding.tables)
    for minutes in ((0, 40, 80, 120), (121,)):
        folds_at_once.clear()
        batch = [
            event(at * MINUTE, user=f"user {number}", eventId=f"{at}")
            for number in range(10)
            for at in minutes
        ]
        changes = folding.fold(frame_of(batch), maker.number + 1)
        store.commit(replace(maker.make(admitted=len(batch)), rows=changes))
        folding.committed()
    assert folds_at_once == [5, 5]


def test_one_long_story_does_not_make_small_parts_of_the_next_batch(store, monkeypatch):
    folds_at_once = keys_of_parts(monkeypatch, told_at_once=4_000)
    monkeypatch.setattr(timeline, "EVENTS_MAX", 1_000)
    folding = Folding(FOLDS[:1], store)
    store.prepare((), folding.tables)
    bot = [event(1, user="bot", eventId=f"b{number}") for number in range(1_000)]
    others = [event(1, user=f"user {number}", eventId=f"e{number}") for number in range(60)]
    folding.fold(frame_of(bot + others), 1)
    folding.committed()
    folds_at_once.clear()
    folding.fold(frame_of(others), 2)
    assert folds_at_once == [60]
