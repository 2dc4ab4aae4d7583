"""Folds on a real store: batch by batch, with restarts and with commits that come to nothing."""

import random
from dataclasses import replace

import polars as pl
import pytest

from rtcdp.definitions import Fold, event_type
from rtcdp.engines import folding as folding_module
from rtcdp.engines.folding import Folding, StoredRows
from rtcdp.folds import timeline
from rtcdp.folds.funnels import Funnel, FunnelStep
from rtcdp.folds.paths import Paths
from rtcdp.folds.retention import Retention
from rtcdp.folds.sessions import Sessions
from rtcdp.store.checksums import check_sums
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


@pytest.mark.parametrize(("dropped", "told_at_once"), [(0.0, 10**6), (0.2, 10**6), (0.1, 50)])
@pytest.mark.parametrize("seed", range(2))
def test_what_rests_is_what_the_whole_story_makes(store, seed, dropped, told_at_once, monkeypatch):
    monkeypatch.setattr(folding_module, "TOLD_AT_ONCE_MAX", told_at_once)
    monkeypatch.setattr(folding_module, "SIDE_BY_SIDE_FROM", 2 if seed else 10**6)
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
    with store.snapshot() as snapshot:
        assert check_sums(snapshot, (), row_tables=folding.tables).is_sound


def asked_of(name):
    """Notes which keys of a table are read from now on."""
    asked = []
    rows = StoredRows.rows

    def noting(stored, spans):
        if stored._table.name == name:
            asked.extend(spans.get_column(*stored._table.group_key).to_list())
        return rows(stored, spans)

    return asked, noting


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


def test_stories_that_are_too_many_to_be_kept_are_read_again(store, monkeypatch):
    maker, folding = EpochMaker(), Folding(FOLDS[2:3], store)
    store.prepare((), folding.tables)
    monkeypatch.setattr(folding_module, "TOLD_AT_ONCE_MAX", 1)
    events = [
        [event(number, kind, user, eventId=f"{user}{number}") for user in ("ann", "bob")]
        for number, kind in enumerate(["PURCHASE", "PAGE_VIEW", "PURCHASE"])
    ]
    for number, batch in enumerate(events):
        monkeypatch.setattr(folding_module, "EVENTS_KEPT_MAX", 100 if number != 1 else 1)
        changes = folding.fold(frame_of(batch), maker.number + 1)
        store.commit(replace(maker.make(admitted=2), rows=changes))
        folding.committed()
    assert store.dump(FOLDS[2].table)["depth"].to_list() == [2, 2]


@pytest.mark.parametrize("is_late", [False, True])
def test_who_reads_what_is_under_way_waits_for_it(store, is_late):
    maker, folding = EpochMaker(), Folding(FOLDS[:3], store)
    store.prepare((), folding.tables)
    at = 100 * 60 * MINUTE
    waited = []

    def commit(batch):
        changes = folding.fold(frame_of(batch), maker.number + 1)
        return replace(maker.make(admitted=len(batch)), rows=changes)

    store.commit(commit([event(at, eventId="e1"), event(at, user="bob", eventId="b1")]))
    folding.committed()
    epoch = commit([event(at + MINUTE, eventId="e2")])
    folding.under_way(lambda: (waited.append(1), store.commit(epoch), folding.landed()))
    if is_late:
        for cache in folding._caches.values():
            cache.drop()  # it was forgotten to make room
        following = commit([event(at + 2 * MINUTE, eventId="e3")])
    else:
        following = commit([event(at + 2 * MINUTE, user="bob", eventId="b2")])
    assert bool(waited) is is_late
    if not waited:
        store.commit(epoch)
    folding.landed()
    store.commit(following)
    folding.committed()
    counts = store.dump(FOLDS[0].table).select("userId", "event_count").rows()
    assert counts == ([("ann", 3), ("bob", 1)] if is_late else [("ann", 2), ("bob", 2)])


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


def test_one_long_story_does_not_make_small_parts_of_the_next_batch(store, monkeypatch):
    folds_at_once = []
    fold_batch = folding_module.fold_batch

    def counted(fold, events, *rest):
        folds_at_once.append(events["userId"].n_unique())
        return fold_batch(fold, events, *rest)

    monkeypatch.setattr(folding_module, "fold_batch", counted)
    monkeypatch.setattr(folding_module, "TOLD_AT_ONCE_MAX", 4_000)
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
