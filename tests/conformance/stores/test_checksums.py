"""Every store knows what its counts have to add up to, whatever was done to it."""

from dataclasses import replace

import pytest

from rtcdp.clock import DAY_MS
from rtcdp.definitions import Count, tables_of
from rtcdp.store.checksums import check_sums
from rtcdp.testing.epochs import change

MINUTE = 60_000


def checked(store, metrics):
    with store.snapshot() as snapshot:
        return check_sums(snapshot, metrics)


@pytest.fixture
def filled(store, epochs, tables):
    for day in range(3):
        start = day * DAY_MS
        store.commit(
            epochs.make(
                change(
                    tables["views"],
                    (start, "ada", 2**40, 1.0, 2.0),
                    (start + MINUTE, "bob", 2, None, None),
                ),
                change(tables["shop"], (start, "/a", "ada", 3, -7, 5, -9, 1)),
                change(tables["total__panes"], (start, 4)),
                received_at=start,
            )
        )
    return store


def test_what_was_counted_adds_up(filled, metrics):
    found = checked(filled, metrics.values())
    assert found.is_sound
    assert (found.tables, found.rows, found.left_out) == (3, 12, ())


def test_an_empty_store_adds_up(open_store, store, metrics):
    assert checked(store, metrics.values()).is_sound
    assert checked(open_store(), metrics.values()).is_sound


def test_a_count_that_changed_is_found_with_its_day(filled, metrics, tables, tamper):
    tamper(filled, tables["views"], (DAY_MS, "ada"), "view_count", 2**40 + 2**9)
    found = checked(filled, metrics.values())
    assert [(each.table, each.day_ms) for each in found.damaged] == [("views", DAY_MS)]


def test_what_expired_is_not_missed(filled, epochs, metrics, tables):
    filled.expire(buckets_before=DAY_MS + MINUTE, uncounted_before=DAY_MS, offsets_before={})
    assert checked(filled, metrics.values()).is_sound
    filled.commit(epochs.make(change(tables["views"], (DAY_MS, "eve", 2, None, None))))
    filled.expire(buckets_before=DAY_MS + MINUTE, uncounted_before=DAY_MS, offsets_before={})
    found = checked(filled, metrics.values())
    assert (found.is_sound, found.rows) == (True, 4)
    with filled.snapshot() as snapshot:
        assert sorted(snapshot.daily_sums(tables["views"])) == [1, 2]


def test_a_changed_definition_begins_anew(filled, metrics):
    changed = replace(metrics["views"], measures=(Count("views"),))
    all_metrics = [changed, *(m for name, m in metrics.items() if name != "views")]
    filled.prepare(all_metrics)
    assert checked(filled, all_metrics).is_sound
    [table] = tables_of(changed)
    filled.commit_backfill("views", [change(table, (0, "ada", 5))], {0: 3}, complete=True)
    found = checked(filled, all_metrics)
    assert (found.is_sound, found.rows) == (True, 7)


def test_it_ends_when_there_is_no_more_time(filled, metrics):
    with filled.snapshot() as snapshot:
        found = check_sums(snapshot, metrics.values(), lambda: False)
    assert found.rows == 0
    assert "no more time" in found.left_out[0]


def test_a_ledger_that_does_not_add_up_is_found(filled, metrics, tamper_ledger):
    assert checked(filled, metrics.values()).is_ledger_sound
    tamper_ledger(filled, DAY_MS, "admitted", 7)
    assert not checked(filled, metrics.values()).is_ledger_sound
