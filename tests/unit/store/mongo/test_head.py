from dataclasses import replace

import pytest

from rtcdp.store import Lease, LeaseLost, Progress, StateMismatch
from rtcdp.store.mongo.head import (
    HEAD,
    PROGRESS,
    VERSION,
    Definition,
    Floors,
    Head,
    Kept,
    LastSpan,
    State,
    change_head,
    finish,
    kept_document,
    leftovers_document,
    make_head,
    raise_floors,
    read_head,
    read_limits,
    read_pending,
    state_document,
    upgrade_head,
)
from rtcdp.store.mongo.layout import Readable
from rtcdp.store.rules import check_holds

NEW_OF_PARTITIONS = ("remembered_from", "decided_from")

STATE = State(
    progress=Progress(
        epoch=3,
        next_offsets={0: 5, 7: 2**62},
        max_received_at={0: 9},
        committed_at=11,
        engine="spark",
        log_id="one",
        remembered_from={7: 3},
        decided_from={0: 1, 7: 2},
    ),
    totals={
        "received": 5,
        "admitted": 4,
        "duplicate": 1,
        "late": 0,
        "dead_letter": 0,
        "conflict": 1,
        "erased": 0,
    },
    definitions=(Definition("m", "f", True, False, 2, ("m", "m__top"), {0: 4}, 17),),
    last_spans=(LastSpan(0, 0, 5, None, 8, 11), LastSpan(7, 0, 1, 1, 1, 1)),
    recent=((1, 5), (2, 11)),
)


@pytest.fixture
def head(mongo_database):
    make_head(mongo_database)
    return read_head(mongo_database)


def test_there_is_no_head_before_the_first_writer(mongo_database):
    assert read_head(mongo_database) is None
    assert read_pending(mongo_database) is None
    assert raise_floors(mongo_database, None, 1, 1, {}) is None


def test_a_new_store_is_made_once(mongo_database, head):
    assert head == Head()
    assert change_head(mongo_database, head, None, {"revision": 5})
    make_head(mongo_database)
    assert read_head(mongo_database).revision == 5


def test_a_state_comes_back_as_it_was(mongo_database, head):
    assert change_head(mongo_database, head, None, state_document(STATE))
    found = read_head(mongo_database).state
    assert found == STATE
    assert type(found.progress.next_offsets[7]) is int


def test_states_that_are_kept_come_back_as_they_were(mongo_database, head):
    kept = (Kept(2, 7, STATE), Kept(5, 9, State()))
    assert change_head(mongo_database, head, None, {"kept": kept_document(kept)})
    assert read_head(mongo_database).kept == kept
    assert read_limits(mongo_database)[0] == Readable(0, (2, 5))


def test_a_head_that_changed_meanwhile_is_not_changed(mongo_database, head):
    assert change_head(mongo_database, head, None, {"revision": 1})
    assert not change_head(mongo_database, head, None, {"revision": 2})
    assert read_head(mongo_database).revision == 1


def test_a_head_with_a_plan_is_changed_by_nothing_but_its_end(mongo_database, head):
    pending = {"id": "a", "revision": 1, "chunks": 0, "after": state_document(STATE)}
    assert change_head(mongo_database, head, None, {"plan": pending})
    assert not change_head(mongo_database, head, None, {"revision": 1})
    assert read_head(mongo_database).pending["id"] == "a"
    finish(mongo_database, {**pending, "id": "b"})
    assert read_head(mongo_database).revision == 0
    finish(mongo_database, read_pending(mongo_database))
    assert read_head(mongo_database) == replace(head, revision=1, state=STATE)


def test_whoever_has_lost_the_lease_changes_nothing(mongo_database, head):
    lease = {"token": 2, "holder": "b", "expires_at": 0}
    assert change_head(mongo_database, head, None, {"lease": lease})
    first = Lease(1, "a", 10**9)
    assert not change_head(mongo_database, head, first, {"revision": 1})
    with pytest.raises(LeaseLost, match="by b"):
        check_holds(read_head(mongo_database).lease, first)
    with pytest.raises(LeaseLost, match="by b"):
        raise_floors(mongo_database, first, 1, 1, {})
    assert change_head(mongo_database, head, Lease(2, "b", 0), {"revision": 1})


def test_who_has_no_lease_loses_none():
    check_holds(Head().lease, None)
    with pytest.raises(LeaseLost):
        check_holds(Head().lease, Lease(1, "a", 0))


def test_what_expires_is_deleted_the_next_time(mongo_database, head):
    assert raise_floors(mongo_database, None, 5, 6, {0: 3}) == head.floors == Floors()
    lowest = Floors().buckets_before
    assert raise_floors(mongo_database, None, 7, 4, {1: 2}) == Floors(
        5, 6, lowest, lowest, {0: 3}, {}
    )
    assert read_limits(mongo_database) == (Readable(0), Floors(7, 6, 5, 6, {0: 3, 1: 2}, {0: 3}))
    assert read_head(mongo_database).floors == Floors(7, 6, 5, 6, {0: 3, 1: 2}, {0: 3})


def test_tables_are_known_with_the_revision_of_their_definition():
    assert Head(state=STATE).since == {"m": 2, "m__top": 2}


def test_leftovers_are_remembered(mongo_database, head):
    change_head(mongo_database, head, None, {"leftovers": leftovers_document({"m": 4})})
    assert read_head(mongo_database).leftovers == (("m", 4),)


def test_a_store_of_a_newer_version_is_not_touched(mongo_database):
    mongo_database.collection(PROGRESS).insert_one({"_id": HEAD, "version": VERSION + 1})
    with pytest.raises(StateMismatch, match=str(VERSION + 1)):
        read_head(mongo_database)


def test_a_head_of_before_is_read_and_upgraded(mongo_database, head):
    assert change_head(mongo_database, head, None, state_document(STATE))
    old = {"rules": "", "time": "", "floors.offsets_before": "", "floors.offsets_deleted": ""}
    parts = {f"partitions.{n}.{name}": "" for n in (0, 1) for name in NEW_OF_PARTITIONS}
    mongo_database.collection("_progress").update_one(
        {"_id": "head"}, {"$unset": {**old, **parts}, "$set": {"version": 1}}
    )
    found = read_head(mongo_database)
    assert found.state.progress.next_offsets == STATE.progress.next_offsets
    assert found.state.progress.remembered_from == {}
    assert found.state.progress.decided_from == {0: 0, 7: 0}
    assert (found.rules, found.time, found.floors) == ((), Head().time, Floors())
    upgrade_head(mongo_database, None)
    stored = mongo_database.collection("_progress").find_one({"_id": "head"})
    assert stored["version"] == VERSION


@pytest.mark.parametrize(("version", "offsets_before"), [(1, {0: 5, 7: 2**62}), (2, {7: 3})])
def test_what_expired_before_offsets_did_is_known_once(
    mongo_database, head, version, offsets_before
):
    change_head(mongo_database, head, None, state_document(STATE))
    raise_floors(mongo_database, None, 10, 10, {7: 3} if version == 2 else {})
    mongo_database.collection(PROGRESS).update_one({}, {"$set": {"version": version}})
    upgrade_head(mongo_database, None)
    assert dict(read_head(mongo_database).floors.offsets_before) == offsets_before


def test_a_row_table_is_remembered_as_one(mongo_database, head):
    traits = Definition("traits", "f", True, True, 3, ("traits",), is_rows=True, time=None)
    stays = replace(traits, name="stays", tables=("stays",), time="start")
    views = Definition("views", "g", True, True, 3, ("views", "views__users"))
    state = replace(STATE, definitions=(stays, traits, views))
    change_head(mongo_database, head, None, state_document(state))
    found = read_head(mongo_database)
    assert found.state.definitions == (stays, traits, views)
    assert found.times == {
        "stays": "start",
        "views": "window_start",
        "views__users": "window_start",
    }
