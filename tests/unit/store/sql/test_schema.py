# ruff: noqa: S608 - the tests' own SQL
from dataclasses import replace

import polars as pl
import pytest

from rtcdp.definitions import Count, tables_of
from rtcdp.errors import UsageError
from rtcdp.store import RowsRefused
from rtcdp.store.sql.definitions import prepare_metrics
from rtcdp.store.sql.schema import check_names, relations_of
from rtcdp.store.sql.statements import upsert
from rtcdp.store.sqlite.connection import SQLITE
from rtcdp.testing.epochs import rows_of


def test_people_see_the_windows_end_and_the_values(connection, written_out):
    prepare_metrics(connection, [written_out])
    table = tables_of(written_out)[0]
    # 3 events, revenue 7.25, a mean of 3.625 over 2 of them; the other user has no values at all.
    rows = rows_of(
        table,
        (0, "/a", "ada", 3, 7, 250_000, 7, 250_000, 2, 1.0, 6.25),
        (-61_000, "/a", "bob", 1, 0, 0, 0, 0, 0, None, None),
    )
    connection.run(upsert(SQLITE, table), rows)
    types = dict.fromkeys(("user", "page", "start", "end"), pl.String)
    types |= {"users": pl.Int64, "top": pl.String, "revenue": pl.Float64, "mean": pl.Float64}
    seen = connection.query(
        "SELECT user_id, pageUrl, window_start, window_end, users, top, revenue, mean FROM sales"
        " ORDER BY userId",
        pl.Schema(types),
    )
    assert seen.rows() == [
        ("ada", "/a", "1970-01-01T00:00:00.000Z", "1970-01-01T00:01:00.000Z", 0, "[]", 7.25, 3.625),
        ("bob", "/a", "1969-12-31T23:58:59.000Z", "1969-12-31T23:59:59.000Z", 0, "[]", 0.0, None),
    ]


def test_a_query_for_a_user_or_a_time_is_answered_by_an_index(connection, written_out):
    prepare_metrics(connection, [written_out])
    schema = pl.Schema({"id": pl.Int64, "parent": pl.Int64, "n": pl.Int64, "detail": pl.String})
    for condition in ("user_id = 'ada'", "window_start_ms >= 5"):
        sql = f"EXPLAIN QUERY PLAN SELECT revenue FROM sales WHERE {condition}"
        steps = connection.query(sql, schema)["detail"].to_list()
        assert any(step.startswith("SEARCH b USING") for step in steps), steps


def test_rows_rest_in_tables_that_no_view_is_called_like(written_out, in_panes):
    assert {r.kind for m in (written_out, in_panes) for r in relations_of(SQLITE, m)} == {"table"}
    made = " ".join(s for r in relations_of(SQLITE, in_panes) for s in r.statements)
    assert 'CREATE TABLE "__moving__panes"' in made
    assert [r.name for r in relations_of(SQLITE, in_panes)] == [
        "moving__panes",
        "moving__users",
        "moving__top",
    ]


def test_a_sum_that_no_longer_fits_is_refused_and_not_rounded(connection, written_out):
    metric = replace(written_out, measures=(Count("events"),))
    prepare_metrics(connection, [metric])
    [table] = tables_of(metric)
    largest = rows_of(table, (0, "/a", "ada", 2**63 - 1))
    connection.run(upsert(SQLITE, table), largest)
    with pytest.raises(RowsRefused):
        connection.run(upsert(SQLITE, table), largest)


def test_names_are_told_apart_across_metrics(written_out, in_panes):
    check_names(SQLITE, [written_out, in_panes])
    with pytest.raises(UsageError, match="two tables would be called sales"):
        check_names(SQLITE, [written_out, written_out])


def test_names_that_differ_only_in_case_are_one(written_out):
    with pytest.raises(UsageError, match="name of a key field"):
        check_names(SQLITE, [replace(written_out, measures=(Count("pageurl"),))])


def test_names_that_are_one_in_snake_case_or_taken_by_views_are_refused(written_out):
    for name in ("user_id", "is_final", "window_start_ms"):
        with pytest.raises(UsageError, match="with the name"):
            check_names(SQLITE, [replace(written_out, measures=(Count(name),))])
