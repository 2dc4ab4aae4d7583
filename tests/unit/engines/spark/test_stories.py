"""Folds in the executors: the same functions on the same rows, in this process."""

import pickle
import random
from dataclasses import replace

import polars as pl
import pyarrow as pa
import pytest
from pyspark import cloudpickle

from rtcdp.definitions import Fold, event_type
from rtcdp.engines.folding import Folding
from rtcdp.engines.spark import stories
from rtcdp.engines.spark.exchange import Duplicates, pack_frame, unpack_frame
from rtcdp.engines.spark.failures import SparkFailed
from rtcdp.engines.spark.stories import FoldFailed, StoreAccess, folder, stories_of
from rtcdp.folds.funnels import Funnel, FunnelStep
from rtcdp.folds.sessions import Sessions
from rtcdp.store import EpochRefused, RowsRefused, StateMismatch, StoreUnavailable
from rtcdp.store.sqlite import SqliteStore, open_store
from rtcdp.testing.epochs import EpochMaker
from tests.stories import batches, event, frame_of
from tests.unit.engines.spark.local_query import folded_by_task, keyed

MINUTE = 60_000
STEPS = tuple(FunnelStep(name, event_type(name)) for name in ("PAGE_VIEW", "PURCHASE"))
FOLDS = (
    Fold("visits", "Visits", Sessions(longest_ms=120 * MINUTE)),
    Fold("shop", "Shop", Funnel(STEPS, within_ms=60 * MINUTE)),
    Fold("by_client", "By the client's session", Sessions(), key="sessionId"),
)
ALL = {0: (0, 1_000)}


@pytest.fixture
def url(tmp_path):
    yield f"sqlite:{tmp_path / 'store.db'}"
    while stories._opened:
        stories._opened.popitem()[1].close()


@pytest.fixture
def store(url):
    opened = open_store(url)
    yield opened
    opened.close()


def slice_of(events, first_offset=0):
    """Admitted events as a kept batch has them."""
    frame = frame_of(events).with_columns(
        pl.int_range(first_offset, first_offset + len(events), dtype=pl.Int64).alias("offset"),
        pl.lit(0, pl.Int64).alias("received_at"),
        pl.lit("shop").alias("source"),
    )
    packed = [pa.array([0], pa.int32()), pa.array([pack_frame(frame)], pa.binary())]
    return pa.RecordBatch.from_arrays(packed, ["partition", "events"])


def row_changes(told, slices, after_epoch, number):
    return folded_by_task(told, keyed(told, slices, {}, ALL), after_epoch, number)


def events_of(seed):
    rng = random.Random(seed)
    found = [
        event(
            rng.randrange(60) * 8 * MINUTE,
            rng.choice(["PAGE_VIEW", "PURCHASE"]),
            rng.choice(["ann", "bob", "cleo", "dan"]),
            eventId=f"e{number:03d}",
            sessionId=rng.choice([None, "s", "t"]),
            productId=rng.choice([None, "shoe", "sock"]),
        )
        for number in range(90)
    ]
    rng.shuffle(found)
    return found


@pytest.mark.parametrize("cuts", [[5, 1, 17], [90]])
def test_what_rests_is_what_the_whole_story_makes(store, url, cuts):
    # What executors get comes to them as bytes.
    told = stories_of(Folding(FOLDS, store), StoreAccess(open_store, url))
    told = pickle.loads(cloudpickle.dumps(told))  # noqa: S301 - our own
    maker, events = EpochMaker(), events_of(1)
    store.prepare((), told.tables)
    for batch in batches(events, cuts):
        half = len(batch) // 2
        slices = [slice_of(batch[:half]), slice_of(batch[half:], half)]
        changes = row_changes(told, slices, maker.number, maker.number + 1)
        store.commit(replace(maker.make(admitted=len(batch)), rows=changes))
    for fold in FOLDS:
        whole = fold.step.rows(frame_of(events).filter(pl.col(fold.key).is_not_null()), fold.key)
        expected = whole.sort(fold.primary_key).rows(named=True)
        assert store.dump(fold.table).rows(named=True) == expected


def test_every_key_has_one_task_and_only_what_is_admitted_gets_there(store, url):
    told = stories_of(Folding(FOLDS, store), StoreAccess(open_store, url))
    users = [f"u{number}" for number in range(50)]
    events = [event(0, user=user, eventId=f"e{user}") for user in users * 2]
    without = Duplicates(*(pl.Series(offsets, dtype=pl.Int64).to_numpy() for offsets in ([7], [])))
    found = {
        task: [user for each in rows for user in unpack_frame(each["events"][0].as_py())["userId"]]
        for task, rows in keyed(
            told, [slice_of(events[:50]), slice_of(events[50:], 50)], {0: without}, {0: (0, 99)}
        ).items()
    }
    assert sorted(found) == [0, 1, 2]
    assert sorted(user for each in found.values() for user in each) == sorted(
        [user for user in users if user not in ("u7", "u49")] * 2 + ["u7", "u49"]
    )
    assert sum(len(set(each)) for each in found.values()) == 50


def test_a_task_without_events_asks_nobody(store, url):
    told = stories_of(Folding(FOLDS, store), StoreAccess(_away, url))
    assert list(folder(told, 0, 1)(iter([]))) == []


def _away(url, *, read_only):
    raise StoreUnavailable(f"{url.partition(':')[0]} is away, {read_only=}", "wait")


def _strange(url, *, read_only):
    del url, read_only
    raise StateMismatch("a newer version wrote the store", "use that one")


def _refusing(url, *, read_only):
    del url, read_only
    raise RowsRefused("no store takes this", "report it")


@pytest.mark.parametrize(
    ("opener", "error", "said"),
    [
        (_away, StoreUnavailable, "can't read: sqlite is away, read_only=True"),
        (_strange, SparkFailed, "a newer version wrote the store"),
        (_refusing, FoldFailed, "RowsRefused: no store takes this"),
    ],
)
def test_what_goes_wrong_in_a_task_is_what_it_was(store, url, opener, error, said):
    told = stories_of(Folding(FOLDS, store), StoreAccess(opener, url))
    with pytest.raises(error, match=said):
        row_changes(told, [slice_of([event(0)])], 0, 1)


@pytest.mark.parametrize(
    ("after_epoch", "error", "said"),
    [(0, EpochRefused, "at epoch 1 already"), (2, SparkFailed, "finds the store at epoch 1")],
)
def test_rows_of_another_epoch_are_not_folded_over(store, url, after_epoch, error, said):
    told = stories_of(Folding(FOLDS, store), StoreAccess(open_store, url))
    store.prepare((), told.tables)
    store.commit(EpochMaker().make())
    with pytest.raises(error, match=said):
        row_changes(told, [slice_of([event(0)])], after_epoch, after_epoch + 1)


def test_an_executor_keeps_the_last_store_open(tmp_path):
    first, other = (StoreAccess(open_store, f"sqlite:{tmp_path / name}") for name in "ab")
    opened = first.opened()
    assert isinstance(opened, SqliteStore)
    assert first.opened() is opened
    other.opened()
    with pytest.raises(StoreUnavailable, match="closed"):
        opened.progress()
    stories._opened.pop(other).close()
