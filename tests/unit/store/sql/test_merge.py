from functools import partial
from operator import itemgetter

import pytest

from rtcdp.definitions import tables_of
from rtcdp.store.sql.definitions import prepare_metrics
from rtcdp.store.sql.merge import in_key_order, in_merge_order, merge_one_by_one
from rtcdp.store.sql.snapshot import SqlSnapshot
from rtcdp.store.sqlite.connection import SQLITE
from rtcdp.testing.epochs import rows_of


@pytest.fixture
def users(transaction, written_out):
    prepare_metrics(transaction, [written_out])
    return tables_of(written_out)[1]


def test_many_unsorted_rows_are_merged_like_sorted_ones(transaction, users):
    rows = [(n % 7, "/a", f"user-{n * 7919 % 5000}", n) for n in range(5000)]
    merge_one_by_one(transaction, users, rows_of(users, *rows))
    assert SqlSnapshot(transaction).dump(users).rows() == sorted(rows)


def test_a_group_is_trimmed_even_when_the_bucket_holds_many(transaction, users):
    merged = partial(merge_one_by_one, transaction, users)
    merged(rows_of(users, *((0, "/a", "ada", n) for n in range(8194))))
    merged(rows_of(users, (0, "/a", "ada", -1), (0, "/b", "ada", 1)))
    members = SqlSnapshot(transaction).dump(users)
    assert members.group_by("pageUrl").len().sort("pageUrl").rows() == [("/a", 8192), ("/b", 1)]
    assert members["member"].min() == -1


def test_few_rows_and_sorted_ones_are_left_as_they_are(users):
    few = rows_of(users, (1, "/a", "ada", 1), (0, "/a", "ada", 1))
    assert in_key_order(few, users) is few
    many = rows_of(users, *((n, "/a", "ada", 1) for n in range(5000, 0, -1)))
    ordered = in_key_order(many, users)
    assert ordered["window_start"].is_sorted()
    assert in_key_order(ordered, users) is ordered


def test_windows_that_go_on_in_time_fill_their_pages(transaction, users):
    """The tree begins with the newest window, before which the next ones are put."""
    empty = transaction.pragma("page_count")
    for first in range(0, 15_000, 5_000):
        rows = [(n, "/a", f"user-{n}", n) for n in range(first, first + 5_000)]
        merge_one_by_one(transaction, users, rows_of(users, *rows))
    in_rows = 15_000 * len("/auser-12345") + 15_000 * 12
    pages = transaction.pragma("page_count") - empty
    assert pages * transaction.pragma("page_size") < 1.6 * in_rows


def test_a_table_with_an_index_by_key_gets_many_rows_key_after_key(written_out, users):
    """Its index goes through all of history; the windows of a batch lie near each other."""
    buckets = tables_of(written_out)[0]
    keys = [(n, f"/{n * 7919 % 5000}", "ada") for n in range(5000)]
    rows = rows_of(buckets, *((*key, *[0] * len(buckets.columns)) for key in keys))
    ordered = in_merge_order(SQLITE, rows, buckets)
    assert ordered.select(buckets.primary_key).rows() == sorted(keys, key=itemgetter(1, 2, 0))
    members = rows_of(users, *((*key, 1) for key in keys))
    assert in_merge_order(SQLITE, members, users)["window_start"].is_sorted(descending=True)


@pytest.mark.parametrize("beside", [0, 1], ids=["alone", "beside many more"])
def test_the_one_of_many_groups_that_holds_too_many_is_trimmed(transaction, users, beside):
    crowded = [(9, "/a", "ada", n) for n in range(8193)]
    spread = [(n, f"/{n}", "ada", 1) for n in range(4200)]
    further = [(n % 4200, "/b", "bob", n) for n in range(4200 * 8 * beside)]
    for rows in (crowded[:-1] + further, crowded[-1:] + spread):
        merge_one_by_one(transaction, users, rows_of(users, *rows))
    expected = sorted({*crowded[:-1], *further, *spread})
    assert SqlSnapshot(transaction).dump(users).rows() == expected
