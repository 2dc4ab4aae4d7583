"""Rows of PostgreSQL are found once, by the index of their key, and told of as they were."""

from dataclasses import replace

import polars as pl
import pytest

from rtcdp.clock import DAY_MS
from rtcdp.definitions import RANGE_FROM, RANGE_TO
from rtcdp.store.checksums import sums_by_day
from rtcdp.store.contract import RowsGone, RowsRefused
from rtcdp.store.postgres.connection import POSTGRES
from rtcdp.store.postgres.rows import delete_all, replace_all, write_over
from rtcdp.store.postgres.schema import SENT_AT_ONCE
from rtcdp.store.row_changes import fitted_rows, row_schema
from rtcdp.store.sql.rows import create_rows, rows_of_groups, stored_frame
from rtcdp.testing.epochs import row_changes
from tests.unit.store.row_tables import VISITS

PLAN = pl.Schema({"plan": pl.String})
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


def test_what_is_known_of_the_rows_of_before_is_not_asked_again(rows_writer):
    many = [(f"u{n:05}", 1, 0.5, None, None) for n in range(SENT_AT_ONCE + 1)]
    nothing = pl.DataFrame(schema=row_schema(VISITS))
    [first] = fitted_rows([replace(row_changes(VISITS, put=many), before=nothing)])
    assert rows_writer.change_rows(first) == {}
    before = first.replace.head(2)
    second = row_changes(VISITS, delete=[many[0][:2]], put=[(*many[1][:2], 2.0, "", b"")])
    [second] = fitted_rows([replace(second, before=before)])
    assert rows_writer.change_rows(second) == sums_by_day(VISITS, before, first.numbers[:2])
    count = "SELECT COUNT(*) AS rows, SUM(value) AS value FROM __visits"
    found = rows_writer.query(count, pl.Schema({"rows": pl.Int64, "value": pl.Float64}))
    assert found.row(0) == (len(many) - 1, 2.0 + 0.5 * (len(many) - 2))


def test_a_row_that_is_there_against_all_knowledge_is_refused_where_rows_are_added(writer):
    table = replace(VISITS, grows=True)
    for statement in create_rows(POSTGRES, table):
        writer.run(statement)
    nothing = pl.DataFrame(schema=row_schema(table))
    [first] = fitted_rows([replace(row_changes(table, put=[ADA]), before=nothing)])
    writer.change_rows(first)
    writer.change_rows(first)
    with pytest.raises(RowsRefused):
        writer.settle()


def test_a_row_that_is_gone_against_all_knowledge_ends_the_epoch(rows_writer):
    [first] = fitted_rows([row_changes(VISITS, put=[ADA, BOB])])
    rows_writer.change_rows(first)
    changed = row_changes(VISITS, put=[(*ADA[:2], 1.0, "/a", b"x"), (*BOB[:2], 1.0, None, None)])
    [second] = fitted_rows([replace(changed, before=first.replace)])
    rows_writer.change_rows(second)
    rows_writer.settle()
    rows_writer.run("DELETE FROM __visits WHERE \"userId\" = 'ada'")
    rows_writer.change_rows(second)
    with pytest.raises(RowsGone, match=r"of 2 rows .* 1 are there"):
        rows_writer.settle()


def test_rows_of_a_table_that_is_new_are_looked_up_by_their_keys(rows_writer):
    rows_writer.run("SET LOCAL enable_seqscan = on")
    asked = pl.DataFrame({"userId": ["ada"], RANGE_FROM: [0], RANGE_TO: [1]})
    plan = plan_of(rows_writer, rows_of_groups(POSTGRES, VISITS, asked.schema), asked)
    assert are_looked_up(plan)
    # No other index can give that, whatever the server makes of it.
    assert 'ROW("userId", start) >= ROW(' in plan


@pytest.fixture
def many(rows_writer):
    """As many rows as are asked about, in a table of which the server knows everything."""
    put = [(f"u{n:05}", 1, None, None, None) for n in range(3000)]
    [fitted] = fitted_rows([row_changes(VISITS, put=put)])
    rows_writer.change_rows(fitted)
    rows_writer.run("ANALYZE __visits")
    return fitted


def plan_of(writer, sql, asked):
    return "\n".join(writer.query_about(f"EXPLAIN {sql}", PLAN, asked)["plan"].to_list())


def are_looked_up(plan):
    joins_tables = any(sign in plan for sign in ("Hash Join", "Merge Join", "Seq Scan"))
    return "Index Scan using _visits__key" in plan and not joins_tables


def test_rows_are_looked_up_however_many_are_asked_about(rows_writer, many):
    writing = [
        plan_of(rows_writer, replace_all(VISITS), stored_frame(many)),
        plan_of(rows_writer, delete_all(VISITS), many.touched),
    ]
    assert are_looked_up(plan_of(rows_writer, write_over(VISITS), stored_frame(many)))
    for plan in writing:
        assert are_looked_up(plan)
        assert "Tid Scan on __visits" in plan
    # A reader has no dislike of reading whole tables.
    rows_writer.run("SET LOCAL enable_seqscan = on")
    groups = many.touched.select("userId")
    reading = rows_of_groups(POSTGRES, VISITS, groups.schema)
    assert are_looked_up(plan_of(rows_writer, reading, groups))
