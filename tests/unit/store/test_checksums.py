"""Sums of counts by day, that show a count which was not counted."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.clock import DAY_MS
from rtcdp.definitions import (
    Average,
    Count,
    Distinct,
    Maximum,
    Metric,
    Table,
    TopK,
    tables_of,
    tumbling,
)
from rtcdp.store.checksums import HALF, daily_sums, is_summed, joined, sums_of_changes
from rtcdp.testing.epochs import change, rows_of

SHOP = Metric("shop", "S", tumbling(minutes=1), (Count("n"), Average("mean")), ("userId",))
[TABLE] = tables_of(SHOP)
integers = st.integers(-(2**63), 2**63 - 1)
buckets = st.integers(-(10**6), 10**6).map(lambda minute: 60_000 * minute)
rows = st.lists(st.tuples(buckets, integers, integers, integers, integers), max_size=20)


def frame(found: list[tuple[int, ...]]) -> pl.DataFrame:
    return rows_of(TABLE, *((start, "ada", *values) for start, *values in found))


def added(*sums: dict[int, int]) -> dict[int, int]:
    days = set().union(*sums)
    return {day: sum(each.get(day, 0) for each in sums) % 2**64 for day in days}


@given(rows, rows)
def test_sums_add_up_however_rows_are_cut(first, second):
    assert added(daily_sums(TABLE, frame(first)), daily_sums(TABLE, frame(second))) == added(
        daily_sums(TABLE, frame(first + second))
    )


@given(buckets, st.lists(integers, min_size=4, max_size=4), integers)
def test_what_is_merged_adds_what_it_adds_to_the_row(start, values, more):
    stored = daily_sums(TABLE, frame([(start, *values)]))
    new = daily_sums(TABLE, frame([(start, more, 0, 0, 0)]))
    total = (values[0] + more + 2**63) % 2**64 - 2**63
    assert added(stored, new) == daily_sums(TABLE, frame([(start, total, *values[1:])]))


@given(rows.filter(bool), st.data())
def test_a_flipped_bit_always_shows(found, data):
    row = data.draw(st.integers(0, len(found) - 1))
    column = data.draw(st.integers(1, 4))
    flipped = [list(each) for each in found]
    bit = data.draw(st.integers(0, 63))
    flipped[row][column] ^= -(2**63) if bit == 63 else 1 << bit
    assert daily_sums(TABLE, frame(found)) != daily_sums(TABLE, frame(flipped))


def test_columns_and_windows_are_not_exchangeable():
    one = daily_sums(TABLE, frame([(0, 5, 7, 0, 0), (60_000, 1, 0, 0, 0)]))
    assert one != daily_sums(TABLE, frame([(0, 7, 5, 0, 0), (60_000, 1, 0, 0, 0)]))
    assert one != daily_sums(TABLE, frame([(0, 1, 7, 0, 0), (60_000, 5, 0, 0, 0)]))


def test_days_are_kept_apart():
    found = daily_sums(TABLE, frame([(-60_000, 1, 0, 0, 0), (0, 1, 0, 0, 0), (DAY_MS, 1, 0, 0, 0)]))
    assert sorted(found) == [-1, 0, 1]
    assert daily_sums(TABLE, frame([])) == {}


def test_only_what_grows_by_what_is_merged_is_summed():
    window = tumbling(minutes=1)
    reach = Metric("reach", "R", window, (Maximum("most"), Distinct("d", "userId"), TopK("t", "x")))
    assert is_summed(TABLE)
    assert not any(is_summed(table) for table in tables_of(reach))


@pytest.mark.parametrize("table", [TABLE])
def test_changes_of_one_table_and_day_are_one_sum_in_halves(table: Table):
    changes = [change(table, (start, "ada", 1, 2, 3, 4)) for start in (0, 60_000, 0)]
    [(name, day, low, high)] = sums_of_changes(changes)
    rows = pl.concat([each.rows for each in changes])
    assert (name, {day: joined(low, high)}) == ("shop", daily_sums(table, rows))
    assert max(low, high) < HALF
