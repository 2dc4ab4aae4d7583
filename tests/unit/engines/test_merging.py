"""From panes to rows of tables."""

import polars as pl

from rtcdp.definitions import Column, Count, Distinct, Metric, Table, Window, tables_of
from rtcdp.engines.merging import merge_rows, to_buckets


def test_rows_of_a_key_are_merged_by_the_rules_of_their_columns() -> None:
    columns = (
        Column("n", "integer", "add"),
        Column("low", "real", "min"),
        Column("high", "real", "max"),
    )
    table = Table("t", "m", 1000, ("userId",), columns)
    frame = pl.DataFrame(
        {
            "window_start": [0, 0, 0],
            "userId": ["a", "a", "b"],
            "n": [1, 2, 3],
            "low": [1.0, None, None],
            "high": [1.0, 2.0, None],
        }
    )
    merged = merge_rows(frame.lazy(), table).sort("userId").collect().rows()
    assert merged == [(0, "a", 3, 1.0, 2.0), (0, "b", 3, None, None)]


def test_panes_are_merged_into_the_windows_that_they_lie_in() -> None:
    metric = Metric("m", "a metric", Window(2000, 1000), (Count("n"),))
    panes = pl.DataFrame({"window_start": [0, 1000], "n": [2, 3]})
    rows = to_buckets(metric, tables_of(metric)[0], panes.lazy()).collect().rows()
    assert rows == [(-1000, 2), (0, 5), (1000, 3)]


def test_of_the_members_of_a_bucket_only_the_smallest_are_kept() -> None:
    metric = Metric("m", "a metric", Window(1000, 1000), (Distinct("users", "userId"),))
    table = tables_of(metric)[1]
    members = list(range(table.capacity + 1, 0, -1))
    panes = pl.DataFrame({"window_start": [0] * len(members), "member": members})
    rows = to_buckets(metric, table, panes.lazy()).collect()
    assert rows["member"].to_list() == list(range(1, table.capacity + 1))
