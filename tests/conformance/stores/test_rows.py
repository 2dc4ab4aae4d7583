"""Rows that are replaced and deleted by key: what a row table promises, in every store."""

import math
import random
from dataclasses import replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from rtcdp.clock import DAY_MS
from rtcdp.definitions import RowTable
from rtcdp.errors import UsageError
from rtcdp.store.checksums import check_sums
from rtcdp.store.contract import EpochRefused, RowScan, RowsRefused, StateMismatch
from rtcdp.store.row_changes import ROW_BYTES_MAX
from rtcdp.testing.driver import dump
from rtcdp.testing.epochs import row_changes

STAYS = RowTable(
    name="stays",
    columns=(
        ("userId", "text"),
        ("start", "integer"),
        ("place", "text"),
        ("end", "integer"),
        ("value", "real"),
        ("note", "text"),
        ("packed", "bytes"),
    ),
    group_key=("userId",),
    order=("start", "place"),
)
TRAITS = RowTable(
    name="traits",
    columns=(("source", "text"), ("userId", "text"), ("score", "real"), ("n", "integer")),
    group_key=("source", "userId"),
)
TABLES = (STAYS, TRAITS)


ADA = ("ada", 0, "home", 60, 1.5, "tea", b"\x00\xff")
ADA_LATER = ("ada", DAY_MS, "home", 60, None, None, None)
BOB = ("bob", 30, "", 31, -2.0, "", b"")
EVE = ("eve", -1, "sea", 0, 1e300, "n\0ull \1\2 …#", b"\x01")


@pytest.fixture
def opened(open_store, metrics):
    store = open_store()
    store.prepare(tuple(metrics.values()), TABLES)
    return store


@pytest.fixture
def commit(opened, epochs):
    def apply(*given, at=0):
        opened.commit(replace(epochs.make(received_at=at), rows=given))

    return apply


def held(store, table=STAYS):
    return store.dump(table).rows()


def read(store, groups, table=STAYS):
    with store.snapshot() as snapshot:
        return snapshot.rows(table, pl.DataFrame(groups)).rows()


def is_sound(store, tables=TABLES):
    with store.snapshot() as snapshot:
        found = check_sums(snapshot, (), row_tables=tables)
    assert found.left_out == ()
    return found.is_sound


def test_rows_are_put_replaced_and_deleted(opened, commit):
    commit(row_changes(STAYS, put=[EVE, ADA, BOB]))
    assert held(opened) == [ADA, BOB, EVE]
    replaced = (*ADA[:3], 99, None, "cake", None)
    commit(row_changes(STAYS, delete=[BOB[:3]], put=[replaced, ADA_LATER]))
    assert held(opened) == [replaced, ADA_LATER, EVE]
    assert is_sound(opened)


def test_a_row_that_is_deleted_and_put_is_put(opened, commit):
    commit(row_changes(STAYS, put=[ADA]))
    commit(row_changes(STAYS, delete=[ADA[:3], BOB[:3]], put=[(*ADA[:3], 1, None, None, None)]))
    assert held(opened) == [(*ADA[:3], 1, None, None, None)]
    assert is_sound(opened)


@pytest.mark.parametrize("grows", [False, True])
def test_rows_whose_past_is_known_are_put_replaced_and_deleted(open_store, epochs, grows):
    table = replace(TRAITS, name="known_traits", grows=grows)
    store = open_store()
    store.prepare((), (table,))

    def change(before, **given):
        known = row_changes(table, put=before).replace
        change = replace(row_changes(table, **given), before=known)
        store.commit(replace(epochs.make(), rows=(change,)))

    first = [("shop", f"{number:05d}", 0.5, number) for number in range(20_000)]
    change([], put=first)
    others = [("shop", "00007", None, 7), ("shop", "00009", 2.0, 9), ("site", "x" * 3000, 1.0, 1)]
    change([first[7], first[8], first[9]], delete=[("shop", "00008")], put=others)
    rows = {row[:2]: row for row in first} | {row[:2]: row for row in others}
    del rows["shop", "00008"]
    assert sorted(held(store, table)) == sorted(rows.values())
    assert is_sound(store, (table,))


def test_a_deleted_row_can_come_back(opened, commit):
    commit(row_changes(STAYS, put=[ADA]))
    commit(row_changes(STAYS, delete=[ADA[:3]]))
    assert held(opened) == []
    commit(row_changes(STAYS, put=[ADA]))
    assert held(opened) == read(opened, {"userId": ["ada"]}) == [ADA]
    assert is_sound(opened)


def test_groups_are_read_by_key(opened, commit):
    commit(row_changes(STAYS, put=[ADA, ADA_LATER, BOB, EVE]))
    assert read(opened, {"userId": ["eve", "ada", "nobody", "ada"]}) == [ADA, ADA_LATER, EVE]
    assert read(opened, {"userId": []}) == []


def test_groups_are_read_within_their_own_ranges(opened, commit):
    commit(row_changes(STAYS, put=[ADA, ADA_LATER, BOB, EVE]))
    ranges = {"userId": ["ada", "bob", "eve"], "from": [0, 30, 0], "to": [DAY_MS, 31, 99]}
    assert read(opened, ranges) == [ADA, BOB]


def test_groups_of_two_columns_with_one_row_each(opened, commit):
    stored = [("crm", "ada", 0.5, 1), ("crm", "bob", None, 2), ("web", "ada", 1.5, None)]
    commit(row_changes(TRAITS, put=stored))
    asked = {"source": ["web", "crm", "web"], "userId": ["ada", "bob", "bob"]}
    assert read(opened, asked, TRAITS) == [stored[1], stored[2]]
    assert is_sound(opened)


def test_many_groups_are_read_at_once(opened, commit):
    stored = [(f"user {n:04}", n, "x", n, None, None, None) for n in range(3000)]
    commit(row_changes(STAYS, put=stored))
    asked = [row[0] for row in stored[::2]]
    assert read(opened, {"userId": asked}) == stored[::2]


def test_the_whole_table_is_read_page_by_page(opened, commit):
    stored = [(f"u{n // 3}", n % 3, str(n), n, None, None, None) for n in range(20)]
    commit(row_changes(STAYS, put=random.Random(1).sample(stored, 20)))
    found, after = [], None
    with opened.snapshot() as snapshot:
        while page := snapshot.row_page(STAYS, after=after, limit=7).rows():
            assert len(page) <= 7
            found += page
            after = page[-1][:3]
        with pytest.raises(UsageError):
            snapshot.row_page(STAYS, after=("u1", "1", "x"))
    assert found == sorted(stored, key=lambda row: row[:3])


def test_rows_are_scanned_by_their_time_newest_first(opened, commit):
    stored = [(f"u{n % 5}", n // 4, str(n), n, None, None, None) for n in range(40)]
    commit(row_changes(STAYS, put=random.Random(1).sample(stored, 40)))
    commit(row_changes(STAYS, delete=[row[:3] for row in stored[::7]]))
    left = [row for row in stored if row not in stored[::7]]
    expected = sorted(left, key=lambda row: (-row[1], row[0], row[2]))
    found, after = [], None
    with opened.snapshot() as snapshot:
        while page := snapshot.row_scan(RowScan(STAYS, after=after, limit=7)).rows():
            found += page
            after = page[-1][:3]
        inside = RowScan(STAYS, time_from=3, time_to=6, columns=("end",), after=("u1", 8, "9"))
        narrow = snapshot.row_scan(inside)
        with pytest.raises(UsageError):
            snapshot.row_scan(RowScan(STAYS, after=("u1", "1", "x")))
        with pytest.raises(UsageError):
            snapshot.row_scan(RowScan(TRAITS))
    assert found == expected
    assert narrow.columns == ["userId", "start", "place", "end"]
    assert narrow.rows() == [row[:4] for row in expected if 3 <= row[1] < 6]


def test_texts_that_are_too_long_for_an_index_are_kept(opened, commit):
    ada, eve = "a" * 6000, "é" * 3000 + "\0"
    stored = [(ada, 1, "p" * 3000, 1, None, "n" * 9000, None), (eve, 2, "", 2, None, None, None)]
    commit(row_changes(STAYS, put=stored))
    assert held(opened) == stored
    assert read(opened, {"userId": [eve, ada]}) == stored
    commit(row_changes(STAYS, delete=[stored[0][:3]]))
    assert held(opened) == stored[1:]
    assert is_sound(opened)


def test_texts_of_rows_that_do_not_expire_stay(open_store, epochs):
    table = replace(STAYS, name="kept_stays", expires=False)
    stored = [("a" * 6000, 1, "…#" + 32 * "0", 1, None, None, None)]
    store = open_store()
    store.prepare((), (table,))
    store.commit(replace(epochs.make(), rows=(row_changes(table, put=stored),)))
    store.expire(buckets_before=10**12, uncounted_before=0, offsets_before={})
    assert held(store, table) == stored
    assert is_sound(store, (table,))


def test_there_is_one_zero(opened, commit):
    commit(row_changes(TRAITS, put=[("a", "b", -0.0, 1)]))
    [row] = held(opened, TRAITS)
    assert math.copysign(1, row[2]) == 1


@pytest.mark.parametrize(
    "refused",
    [
        row_changes(TRAITS, put=[("a", "b", math.nan, 1)]),
        row_changes(TRAITS, put=[("a", None, 1.0, 1)]),
        row_changes(TRAITS, put=[("a", "b", 1.0, 1), ("a", "b", 1.0, 2)]),
        row_changes(TRAITS, put=[("a", "b" * ROW_BYTES_MAX, 1.0, 1)]),
        row_changes(TRAITS, delete=[(None, "b")]),
        row_changes(TRAITS, delete=[("a", "b"), ("a", "b")]),
    ],
)
def test_what_no_store_can_keep_is_refused_as_a_whole(opened, commit, refused):
    with pytest.raises(RowsRefused):
        commit(row_changes(STAYS, put=[ADA]), refused)
    assert held(opened) == held(opened, TRAITS) == []
    assert opened.progress().epoch == 0


def test_a_table_that_was_not_prepared_is_refused(opened, commit):
    with pytest.raises(StateMismatch, match="others"):
        commit(row_changes(replace(STAYS, name="others"), put=[ADA]))
    assert opened.progress().epoch == 0


def test_another_shard_is_refused(opened, epochs):
    with pytest.raises(EpochRefused, match="shard 1"):
        opened.commit(replace(epochs.make(), shard=1))


def test_a_repeated_epoch_changes_nothing(opened, epochs):
    epoch = replace(epochs.make(), rows=(row_changes(STAYS, put=[ADA]),))
    opened.commit(epoch)
    with pytest.raises(EpochRefused):
        opened.commit(replace(epoch, rows=(row_changes(STAYS, put=[BOB]),)))
    assert held(opened) == [ADA]


def test_another_reader_sees_them_and_a_store_that_is_not_there_has_none(
    open_store, metrics, epochs
):
    reader = open_store(read_only=True)
    assert held(reader) == read(reader, {"userId": ["ada"]}) == []
    with reader.snapshot() as snapshot:
        assert snapshot.row_page(STAYS).is_empty()
        assert snapshot.row_scan(RowScan(STAYS)).is_empty()
    writer = open_store()
    writer.prepare(tuple(metrics.values()), TABLES)
    writer.commit(replace(epochs.make(), rows=(row_changes(STAYS, put=[ADA]),)))
    assert held(reader) == read(reader, {"userId": ["ada"]}) == [ADA]


def test_a_snapshot_sees_one_state(opened, commit):
    commit(row_changes(STAYS, put=[ADA, BOB]))
    with opened.snapshot() as snapshot:
        before = snapshot.rows(STAYS, pl.DataFrame({"userId": ["bob"]})).rows()
        commit(row_changes(STAYS, delete=[ADA[:3]], put=[(*BOB[:3], 77, None, None, None), EVE]))
        assert snapshot.rows(STAYS, pl.DataFrame({"userId": ["ada", "bob", "eve"]})).rows() == [
            ADA,
            BOB,
        ]
        assert snapshot.row_page(STAYS).rows() == [ADA, BOB]
    assert before == [BOB]
    assert [row[0] for row in held(opened)] == ["bob", "eve"]


def test_rows_expire_by_their_time(opened, commit):
    traits = ("crm", "ada", 0.5, 1)
    commit(row_changes(STAYS, put=[ADA, ADA_LATER, BOB, EVE]), row_changes(TRAITS, put=[traits]))
    gone = opened.expire(buckets_before=30, uncounted_before=0, offsets_before={})
    assert gone == 2
    assert held(opened) == read(opened, {"userId": ["ada", "bob", "eve"]}) == [ADA_LATER, BOB]
    assert held(opened, TRAITS) == [traits]
    assert is_sound(opened)
    opened.expire(buckets_before=DAY_MS, uncounted_before=0, offsets_before={})
    assert held(opened) == [ADA_LATER]
    assert is_sound(opened)


def test_a_changed_row_is_found_with_its_day(opened, commit, tamper):
    commit(
        row_changes(STAYS, put=[ADA, ADA_LATER, BOB]), row_changes(TRAITS, put=[("c", "d", 0.5, 1)])
    )
    assert is_sound(opened)
    tamper(opened, STAYS, ADA_LATER[:3], "end", 61)
    with opened.snapshot() as snapshot:
        found = check_sums(snapshot, (), row_tables=TABLES)
    assert [(each.table, each.day_ms) for each in found.damaged] == [("stays", DAY_MS)]
    assert (found.tables, found.rows) == (2, 4)


def test_a_table_that_is_left_out_keeps_its_rows_and_says_what_it_missed(
    opened, commit, epochs, metrics
):
    every = tuple(metrics.values())
    commit(row_changes(STAYS, put=[ADA]))
    assert opened.backfill_offsets("stays") is None
    assert list(opened.metrics()) == sorted(metrics)
    opened.prepare(every, [TRAITS])
    opened.commit(epochs.make())
    assert list(opened.prepare(every, TABLES)) == []
    assert opened.backfill_offsets("stays") == {0: 1}
    assert opened.backfill_offsets("traits") is None
    opened.commit_backfill("stays", [row_changes(STAYS, put=[BOB])], {0: 2}, complete=True)
    assert opened.backfill_offsets("stays") is None
    assert held(opened) == [ADA, BOB]
    assert is_sound(opened)


def test_a_changed_meaning_starts_from_nothing(opened, commit, metrics):
    commit(row_changes(STAYS, put=[ADA]))
    changed = replace(STAYS, meaning="other")
    opened.prepare(tuple(metrics.values()), [changed, TRAITS])
    assert held(opened, changed) == []
    assert opened.backfill_offsets("stays") == {}
    wrong = [row_changes(TRAITS, put=[("a", "b", 1.0, 1)])]
    with pytest.raises(StateMismatch):
        opened.commit_backfill("stays", wrong, {0: 1}, complete=False)
    opened.commit_backfill("stays", [row_changes(changed, put=[BOB])], {0: 1}, complete=True)
    assert held(opened, changed) == [BOB]
    assert is_sound(opened, [changed, TRAITS])


def test_an_engine_without_the_tables_is_no_match_for_one_with_them(opened, open_store, metrics):
    other = open_store()
    other.prepare(tuple(metrics.values()))
    with pytest.raises(EpochRefused, match="definitions"):
        opened.commit_backfill("stays", [], {}, complete=True)


@pytest.mark.parametrize("name", ["views", "total__panes", "sqlite_rows"])
def test_a_name_that_is_taken_is_refused(open_store, metrics, name):
    with pytest.raises(UsageError):
        open_store().prepare(tuple(metrics.values()), [replace(STAYS, name=name)])


def test_random_changes_leave_what_a_dict_has(opened, commit):
    rng = random.Random(7)
    users, places = ["ada", "bob", "eve", "é\0", ""], ["", "home", "sea"]
    naive = {}
    for _ in range(25):
        possible = [(u, s, p) for u in users for s in (-DAY_MS, 0, 5, 3 * DAY_MS) for p in places]
        touched = rng.sample(possible, rng.randrange(20))
        gone, put = [], []
        for key in touched:
            if rng.random() < 0.4:
                gone.append(key)
                naive.pop(key, None)
            else:
                note = rng.choice([None, "", "x", "y\0"])
                row = (*key, rng.randrange(-9, 9), rng.choice([None, 0.5, -3.25]), note, None)
                put.append(row)
                naive[key] = row
        commit(row_changes(STAYS, delete=gone, put=put))
        asked = rng.sample(users, 2)
        expected = [row for key, row in naive.items() if key[0] in asked]
        assert read(opened, {"userId": asked}) == sorted(expected, key=lambda row: row[:3])
    expected = row_changes(STAYS, put=[naive[key] for key in sorted(naive)]).replace
    assert_frame_equal(dump(opened, (), [STAYS])["stays"], expected)
    assert is_sound(opened)
