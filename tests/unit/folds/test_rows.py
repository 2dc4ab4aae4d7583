"""Frames of rows: the first of each group, and differences."""

import numpy as np
import polars as pl

from rtcdp.definitions import RowColumn
from rtcdp.folds.rows import by_group, difference, empty_rows, first_in_group, in_order

GROUPS = np.array([0, 0, 0, 1, 2])
ROWS = pl.DataFrame(
    {"at": [5, 3, 3, None, 7], "id": ["a", "c", "b", "x", "y"], "page": ["1", "2", "3", "4", None]}
)


def test_the_first_of_a_group_is_found_by_all_its_columns():
    found = first_in_group(GROUPS, ROWS).select("group", "at", "id", "page")
    assert found.rows() == [(0, 3, "b", "3"), (2, 7, "y", None)]


def test_the_last_of_a_group():
    tied = ROWS.with_columns(pl.Series("at", [5, 5, 3, None, 7]))
    found = first_in_group(GROUPS, tied, latest=True).select("group", "id")
    assert found.rows() == [(0, "c"), (2, "y")]


def test_what_was_found_of_some_groups_stands_beside_all_of_them():
    found = pl.DataFrame({"group": [2, 0], "page": ["/c", "/a"], "count": [3, None]})
    assert by_group(found, 4).rows() == [("/a", None), (None, None), ("/c", 3), (None, None)]
    assert by_group(found.clear(), 2).rows() == [(None, None), (None, None)]


def test_a_difference_has_what_is_gone_and_what_is_other_or_new():
    before = pl.DataFrame({"k": ["a", "b", "c"], "n": [1, None, 3]})
    after = pl.DataFrame({"k": ["b", "c", "d"], "n": [None, 4, None]}, before.schema)
    found = difference(before, after, ["k"])
    assert found.delete.rows() == [("a",)]
    assert sorted(found.replace.rows()) == [("c", 4), ("d", None)]


def test_an_empty_frame_has_its_types():
    columns = (RowColumn("k", "text"), RowColumn("n", "integer"))
    assert empty_rows(columns).schema == {"k": pl.String(), "n": pl.Int64()}


def test_rows_are_put_in_order_of_several_columns():
    rows = pl.DataFrame(
        {"who": ["b", "a", "a", "a"], "at": [1, 2, 1, 1], "id": ["x", "x", "z", "y"]}
    )
    ordered = in_order(rows, "who", "at", "id")
    assert ordered.rows() == [("a", 1, "y"), ("a", 1, "z"), ("a", 2, "x"), ("b", 1, "x")]
    assert in_order(ordered, "who", "at", "id") is ordered
    assert in_order(rows.clear(), "who").is_empty()
