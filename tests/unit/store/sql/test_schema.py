from dataclasses import replace

import polars as pl
import pytest

from rtcdp.definitions import Count, tables_of
from rtcdp.definitions.panes import explode_panes
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
    # 3 events, revenue 7.25, a mean of 7.25 over 2 of them; the other user has no values at all.
    rows = rows_of(
        table,
        (0, "/a", "ada", 3, 7, 250_000, 7, 250_000, 2, 1.0, 6.25),
        (0, "/a", "bob", 1, 0, 0, 0, 0, 0, None, None),
    )
    connection.run(upsert(SQLITE, table), rows)
    seen = connection.query(
        'SELECT "userId", window_end, revenue, mean FROM sales ORDER BY "userId"',
        pl.Schema(
            {"userId": pl.String, "end": pl.Int64, "revenue": pl.Float64, "mean": pl.Float64}
        ),
    )
    assert seen.rows() == [("ada", 60_000, 7.25, 3.625), ("bob", 60_000, 0.0, None)]


def test_a_view_adds_panes_up_as_readers_do(connection, in_panes):
    prepare_metrics(connection, [in_panes])
    table = tables_of(in_panes)[0]
    panes = [
        (pane, user, 1, pane // 1000, 500_000, pane // 1000, 500_000, 1, pane / 1000, pane / 1000)
        for pane in range(-130_000, 130_000, 13_000)
        for user in ("ada", "bob")
    ]
    connection.run(upsert(SQLITE, table), rows_of(table, *panes))
    seen = connection.query(
        'SELECT * FROM moving ORDER BY window_start, "userId"',
        pl.Schema(
            {
                "window_start": pl.Int64(),
                "window_end": pl.Int64(),
                "userId": pl.String(),
                "events": pl.Int64(),
                "revenue": pl.Float64(),
                "mean": pl.Float64(),
                "least": pl.Float64(),
                "most": pl.Float64(),
            }
        ),
    )
    revenue = pl.col("revenue__units").sum() + pl.col("revenue__micros").sum() / 1e6
    expected = (
        explode_panes(rows_of(table, *panes), in_panes.window)
        .group_by("window_start", "userId")
        .agg(
            window_end=pl.col("window_start").first() + 60_000,
            events=pl.col("events").sum(),
            revenue=revenue,
            mean=revenue / pl.col("mean__count").sum(),
            least=pl.col("least").min(),
            most=pl.col("most").max(),
        )
        .sort("window_start", "userId")
    )
    assert seen.rows() == expected.select(seen.columns).rows()


def test_only_windows_that_are_not_written_out_have_a_view(written_out, in_panes):
    assert {r.kind for r in relations_of(SQLITE, written_out)} == {"table"}
    assert [r.name for r in relations_of(SQLITE, in_panes)] == [
        "moving__panes",
        "moving__users",
        "moving__top",
        "moving",
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
