"""A user is taken out in one commit: rows go, others come, and the ledger moves what it counted."""

from dataclasses import replace

import polars as pl
import pytest

from rtcdp.admission.erased import ErasedUser
from rtcdp.admission.verdicts import LEDGER_SCHEMA
from rtcdp.definitions import Fold, tables_of
from rtcdp.folds.rows import row_schema
from rtcdp.folds.sessions import Sessions
from rtcdp.folds.timeline import timeline_of
from rtcdp.store import Erasure, RowChanges, Scan, TableChange, UncountedScan
from rtcdp.store.checksums import check_sums
from rtcdp.store.rules import EpochUnbalanced
from rtcdp.testing.epochs import change, uncounted_of
from tests.conformance.stores.conftest import METRICS

FOLD = Fold("visits", "Visits", Sessions())
USER = ErasedUser.of("ada", "00" * 16, 77)
LONG = "é" * 1200


def views_of(views, *rows):
    (table,) = tables_of(views)
    schema = {"window_start": pl.Int64, "userId": pl.String} | dict.fromkeys(
        ("view_count", "least", "most"), pl.Int64
    )
    named = dict(zip(schema, table.column_names, strict=True))
    return TableChange(table, pl.DataFrame(list(rows), schema, orient="row").rename(named))


def change_of(table, rows):
    return change(table, *rows)


def erasing(epochs, removed, *changes, uncounted=(), **moved):
    counts = dict.fromkeys(LEDGER_SCHEMA.names()[2:], 0) | moved
    epoch = epochs.make(*changes, admitted=0)
    return replace(
        epoch,
        spans=(),
        ledger=pl.DataFrame([{"source": "default", "minute": 0} | counts], LEDGER_SCHEMA),
        uncounted=uncounted_of(*uncounted),
        erasure=Erasure(USER, (removed,)),
    )


@pytest.fixture
def views(metrics):
    return metrics["views"]


def test_a_user_goes_and_the_rest_balances(store, epochs, views):
    old = views_of(views, (0, "ada", 2, 1, 9), (0, LONG, 3, 1, 9), (0, "bob", 1, 5, 5))
    letter = {"verdict": "dead_letter", "reason": "future", "raw": b"ada", "user_id": "ada"}
    store.commit(epochs.make(old, admitted=6, uncounted=[letter]))
    gone = TableChange(old.table, old.rows.filter(pl.col("userId") != "bob"))
    anew = views_of(views, (0, LONG, 1, 4, 4))
    rows = [{"offset": 6, "verdict": "erased"}, {"offset": 0, "verdict": "erased"}]
    epoch = erasing(epochs, gone, anew, uncounted=rows, admitted=-1, dead_letter=-1, erased=2)
    store.commit(epoch)
    with store.snapshot() as snapshot:
        found = snapshot.scan(Scan(old.table)).select("userId", "view_count").rows()
        assert sorted(found) == [("bob", 1), (LONG, 1)]
        assert snapshot.ledger_totals() == {
            **dict.fromkeys(LEDGER_SCHEMA.names()[2:], 0),
            **{"received": 7, "admitted": 5, "erased": 2},
        }
        erased = snapshot.uncounted(UncountedScan(verdict="erased"))
        assert erased.select("offset", "raw", "user_id").sort("offset").rows() == [
            (0, None, None),
            (6, None, None),
        ]
        assert snapshot.uncounted(UncountedScan()).height == 2
        assert check_sums(snapshot, [views]).is_sound
    assert list(store.erased_users(only_pending=True)) == [USER]
    store.end_erasures()
    assert list(store.erased_users(only_pending=True)) == []
    assert list(store.erased_users()) == [USER]


def test_members_and_items_go_and_a_group_that_is_counted_anew_begins_without_any(
    store, epochs, tables
):
    users = replace(tables["reach__users"], capacity=3)
    top = replace(tables["reach__top"], capacity=2)
    put = [(0, "/a", n) for n in (5, 1, 4, 2, 3)], [(0, "/a", name, 2) for name in "abcd"]
    others = [(0, "/b", n) for n in (1, 9)], [(0, "/b", "a", 4), (0, "/b", "b", 1)]
    for rows in (put, others):
        store.commit(epochs.make(*map(change_of, (users, top), rows)))
    old = [change_of(users, put[0][1:2] + put[0][3:] + others[0][:1])]
    old.append(change_of(top, put[1] + others[1][:1]))
    anew = [change_of(users, [(0, "/a", n) for n in (2, 7)]), change_of(top, [(0, "/a", "b", 1)])]
    epoch = erasing(epochs, old[0], *anew)
    store.commit(replace(epoch, erasure=Erasure(USER, tuple(old))))
    for _ in range(2):
        assert store.dump(users).rows() == [(0, "/a", 2), (0, "/a", 7), (0, "/b", 9)]
        assert store.dump(top).rows() == [(0, "/a", "b", 1), (0, "/b", "b", 1)]
        store.end_erasures()
    # What was taken out may come again, and counts from nothing.
    again = [(0, "/a", n) for n in (1, 2)], [(0, "/a", "b", 2), (0, "/a", "c", 1)]
    store.commit(epochs.make(*map(change_of, (users, top), again)))
    assert store.dump(users).rows()[:-1] == [(0, "/a", n) for n in (1, 2, 7)]
    assert store.dump(top).rows()[:-1] == [(0, "/a", "b", 3), (0, "/a", "c", 1)]


def test_only_an_erasure_may_count_less(store, epochs):
    row = dict.fromkeys(LEDGER_SCHEMA.names()[2:], 0) | {"admitted": -1, "erased": 1}
    ledger = pl.DataFrame([{"source": "default", "minute": 0} | row], LEDGER_SCHEMA)
    with pytest.raises(EpochUnbalanced, match="does not balance"):
        store.commit(replace(epochs.make(admitted=0), ledger=ledger))


def test_what_is_kept_for_no_longer_goes_and_nothing_else_moves(store, epochs, views, open_store):
    table = timeline_of(FOLD).table
    store.prepare([*METRICS], (table,))
    chunk = {"userId": "ada", "hour": 0, "chunk": 7, "event_count": 2, "events": "an old one"}
    chunks = pl.DataFrame([chunk], row_schema(table.columns))
    letter = {"verdict": "dead_letter", "reason": "future", "raw": b"old", "user_id": "ada"}
    told = RowChanges(table, chunks.select(table.primary_key).clear(), chunks)
    first = epochs.make(views_of(views, (0, "ada", 2, 1, 9)), admitted=2, uncounted=[letter])
    store.commit(replace(first, rows=(told,)))
    with store.snapshot() as snapshot:
        totals, progress = snapshot.ledger_totals(), snapshot.progress
    left = chunks.with_columns(event_count=pl.lit(1, pl.Int64), events=pl.lit("a young one"))
    standing = {"offset": 2, "verdict": "dead_letter", "reason": "future"}
    epoch = replace(
        epochs.make(admitted=0),
        spans=(),
        ledger=LEDGER_SCHEMA.to_frame(),
        uncounted=uncounted_of(standing),
        rows=(RowChanges(table, chunks.select(table.primary_key).clear(), left, chunks),),
        erasure=Erasure(None),
    )
    store.commit(epoch)
    store.end_erasures()
    with open_store().snapshot() as snapshot:
        assert snapshot.ledger_totals() == totals
        assert snapshot.progress.next_offsets == progress.next_offsets
        (row,) = snapshot.uncounted(UncountedScan()).rows(named=True)
        assert (row["verdict"], row["reason"], row["raw"], row["user_id"]) == (
            "dead_letter",
            "future",
            None,
            None,
        )
        assert snapshot.verdicts(0, 0, 9)["offset"].to_list() == [2]
        found = snapshot.scan(Scan(tables_of(views)[0])).select("userId", "view_count").rows()
        assert found == [("ada", 2)]
        assert check_sums(snapshot, [views]).is_sound
    assert store.dump(table)["events"].to_list() == ["a young one"]
    assert list(store.erased_users()) == []
