"""Rows of PostgreSQL are found once, by the index of their key, and told of as they were."""

import polars as pl
import pytest

from rtcdp.store.checksums import DAY_MS
from rtcdp.store.postgres.connection import POSTGRES
from rtcdp.store.postgres.rows import replace_all
from rtcdp.store.row_changes import fitted_rows
from rtcdp.store.sql.rows import create_rows, stored_frame
from rtcdp.testing.epochs import row_changes
from tests.unit.store.row_tables import VISITS

ADA, BOB = ("ada", 1, 0.5, "/a", b"x"), ("bob", DAY_MS, None, None, None)


@pytest.fixture
def rows_writer(writer):
    for statement in create_rows(POSTGRES, VISITS):
        writer.run(statement)
    return writer


def test_it_tells_what_the_rows_of_before_brought_to_the_sums(rows_writer):
    [first] = fitted_rows([row_changes(VISITS, put=[ADA, BOB])])
    assert rows_writer.change_rows(first) == {}
    [second] = fitted_rows([row_changes(VISITS, delete=[ADA[:2]], put=[(*BOB[:2], 1.0, "", b"")])])
    was = rows_writer.change_rows(second)
    assert was == {0: int(first.numbers[0]), 1: int(first.numbers[1])}


def test_what_is_replaced_lies_where_it_was_found(rows_writer):
    [first] = fitted_rows([row_changes(VISITS, put=[ADA, BOB])])
    rows_writer.change_rows(first)
    plan = rows_writer.query_about(
        f"EXPLAIN {replace_all(VISITS)}", pl.Schema({"plan": pl.String}), stored_frame(first)
    )
    text = "\n".join(plan["plan"].to_list())
    assert "Index Scan using _visits__key" in text
    assert "Tid Scan on __visits" in text
    assert "Seq Scan" not in text
