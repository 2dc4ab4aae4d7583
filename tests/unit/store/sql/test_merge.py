from functools import partial

import pytest

from rtcdp.definitions import tables_of
from rtcdp.store.sql.definitions import prepare_metrics
from rtcdp.store.sql.merge import in_key_order, merge_one_by_one
from rtcdp.store.sql.snapshot import SqlSnapshot
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
    assert (transaction.pragma("page_count") - empty) * 4096 < 1.6 * in_rows
