"""An epoch is applied entirely or not at all, once, and merges by the tables' rules."""

from dataclasses import replace

import polars as pl
import pytest

from rtcdp.admission.verdicts import LEDGER_SCHEMA
from rtcdp.log.contract import LogMark
from rtcdp.store import EpochRefused, EpochSpan, Progress, StateMismatch, TableChange
from rtcdp.store.rules import EpochUnbalanced
from rtcdp.testing.epochs import change, rows_of


def totals(store):
    with store.snapshot() as snapshot:
        return snapshot.ledger_totals()


def test_a_new_store_is_at_epoch_zero_and_empty(open_store, tables):
    store = open_store()
    assert store.progress() == Progress()
    assert store.metrics() == {}
    assert store.dump(tables["views"]).is_empty()
    assert totals(store)["received"] == 0


def test_counts_are_added_up(store, epochs, tables):
    store.commit(epochs.make(change(tables["views"], (0, "ada", 1, None, None))))
    store.commit(
        epochs.make(
            change(tables["views"], (0, "ada", 2, None, None), (60_000, "ada", 5, None, None))
        )
    )
    assert store.dump(tables["views"])["view_count"].to_list() == [3, 5]


def test_the_smallest_and_largest_value_is_kept(store, epochs, tables):
    for least, most in ((2.5, 2.5), (-1.0, 7.0), (9.0, 0.0)):
        store.commit(epochs.make(change(tables["views"], (0, "ada", 1, least, most))))
    assert store.dump(tables["views"]).row(0) == (0, "ada", 3, -1.0, 7.0)


def test_no_value_never_wins_against_a_value(store, epochs, tables):
    for value in (None, 4.0, None):
        store.commit(epochs.make(change(tables["views"], (0, "ada", 1, value, value))))
    assert store.dump(tables["views"]).row(0) == (0, "ada", 3, 4.0, 4.0)


def test_a_member_is_kept_once(store, epochs, tables):
    store.commit(epochs.make(change(tables["reach__users"], (0, "/a", 7), (0, "/a", -7))))
    store.commit(epochs.make(change(tables["reach__users"], (0, "/a", 7), (0, "/b", 7))))
    assert store.dump(tables["reach__users"]).rows() == [(0, "/a", -7), (0, "/a", 7), (0, "/b", 7)]


def test_only_the_smallest_members_of_a_group_are_kept(store, epochs, tables):
    users = replace(tables["reach__users"], capacity=2)
    store.commit(epochs.make(change(users, (0, "/a", 5), (0, "/a", 4), (0, "/b", 9))))
    store.commit(epochs.make(change(users, (0, "/a", -3), (0, "/a", 6), (60_000, "/a", 8))))
    assert store.dump(users).rows() == [
        (0, "/a", -3),
        (0, "/a", 4),
        (0, "/b", 9),
        (60_000, "/a", 8),
    ]


def test_items_are_exact_up_to_twice_the_capacity(store, epochs, tables):
    top = replace(tables["reach__top"], capacity=2)
    store.commit(epochs.make(change(top, *((0, "/a", item, 1) for item in "abcd"))))
    store.commit(epochs.make(change(top, (0, "/a", "d", 3))))
    assert store.dump(top)["item_count"].to_list() == [1, 1, 1, 4]


def test_beyond_that_the_first_count_too_many_is_taken_off_all_items(store, epochs, tables):
    top = replace(tables["reach__top"], capacity=2)
    counts = zip("abcde", (9, 7, 3, 2, 1), strict=True)
    store.commit(
        epochs.make(
            change(top, *((0, "/a", item, count) for item, count in counts), (0, "/b", "a", 1))
        )
    )
    assert store.dump(top).rows() == [(0, "/a", "a", 6), (0, "/a", "b", 4), (0, "/b", "a", 1)]


def test_progress_says_where_to_resume(store, epochs):
    store.commit(epochs.make(admitted=3, received_at=700))
    late_clock = replace(epochs.make(admitted=2, received_at=500), committed_at=900, engine="spark")
    store.commit(late_clock)
    assert store.progress() == Progress(
        epoch=2,
        next_offsets={0: 5},
        max_received_at={0: 700},
        committed_at=900,
        engine="spark",
        decided_from={0: 0},
    )


def test_partitions_advance_by_themselves(store, epochs):
    epoch = epochs.make(admitted=2)
    spans = (*epoch.spans, EpochSpan(3, 10, 10, None, None))
    store.commit(replace(epoch, spans=spans, max_received_at={0: 1, 3: 2}))
    assert store.progress().next_offsets == {0: 2, 3: 10}
    assert store.progress().max_received_at == {0: 1, 3: 2}


@pytest.mark.parametrize("number", [0, 1, 3])
def test_an_epoch_that_does_not_follow_is_refused(store, epochs, tables, number):
    store.commit(epochs.make(change(tables["views"], (0, "ada", 1, None, None))))
    wrong = replace(epochs.make(change(tables["views"], (0, "ada", 1, None, None))), number=number)
    with pytest.raises(EpochRefused):
        store.commit(wrong)
    assert store.dump(tables["views"])["view_count"].to_list() == [1]
    assert store.progress().epoch == 1
    assert totals(store)["received"] == 1


def test_offsets_that_were_counted_are_refused(store, epochs):
    store.commit(epochs.make(admitted=5))
    with pytest.raises(EpochRefused, match="offset 4"):
        store.commit(replace(epochs.make(admitted=5), spans=(EpochSpan(0, 4, 9, None, None),)))


def test_offsets_that_one_epoch_counts_twice_are_refused(store, epochs):
    twice = (EpochSpan(0, 0, 3, None, None), EpochSpan(0, 2, 4, None, None))
    with pytest.raises(EpochRefused, match="offset 2"):
        store.commit(replace(epochs.make(admitted=5), spans=twice))


def test_the_loser_of_two_writers_is_refused(open_store, store, epochs, metrics):
    other = open_store()
    other.prepare(tuple(metrics.values()))
    store.commit(epochs.make())
    losing = epochs.make()
    with pytest.raises(EpochRefused):
        other.commit(replace(losing, number=1))
    other.commit(replace(losing, number=2))


def test_an_epoch_that_leaves_records_out_is_refused(store, epochs):
    store.commit(epochs.make())
    epochs.next_offset += 1
    with pytest.raises(EpochRefused, match="starts at offset 2"):
        store.commit(epochs.make())


def test_a_writer_with_old_definitions_is_refused(open_store, store, epochs, metrics):
    changed = [replace(metrics["views"], key=("productId",)), *list(metrics.values())[1:]]
    open_store().prepare(changed)
    with pytest.raises(EpochRefused, match="definitions"):
        store.commit(epochs.make())


def test_rows_of_a_metric_that_was_not_prepared_are_refused(open_store, epochs, tables, metrics):
    store = open_store()
    store.prepare([metrics["shop"]])
    with pytest.raises(StateMismatch, match="views"):
        store.commit(epochs.make(change(tables["views"], (0, "ada", 1, None, None))))


@pytest.mark.parametrize(
    "wrong", [{"admitted": 2}, {"late": -1, "admitted": 2}, {"conflict": 1}, {"received": 2}]
)
def test_an_epoch_whose_ledger_does_not_balance_is_refused(store, epochs, tables, wrong):
    epoch = epochs.make(change(tables["views"], (0, "ada", 1, None, None)))
    row = {**epoch.ledger.row(0, named=True), **wrong}
    with pytest.raises(EpochUnbalanced):
        store.commit(replace(epoch, ledger=pl.DataFrame([row], LEDGER_SCHEMA)))
    assert store.progress().epoch == 0
    assert store.dump(tables["views"]).is_empty()


def test_an_epoch_that_accounts_for_less_than_it_read_is_refused(store, epochs):
    epoch = epochs.make(admitted=5)
    with pytest.raises(EpochUnbalanced, match="read 6 records and accounts for 5"):
        store.commit(replace(epoch, spans=(EpochSpan(0, 0, 6, None, None),)))


def test_an_epoch_without_rows_still_counts(store, epochs, tables):
    store.commit(epochs.make(change(tables["views"]), admitted=0))
    assert store.progress().epoch == 1


def test_columns_may_come_in_another_order_and_narrower_types(store, epochs, tables):
    rows = rows_of(tables["views"], (0, "ada", 1, 2.0, 2.0)).select(
        "most", "least", "view_count", "userId", "window_start"
    )
    narrow = rows.cast({"view_count": pl.UInt32, "most": pl.Float32})
    store.commit(epochs.make(TableChange(tables["views"], narrow)))
    assert store.dump(tables["views"]).row(0) == (0, "ada", 1, 2.0, 2.0)


def test_the_last_record_that_is_known_is_kept_for_each_partition(store, open_store, epochs):
    first, second = LogMark(0, 2**63 - 1), LogMark(1, 5)
    store.commit(replace(epochs.make(), marks={0: first}))
    assert store.progress().marks == {0: first}
    store.commit(epochs.make())
    assert open_store().progress().marks == {0: first}
    store.commit(replace(epochs.make(), marks={0: second}))
    with store.snapshot() as snapshot:
        assert snapshot.progress.marks == {0: second}
