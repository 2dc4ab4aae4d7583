"""One processor at a time has the right to write to a store, and a store counts one log."""

import threading
from dataclasses import replace

import pytest

from rtcdp.store import EpochRefused, Lease, LeaseHeld, LeaseLost
from rtcdp.testing.epochs import EpochMaker, change

TTL = 1000


def one_more(epochs, tables):
    return epochs.make(change(tables["views"], (0, "ada", 1, None, None)))


def counted(store, tables):
    return store.dump(tables["views"])["view_count"].to_list()


@pytest.fixture
def other(open_store, store):
    """A second processor's store, which is the same one."""
    del store
    return open_store()


def test_the_first_to_ask_gets_the_lease(store):
    assert store.acquire_lease("a", now_ms=5, ttl_ms=TTL) == Lease(1, "a", 5 + TTL)


def test_nobody_else_gets_it_while_it_lasts(store, other):
    held = store.acquire_lease("a", now_ms=0, ttl_ms=TTL)
    with pytest.raises(LeaseHeld, match=r"a$") as refused:
        other.acquire_lease("b", now_ms=TTL - 1, ttl_ms=TTL)
    assert refused.value.lease == held


def test_it_can_be_taken_over_when_it_has_ended(store, other):
    store.acquire_lease("a", now_ms=0, ttl_ms=TTL)
    assert other.acquire_lease("b", now_ms=TTL, ttl_ms=TTL) == Lease(2, "b", 2 * TTL)


def test_a_renewed_one_lasts_longer(store, other):
    store.acquire_lease("a", now_ms=0, ttl_ms=TTL)
    store.renew_lease(now_ms=TTL - 1, ttl_ms=TTL)
    with pytest.raises(LeaseHeld):
        other.acquire_lease("b", now_ms=TTL, ttl_ms=TTL)
    assert other.acquire_lease("b", now_ms=2 * TTL - 1, ttl_ms=TTL).token == 2


def test_one_that_is_given_back_is_free_at_once(store, other):
    store.acquire_lease("a", now_ms=0, ttl_ms=TTL)
    store.release_lease()
    assert other.acquire_lease("b", now_ms=1, ttl_ms=TTL).token == 2


def test_whoever_knows_that_the_holder_is_dead_may_take_it_over(store, other):
    held = store.acquire_lease("a", now_ms=0, ttl_ms=TTL)
    with pytest.raises(LeaseHeld):
        other.acquire_lease("b", now_ms=1, ttl_ms=TTL, over=held.token + 1)
    assert other.acquire_lease("b", now_ms=1, ttl_ms=TTL, over=held.token).token == 2


def test_the_same_holder_takes_its_lease_anew(store, other):
    store.acquire_lease("a", now_ms=0, ttl_ms=TTL)
    assert other.acquire_lease("a", now_ms=1, ttl_ms=TTL) == Lease(2, "a", 1 + TTL)


def test_whoever_was_taken_over_writes_no_more(store, other, epochs, tables, metrics):
    store.acquire_lease("a", now_ms=0, ttl_ms=TTL)
    store.commit(one_more(epochs, tables))
    other.acquire_lease("b", now_ms=TTL, ttl_ms=TTL)
    row = change(tables["views"], (0, "ada", 1, None, None))
    for write in (
        lambda: store.commit(epochs.make(row)),
        lambda: store.prepare(tuple(metrics.values())),
        lambda: store.commit_backfill("views", [row], {0: 1}, complete=True),
        lambda: store.expire(buckets_before=10**9, uncounted_before=10**9, offsets_before={}),
        lambda: store.renew_lease(now_ms=TTL, ttl_ms=TTL),
    ):
        with pytest.raises(LeaseLost, match=r"b$"):
            write()
    assert counted(store, tables) == [1]


def test_whoever_took_over_goes_on_where_the_other_stopped(store, other, epochs, tables, metrics):
    store.acquire_lease("a", now_ms=0, ttl_ms=TTL)
    store.commit(one_more(epochs, tables))
    other.acquire_lease("b", now_ms=TTL, ttl_ms=TTL)
    other.prepare(tuple(metrics.values()))
    other.commit(one_more(epochs, tables))
    assert counted(store, tables) == [2]


def test_giving_back_what_was_taken_over_does_not_touch_the_new_lease(store, other, open_store):
    store.acquire_lease("a", now_ms=0, ttl_ms=TTL)
    other.acquire_lease("b", now_ms=TTL, ttl_ms=TTL)
    store.release_lease()
    with pytest.raises(LeaseHeld, match=r"b$"):
        open_store().acquire_lease("c", now_ms=TTL, ttl_ms=TTL)


def test_without_a_lease_there_is_nothing_to_renew_or_to_give_back(store, epochs, tables):
    store.renew_lease(now_ms=0, ttl_ms=TTL)
    store.release_lease()
    store.commit(one_more(epochs, tables))
    assert counted(store, tables) == [1]


def test_of_many_who_ask_at_once_one_gets_it(open_store, store):
    del store
    got, refused = [], []
    start = threading.Barrier(6)

    def ask(holder):
        one = open_store()
        start.wait()
        try:
            got.append(one.acquire_lease(holder, now_ms=0, ttl_ms=TTL))
        except LeaseHeld as error:
            refused.append(error.lease)

    askers = [threading.Thread(target=ask, args=(f"h{n}",)) for n in range(6)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(got) == 1
    assert refused == got * 5


def test_the_log_is_remembered_and_another_one_refused(store, epochs, tables):
    store.commit(replace(one_more(epochs, tables), log_id="one"))
    assert store.progress().log_id == "one"
    following = one_more(epochs, tables)
    with pytest.raises(EpochRefused, match=r"another|two"):
        store.commit(replace(following, log_id="two"))
    assert counted(store, tables) == [1]
    store.commit(replace(following, log_id="one"))
    assert counted(store, tables) == [2]


def test_a_log_without_a_name_is_any_log(store, tables):
    epochs = EpochMaker()
    for log_id in ("", "one", ""):
        store.commit(replace(one_more(epochs, tables), log_id=log_id))
    assert store.progress().log_id == "one"
    assert counted(store, tables) == [3]


def test_offsets_without_a_record_are_not_missed(store, epochs):
    epoch = epochs.make(admitted=3)
    [span] = epoch.spans
    store.commit(replace(epoch, spans=(replace(span, next_offset=5),), gaps=2))
    assert store.progress().next_offsets == {0: 5}
    with store.snapshot() as snapshot:
        assert snapshot.ledger_totals()["received"] == 3
