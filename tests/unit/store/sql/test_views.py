from dataclasses import replace

import polars as pl
import pytest

from rtcdp.definitions import (
    NO_VIEW,
    Count,
    Distinct,
    Fold,
    Metric,
    Ratio,
    RowTable,
    Sum,
    sliding,
    tumbling,
)
from rtcdp.folds.sessions import Sessions
from rtcdp.store.postgres.connection import POSTGRES
from rtcdp.store.sql.definitions import prepare_metrics
from rtcdp.store.sql.views import readable_schema, snake_case_of, view_of_rows, views_of
from rtcdp.store.sqlite.connection import SQLITE

METRIC = Metric(
    name="orders",
    title="Orders",
    description="It's the shop's.",
    window=tumbling(minutes=1),
    key=("userId",),
    measures=(Count("n"), Sum("revenue")),
)


def texts(connection):
    rows = connection.query(
        "SELECT name, sql FROM sqlite_master WHERE type = 'view'",
        pl.Schema({"name": pl.String, "sql": pl.String}),
    )
    return dict(rows.rows())


def columns_of(view):
    return [column.name for column in view.columns]


def test_names_are_in_snake_case():
    assert [*map(snake_case_of, ("userId", "pageUrl", "source", "user_id"))] == [
        "user_id",
        "page_url",
        "source",
        "user_id",
    ]


def test_one_file_has_one_view_with_both_names_of_a_key():
    (view,) = views_of(SQLITE, METRIC)
    common = ["window_start", "window_end", "n", "revenue", "is_final", "is_partial"]
    assert columns_of(view) == ["user_id", *common, "window_start_ms", "userId"]


def test_a_server_has_a_schema_for_readers_and_the_specification_s_names_beside_the_tables():
    for_readers, plain = views_of(POSTGRES, METRIC, "analytics")
    assert for_readers.name == '"analytics"."orders"'
    assert columns_of(for_readers)[:3] == ["user_id", "window_start", "window_end"]
    assert "userId" not in columns_of(for_readers)
    assert plain.name == '"orders"'
    assert {"userId", "userid"} <= set(columns_of(plain))


def test_views_and_their_columns_say_what_they_are():
    comments = "\n".join(views_of(POSTGRES, METRIC, "analytics")[0].comments())
    assert "COMMENT ON VIEW \"analytics\".\"orders\" IS 'Orders. It''s the shop''s.'" in comments
    assert "\"revenue\" IS 'The sum of value.'" in comments


def test_what_has_no_sql_is_left_out():
    class Odd(Count):
        def in_sql(self, sql):
            del sql

    measures = (Count("n"), Odd("odd"), Ratio("share", of="odd", to="n"))
    metric = replace(METRIC, measures=measures)
    assert not {"odd", "share"} & set(columns_of(views_of(SQLITE, metric)[0]))
    assert not {"odd", "share"} & set(readable_schema(metric))


def test_views_are_made_anew_when_they_change_and_left_alone_when_not(connection):
    prepare_metrics(connection, [METRIC])
    first = texts(connection)
    assert set(first) == {"orders"}
    prepare_metrics(connection, [METRIC])
    assert texts(connection) == first
    connection.run("UPDATE _views SET mark = 'of an older version'")
    connection.run("DROP VIEW orders")
    connection.run("CREATE VIEW orders AS SELECT 1 AS one")
    prepare_metrics(connection, [METRIC])
    assert texts(connection) == first


@pytest.mark.parametrize("window", [tumbling(minutes=5), sliding(size_seconds=60, every_seconds=5)])
def test_a_changed_metric_s_views_change_with_it(connection, window):
    prepare_metrics(connection, [METRIC])
    changed = replace(METRIC, window=window, measures=(Distinct("users", "userId"),), key=())
    prepare_metrics(connection, [changed])
    rows = connection.query("SELECT * FROM orders", pl.Schema({"start": pl.String}))
    assert rows.is_empty()
    assert "__orders__users" in texts(connection)["orders"]
    known = connection.query("SELECT name FROM _views", pl.Schema({"name": pl.String}))
    assert known["name"].to_list() == ['"orders"']


def test_rows_have_a_view_without_their_bytes_and_with_their_time_as_a_time(connection):
    columns = (("userId", "text"), ("startedAt", "integer"), ("n", "integer"), ("raw", "bytes"))
    table = RowTable("visits", columns, ("userId",), ("startedAt",))
    prepare_metrics(connection, [], [table])
    (view,) = view_of_rows(SQLITE, table)
    assert columns_of(view) == ["user_id", "started_at", "n"]
    values = "'ada', 1500, 3, NULL, 0"
    connection.run(f"INSERT INTO __visits VALUES ({values})")  # noqa: S608 - a constant
    schema = pl.Schema({"user_id": pl.String, "started_at": pl.String, "n": pl.Int64})
    seen = connection.query("SELECT * FROM visits", schema)
    assert seen.rows() == [("ada", "1970-01-01T00:00:01.500Z", 3)]


def test_a_fold_has_the_view_that_it_describes_with_what_is_open_and_whole():
    fold = Fold("visits", "Visits", Sessions(), description="Of each user.")
    for dialect, schema in ((SQLITE, None), (POSTGRES, "analytics")):
        (view,) = view_of_rows(dialect, fold.table, schema)
        names = columns_of(view)
        assert names[:3] == ["id", "user_id", "session_start"]
        last = ["is_open", "is_partial", "session_start_ms"]
        assert names[-len(last) - (schema is None) :][: len(last)] == last
        assert ("userId" in names) is (schema is None)
        assert view.says == "Visits. Of each user."
        assert not {"products", "clients", "value_units"} & set(names)
    comments = "\n".join(view.comments())
    assert "\"is_bounce\" IS 'It has one page view'" in comments


def test_rows_that_are_hidden_have_no_view():
    columns = (("userId", "text"), ("n", "integer"))
    assert view_of_rows(SQLITE, RowTable("inner", columns, ("userId",), view=NO_VIEW)) == ()
