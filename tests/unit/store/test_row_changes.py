import polars as pl
import pytest

from rtcdp.errors import UsageError
from rtcdp.store.contract import RowsRefused
from rtcdp.store.epoch import RowChanges
from rtcdp.store.row_changes import check_row_position, fitted_rows, groups_asked
from rtcdp.testing.epochs import row_changes
from tests.unit.store.row_tables import VISITS

ADA = ("ada", 1, 0.5, "/a", b"x")
BOB = ("bob", 1, None, None, None)


def test_rows_come_in_key_order_with_the_tables_types():
    given = pl.DataFrame(
        {
            "packed": [None, b"x"],
            "entry": [None, "/a"],
            "value": [None, 0.5],
            "start": pl.Series([1, 1], dtype=pl.Int32),
            "userId": ["bob", "ada"],
        }
    )
    no_keys = pl.DataFrame(schema={"userId": pl.String, "start": pl.Int64})
    [fitted] = fitted_rows([RowChanges(VISITS, no_keys, given)])
    assert fitted.replace.rows() == [ADA, BOB]
    assert fitted.touched.rows() == [("ada", 1), ("bob", 1)]


def test_what_is_replaced_is_not_deleted():
    [fitted] = fitted_rows([row_changes(VISITS, [("bob", 1), ("ada", 1)], [ADA])])
    assert fitted.delete.rows() == [("bob", 1)]
    assert sorted(fitted.touched.rows()) == [("ada", 1), ("bob", 1)]


def test_changes_without_rows_are_left_out():
    assert fitted_rows([row_changes(VISITS)]) == []


def test_a_table_that_is_changed_twice_is_refused():
    with pytest.raises(RowsRefused, match="twice"):
        fitted_rows([row_changes(VISITS), row_changes(VISITS, put=[ADA])])


@pytest.mark.parametrize("between", [[], [BOB]])
def test_a_key_that_stands_twice_is_refused_wherever_it_stands(between):
    with pytest.raises(RowsRefused, match="two rows with the same key"):
        fitted_rows([row_changes(VISITS, put=[ADA, *between, ADA])])
    keys = [row[:2] for row in [ADA, *between, ADA]]
    with pytest.raises(RowsRefused, match="two rows with the same key"):
        fitted_rows([row_changes(VISITS, keys)])


def test_groups_are_asked_for_once():
    asked = groups_asked(VISITS, pl.DataFrame({"n": [1, 2, 3], "userId": ["b", "a", "b"]}))
    assert asked.rows() == [("a",), ("b",)]
    ranges = pl.DataFrame({"from": [1, 0], "userId": ["b", "a"], "to": [2, 9]})
    assert groups_asked(VISITS, ranges).rows() == [("a", 0, 9), ("b", 1, 2)]


@pytest.mark.parametrize("after", [("ada",), ("ada", "1"), (1, "ada"), ("ada", 1, 2)])
def test_a_position_is_a_primary_key(after):
    check_row_position(VISITS, None)
    check_row_position(VISITS, ("ada", 1))
    with pytest.raises(UsageError):
        check_row_position(VISITS, after)
