import threading
from dataclasses import replace

import pytest

from rtcdp.definitions import Count, tables_of
from rtcdp.errors import UsageError
from rtcdp.store import (
    Acknowledgement,
    LeaseLost,
    Progress,
    RowsRefused,
    StoreGone,
    StoreUnavailable,
    UncountedScan,
)
from rtcdp.store.mongo import MongoStore
from rtcdp.store.mongo import commit as mongo_commit
from rtcdp.testing.epochs import EpochMaker, change

NOBODY = "mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=50"


@pytest.fixture
def metric(written_out):
    return replace(written_out, measures=(Count("events"),), key=("userId",))


@pytest.fixture
def table(metric):
    return tables_of(metric)[0]


@pytest.fixture
def store(open_mongo_store, metric):
    opened = open_mongo_store()
    opened.prepare([metric])
    return opened


@pytest.fixture
def epochs():
    return EpochMaker()


def test_nothing_is_connected_before_it_is_needed():
    store = MongoStore(NOBODY)
    with pytest.raises(StoreUnavailable):
        store.progress()
    store.close()


def test_a_store_that_was_closed_is_unavailable(store):
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.progress()


def test_one_that_is_only_read_makes_nothing(open_mongo_store, mongo_database, metric, table):
    store = open_mongo_store(read_only=True)
    assert store.progress() == Progress()
    assert store.metrics() == {}
    assert store.backfill_offsets("sales") is None
    assert store.dump(table).is_empty()
    for write in (
        lambda: store.prepare([metric]),
        lambda: store.acquire_lease("a", 0, 1),
        lambda: store.mark_replayed([(0, 0)], 1),
        lambda: store.acknowledge(Acknowledgement("[]", 0, "ada", 1)),
        lambda: store.expire(buckets_before=0, uncounted_before=0, offsets_before={}),
    ):
        with pytest.raises(UsageError, match="reading"):
            write()
    assert mongo_database.collection("_progress").find_one() is None


def test_a_writer_learns_how_what_it_had_begun_ends(
    open_mongo_store, store, epochs, table, monkeypatch
):
    one_more = epochs.make(change(table, (0, "ada", 3)))
    with monkeypatch.context() as away:
        away.setattr(mongo_commit, "row_tasks", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.commit(one_more)
    assert open_mongo_store(read_only=True).progress().epoch == 0
    assert store.progress().epoch == 1
    assert store.dump(table)["events"].to_list() == [3]


def test_a_sum_beyond_64_bits_is_refused_and_the_next_epoch_is_not(store, epochs, table):
    store.commit(epochs.make(change(table, (0, "ada", 2**62))))
    too_much = epochs.make(change(table, (0, "ada", 2**62), (0, "bob", 1)))
    for _ in range(2):
        with pytest.raises(RowsRefused):
            store.commit(too_much)
    assert store.progress().epoch == 1
    store.commit(replace(too_much, changes=(change(table, (0, "bob", 1)),)))
    assert store.dump(table)["events"].to_list() == [2**62, 1]


def test_a_lease_is_kept_for_every_write(open_mongo_store, store, epochs):
    store.acquire_lease("a", 0, 10)
    open_mongo_store().acquire_lease("b", 10, 10)
    with pytest.raises(LeaseLost):
        store.commit(epochs.make())
    store.release_lease()
    store.commit(EpochMaker().make())


def test_the_first_of_several_marks_of_a_replay_holds(store, epochs):
    store.commit(epochs.make(uncounted=[{}]))
    for at in (50, 60):
        store.mark_replayed([(0, 1)], at)
    store.mark_replayed([], 1)
    with store.snapshot() as snapshot:
        assert snapshot.uncounted(UncountedScan())["replayed_at"].to_list() == [50]


def test_indexes_of_an_old_definition_go_with_it(store, metric, mongo_database):
    store.prepare([replace(metric, key=("pageUrl",))])
    names = " ".join(mongo_database.collection("sales").index_information())
    assert "pageUrl" in names
    assert "userId" not in names


def test_several_threads_may_commit_and_read(store, epochs, table):
    failures = []

    def read():
        while not done.is_set():
            with store.snapshot() as snapshot:
                epoch, received = snapshot.progress.epoch, snapshot.ledger_totals()["received"]
            if received != epoch:
                failures.append((epoch, received))

    done = threading.Event()
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(20):
        store.commit(epochs.make(change(table, (0, "ada", 1))))
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert store.dump(table)["events"].to_list() == [20]


def test_a_store_that_was_deleted_is_not_taken_for_an_empty_one(
    store, open_mongo_store, epochs, mongo_database
):
    store.commit(epochs.make())
    api = open_mongo_store(read_only=True)
    assert api.progress().epoch == 1
    mongo_database.collection("_progress").delete_many({})
    for ask in (api.progress, api.metrics, lambda: api.snapshot().__enter__()):
        with pytest.raises(StoreGone, match="was deleted from its database"):
            ask()
