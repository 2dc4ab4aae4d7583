from dataclasses import replace

import polars as pl
import pytest

from rtcdp.definitions import Count, Distinct, TopK, tables_of
from rtcdp.store import Scan, StoreUnavailable, UncountedScan
from rtcdp.store.mongo.head import Head, read_head
from rtcdp.store.mongo.readable import KEPT_EVERY_MS, KEPT_MAX, READABLE_MS, READABLE_REVISIONS_MAX
from rtcdp.store.mongo.snapshot import MongoSnapshot, SnapshotTooOld
from rtcdp.testing.epochs import EpochMaker, change

CAPACITY = 2


@pytest.fixture
def metric(written_out):
    measures = (Count("events"), Distinct("users", "userId"), TopK("top", "productId"))
    return replace(written_out, measures=measures, key=("pageUrl",))


@pytest.fixture
def tables(metric):
    return [replace(table, capacity=CAPACITY) for table in tables_of(metric)]


@pytest.fixture
def store(open_mongo_store, metric):
    opened = open_mongo_store()
    opened.prepare([metric])
    return opened


@pytest.fixture
def epochs():
    return EpochMaker()


def epoch_of(epochs, tables, number, at_ms=None):
    """One more event, member, item, and uncounted record; the largest member so far is new."""
    buckets, users, top = tables
    epoch = epochs.make(
        change(buckets, (0, "/a", 1)),
        change(users, (0, "/a", -number)),
        change(top, (0, "/a", f"p{number}", number)),
        uncounted=[{}],
        event_times=(number, number),
    )
    return replace(epoch, committed_at=number if at_ms is None else at_ms)


def everything(snapshot, tables):
    buckets, users, top = tables
    group = pl.DataFrame({"window_start": [0], "pageUrl": ["/a"]})
    return (
        snapshot.progress.epoch,
        snapshot.scan(Scan(buckets)).rows(),
        snapshot.scan(Scan(users)).rows(),
        snapshot.members(users, group).rows(),
        snapshot.scan(Scan(top)).rows(),
        snapshot.members(top, group).rows(),
        snapshot.ledger()["received"].to_list(),
        snapshot.uncounted(UncountedScan()).height,
        [span.next_offset for span in snapshot.spans(0, 10**6)],
    )


def test_a_snapshot_stays_as_it_was_while_others_commit(store, epochs, tables):
    for number in range(1, 4):
        store.commit(epoch_of(epochs, tables, number))
    with store.snapshot() as snapshot:
        before = everything(snapshot, tables)
        for number in range(4, 20):
            store.commit(epoch_of(epochs, tables, number))
            assert everything(snapshot, tables) == before
    assert before[0] == 3
    assert before[1] == [(0, "/a", 3)]
    assert before[2] == before[3] == [(0, "/a", -3), (0, "/a", -2)]
    assert sorted(before[4]) == [(0, "/a", f"p{n}", n) for n in (1, 2, 3)]
    assert before[6:] == ([6], 3, [6])


@pytest.mark.parametrize(("count", "apart_ms"), [(READABLE_REVISIONS_MAX + 2, 0), (3, READABLE_MS)])
def test_a_snapshot_that_is_too_old_says_so_and_gives_out_nothing(
    store, epochs, tables, count, apart_ms
):
    buckets, *_ = tables
    store.commit(epoch_of(epochs, tables, 1, 0))
    with store.snapshot() as snapshot:
        for number in range(2, 2 + count):
            one_more = epochs.make(change(buckets, (0, "/a", 1)))
            store.commit(replace(one_more, committed_at=number * apart_ms))
        for read in (
            lambda: snapshot.scan(Scan(buckets)),
            lambda: snapshot.members(
                tables[1], pl.DataFrame({"window_start": [0], "pageUrl": "a"})
            ),
            snapshot.ledger,
            lambda: snapshot.uncounted(UncountedScan()),
            lambda: snapshot.spans(0, 9),
        ):
            with pytest.raises(SnapshotTooOld) as too_old:
                read()
    assert isinstance(too_old.value, StoreUnavailable)
    assert store.dump(buckets)["events"].to_list() == [count + 1]


def test_no_document_keeps_more_versions_than_can_be_read(store, epochs, tables, mongo_database):
    buckets, *_ = tables
    for _ in range(READABLE_REVISIONS_MAX + 20):
        store.commit(epochs.make(change(buckets, (0, "/a", 1))))
    document = mongo_database.collection("sales").find_one()
    assert len(document["_before"]) == READABLE_REVISIONS_MAX + 1
    for number in range(1, 4):
        one_more = epochs.make(change(buckets, (0, "/a", 1)))
        store.commit(replace(one_more, committed_at=number * KEPT_EVERY_MS))
    assert len(mongo_database.collection("sales").find_one()["_before"]) == KEPT_MAX


def test_a_lasting_snapshot_can_be_read_for_long(store, epochs, tables):
    for number in range(1, 5):
        store.commit(epoch_of(epochs, tables, number, number * 1000))
    with store.snapshot(lasting=True) as empty:
        assert everything(empty, tables)[0] == 0
    store.commit(epoch_of(epochs, tables, 5, 2 * KEPT_EVERY_MS))
    with store.snapshot(lasting=True) as lasting:
        before = everything(lasting, tables)
        assert before[:2] == (4, [(0, "/a", 4)])
        for number in range(6, 12 + READABLE_REVISIONS_MAX):
            at_ms = 2 * KEPT_EVERY_MS + number * KEPT_EVERY_MS // 300
            store.commit(epoch_of(epochs, tables, number, at_ms))
        assert everything(lasting, tables) == before
        for number in range(1, 4):
            at_ms = (3 + number) * KEPT_EVERY_MS
            store.commit(replace(epochs.make(), committed_at=at_ms))
        with pytest.raises(SnapshotTooOld):
            lasting.ledger()


def test_what_is_written_before_it_is_decided_is_not_seen(store, epochs, tables, mongo_database):
    store.commit(epoch_of(epochs, tables, 1))
    head = read_head(mongo_database)
    early = MongoSnapshot(mongo_database, replace(head, revision=head.revision - 1))
    store.commit(epoch_of(epochs, tables, 2))
    found = everything(early, tables)
    assert found[1:6] == ([], [], [], [], [])
    assert found[6:] == ([], 0, [])


def test_a_store_that_is_not_there_is_empty(mongo_database, tables):
    empty = MongoSnapshot(mongo_database, Head())
    assert everything(empty, tables) == (0, [], [], [], [], [], [], 0, [])
    assert empty.ledger_totals()["received"] == 0
    assert empty.dump(tables[0]).schema == store_schema(tables[0])


def store_schema(table):
    types = {"window_start": pl.Int64, "pageUrl": pl.String, "events": pl.Int64}
    return pl.Schema({name: types[name] for name in table.column_names})


def test_groups_come_as_often_and_in_the_order_in_which_they_were_asked_for(store, epochs, tables):
    _, users, _ = tables
    rows = [(start, page, n) for start in (0, 60_000) for page in ("/a", "/b") for n in (1, 2, 3)]
    store.commit(epochs.make(change(users, *rows)))
    asked = [(60_000, "/b"), (0, "/a"), (7, "/a"), (60_000, "/b")]
    groups = pl.DataFrame(asked, ["window_start", "pageUrl"], orient="row")
    with store.snapshot() as snapshot:
        found = snapshot.members(users, groups).rows()
    assert found == [(*group, n) for group in asked if group != (7, "/a") for n in (1, 2)]
