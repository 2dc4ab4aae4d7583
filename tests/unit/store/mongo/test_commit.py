import time
from dataclasses import replace

import pytest

from rtcdp.definitions import Count, TopK, tables_of
from rtcdp.store import Lease, LeaseLost, StoreUnavailable
from rtcdp.store.mongo import commit as mongo_commit
from rtcdp.store.mongo import plan as mongo_plan
from rtcdp.store.mongo.commit import change, redefine_tables, settled_head
from rtcdp.store.mongo.definitions import redefine
from rtcdp.store.mongo.epoch import Step, plan_epoch
from rtcdp.store.mongo.groups import GROUPS
from rtcdp.store.mongo.head import Head, change_head, read_head, read_pending
from rtcdp.store.mongo.layout import Readable
from rtcdp.store.mongo.plan import PLANS, Plan, PlanDamaged
from rtcdp.testing.epochs import EpochMaker
from rtcdp.testing.epochs import change as change_of

METRIC_MEASURES = (Count("events"), TopK("top", "productId"))


@pytest.fixture
def metric(written_out):
    return replace(written_out, measures=METRIC_MEASURES, key=("userId",))


@pytest.fixture
def prepared(mongo_database, metric):
    redefine_tables(mongo_database, None, lambda head: redefine(head, [metric]))
    return mongo_database


@pytest.fixture
def epoch(metric):
    buckets, top = tables_of(metric)
    return EpochMaker().make(
        change_of(buckets, (0, "ada", 3)), change_of(top, (0, "ada", "p", 3)), admitted=3
    )


def commit(database, epoch, lease=None):
    change(database, lease, lambda head: plan_epoch(head, epoch, None))


def counted(database):
    return [document["events"] for document in database.collection("sales").find()]


def test_a_head_is_made_when_there_is_none(mongo_database):
    assert settled_head(mongo_database) == Head()


def test_a_change_is_decided_carried_out_and_finished(prepared, epoch):
    commit(prepared, epoch)
    head = read_head(prepared)
    assert (head.revision, head.pending) == (2, None)
    assert head.state.progress.epoch == 1
    assert counted(prepared) == [3]


def test_what_changes_no_document_needs_one_step(mongo_database, monkeypatch):
    monkeypatch.setattr(mongo_commit, "write_plan", None)
    settled_head(mongo_database)
    epoch = EpochMaker().make(admitted=0)
    empty = replace(epoch, spans=(), ledger=epoch.ledger.clear())
    commit(mongo_database, empty)
    assert read_head(mongo_database).state.progress.epoch == 1


@pytest.fixture
def interrupted(prepared, epoch, monkeypatch):
    """A store in which a plan was decided, and nothing of it carried out."""
    monkeypatch.setattr(mongo_plan, "INLINE_BYTES_MAX", 0)
    with monkeypatch.context() as dying:
        dying.setattr(mongo_commit, "row_tasks", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            commit(prepared, epoch)
    return prepared


def test_what_was_decided_is_not_seen_before_it_is_carried_out(interrupted):
    head = read_head(interrupted)
    assert head.state.progress.epoch == 0
    assert head.pending["revision"] == 2


def test_whoever_comes_carries_out_what_was_decided(interrupted):
    assert settled_head(interrupted).state.progress.epoch == 1
    assert counted(interrupted) == [3]
    assert read_pending(interrupted) is None
    assert interrupted.collection(PLANS).count_documents({}) == 0


def test_whoever_was_paused_finds_a_plan_finished_and_brings_nothing_back(interrupted):
    paused = read_pending(interrupted)
    plan = mongo_plan.read_plan(interrupted, paused)
    settled_head(interrupted)
    # As when somebody was erased since.
    for name in ("sales", "sales__top"):
        interrupted.collection(name).delete_many({})
    mongo_commit._carry_out(interrupted, plan, paused, late_at=float("-inf"))
    assert counted(interrupted) == []


def test_whoever_is_paused_right_after_the_decision_is_late(prepared, epoch, monkeypatch):
    def decide_and_pause(database, *decision):
        assert change_head(database, *decision)
        settled_head(database)
        # As when somebody was erased since.
        for name in ("sales", "sales__top"):
            database.collection(name).delete_many({})
        time.sleep(0.6)
        return True

    monkeypatch.setattr(mongo_commit, "_LATE_S", 0.5)
    monkeypatch.setattr(mongo_commit, "change_head", decide_and_pause)
    commit(prepared, epoch)
    assert counted(prepared) == []


def test_a_plan_that_is_gone_is_told_and_not_waited_for(interrupted):
    interrupted.collection(PLANS).delete_many({})
    with pytest.raises(PlanDamaged):
        settled_head(interrupted)


def test_nothing_is_decided_without_the_lease(prepared, epoch):
    change_head(prepared, read_head(prepared), None, {"lease": vars(Lease(2, "b", 0))})
    with pytest.raises(LeaseLost):
        commit(prepared, epoch, Lease(1, "a", 10**15))
    with pytest.raises(LeaseLost):
        redefine_tables(prepared, Lease(1, "a", 10**15), lambda head: redefine(head, []))
    assert counted(prepared) == []
    commit(prepared, epoch, Lease(2, "b", 0))
    assert counted(prepared) == [3]


def test_a_change_between_reading_and_deciding_is_noticed(prepared, epoch):
    seen = []

    def step_of(head):
        seen.append(head.revision)
        if len(seen) == 1:
            change_head(prepared, head, None, {"revision": 7})
        return plan_epoch(head, epoch, None)

    change(prepared, None, step_of)
    assert seen == [1, 7]
    assert read_head(prepared).revision == 8
    assert counted(prepared) == [3]


def test_a_store_that_never_stands_still_is_given_up(mongo_database):
    settled_head(mongo_database)

    def step_of(head):
        change_head(mongo_database, head, None, {"revision": head.revision + 1})
        return Step(Plan(head.revision + 1, Readable(0)), head.state)

    with pytest.raises(StoreUnavailable, match="all the time"):
        change(mongo_database, None, step_of)


def test_an_old_definition_is_out_of_sight_at_once_and_then_deleted(
    prepared, epoch, metric, monkeypatch
):
    commit(prepared, epoch)
    assert read_head(prepared).kept != ()
    other = replace(metric, measures=(Count("again"),))
    with monkeypatch.context() as dying:
        dying.setattr(mongo_commit, "_delete_leftovers", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            redefine_tables(prepared, None, lambda head: redefine(head, [other]))
    head = read_head(prepared)
    assert head.since == {"sales": 3}
    assert head.readable_from == head.revision == 3
    assert head.kept == ()
    assert head.leftovers == (("sales", 3), ("sales__top", 3))
    redefine_tables(prepared, None, lambda head: redefine(head, [other]))
    for collection in ("sales", "sales__top", GROUPS):
        assert prepared.collection(collection).count_documents({}) == 0
    assert read_head(prepared).leftovers == ()


def test_the_same_definitions_change_nothing(prepared, metric):
    before = read_head(prepared)
    redefine_tables(prepared, None, lambda head: redefine(head, [metric]))
    assert read_head(prepared) == before
