import pytest

from rtcdp.definitions import tables_of
from rtcdp.store import Scan
from rtcdp.store.mongo.expiry import expire
from rtcdp.store.mongo.groups import GROUPS
from rtcdp.store.mongo.head import HEAD, PROGRESS, make_head, read_head
from rtcdp.store.mongo.snapshot import SnapshotTooOld
from rtcdp.testing.epochs import EpochMaker, change

MINUTE = 60_000


@pytest.fixture
def users(written_out):
    return tables_of(written_out)[1]


@pytest.fixture
def store(open_mongo_store, written_out, users):
    """Two minutes, with a member, an uncounted record and a span each."""
    opened = open_mongo_store()
    opened.prepare([written_out])
    epochs = EpochMaker()
    for start in (MINUTE, 2 * MINUTE):
        epoch = epochs.make(
            change(users, (start, "/a", "ada", 1)), uncounted=[{}], received_at=start
        )
        opened.commit(epoch)
    return opened


def documents(database):
    names = ("sales__users", GROUPS, "_ledger", "_uncounted", "_spans")
    return [database.collection(name).count_documents({}) for name in names]


@pytest.mark.usefixtures("store")
def test_rows_are_out_of_sight_first_and_deleted_the_next_time(mongo_database):
    assert expire(mongo_database, None, 2 * MINUTE, 2 * MINUTE, {0: 2}) == 4
    assert documents(mongo_database) == [2, 2, 2, 2, 2]
    assert expire(mongo_database, None, 2 * MINUTE, 2 * MINUTE, {0: 2}) == 0
    assert documents(mongo_database) == [1, 1, 1, 1, 1]


def test_a_snapshot_does_not_lose_rows_on_its_way(store, users):
    with store.snapshot() as snapshot:
        store.expire(buckets_before=2 * MINUTE, uncounted_before=0, offsets_before={})
        assert snapshot.scan(Scan(users)).height == 2
        store.expire(buckets_before=2 * MINUTE, uncounted_before=0, offsets_before={})
        with pytest.raises(SnapshotTooOld):
            snapshot.scan(Scan(users))
    assert store.dump(users)["window_start"].to_list() == [2 * MINUTE]


def test_a_longer_retention_shows_what_is_not_deleted_yet(store, users):
    store.expire(buckets_before=2 * MINUTE, uncounted_before=0, offsets_before={})
    assert store.dump(users).height == 1
    store.expire(buckets_before=0, uncounted_before=0, offsets_before={})
    store.expire(buckets_before=0, uncounted_before=0, offsets_before={})
    assert store.dump(users).height == 1


def test_a_store_that_is_not_there_has_nothing_to_expire(mongo_database):
    assert expire(mongo_database, None, MINUTE, MINUTE, {0: 2}) == 0
    assert read_head(mongo_database) is None
    make_head(mongo_database)
    assert expire(mongo_database, None, MINUTE, MINUTE, {0: 2}) == 0


def test_what_an_older_version_let_expire_is_not_taken_for_admitted(
    store, open_mongo_store, mongo_database, written_out
):
    head = mongo_database.collection(PROGRESS)
    old = {f"floors.{name}": "" for name in ("offsets_before", "offsets_deleted")}
    old |= {f"partitions.0.{name}": "" for name in ("remembered_from", "decided_from")}
    second = mongo_database.collection("_spans").find_one({}, sort=[("first_offset", -1)])
    floor = {"floors.uncounted_before": int(second["committed_at"])}
    head.update_one({"_id": HEAD}, {"$unset": old, "$set": {"version": 1, **floor}})
    assert store.progress().decided_from == {0: 0}
    upgraded = open_mongo_store()
    upgraded.prepare([written_out])
    assert upgraded.progress().decided_from == {0: second["first_offset"]}
    upgraded.prepare([written_out])
    assert upgraded.progress().decided_from == {0: second["first_offset"]}
