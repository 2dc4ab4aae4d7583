# ruff: noqa: S608 - the tests' own SQL
"""A store from before there were views for readers is opened, upgraded and counted on."""

import json
from pathlib import Path

import polars as pl
import pytest

from rtcdp.catalog.catalog import load_catalog
from rtcdp.definitions import tables_of
from rtcdp.store.postgres.address import parse_address
from rtcdp.store.postgres.schema import MIGRATIONS as POSTGRES_MIGRATIONS
from rtcdp.store.postgres.schema import open_writer as open_postgres_writer
from rtcdp.store.sql.statements import frame_schema, names, one_row, quote
from rtcdp.store.sqlite.file import MIGRATIONS as SQLITE_MIGRATIONS
from rtcdp.store.sqlite.file import open_writer
from rtcdp.testing.epochs import EpochMaker, change, rows_of

STORES = ("postgresql", "sqlite")
OLDER = 5
"""The version of SQLite's tables before there were views; PostgreSQL's is one less."""

START_MS = 1_767_225_600_000
GOLDEN = Path(__file__).parents[2] / "unit" / "store" / "golden"
ROWS = {
    "user_page_view_counts": [(START_MS, "ada", 3), (START_MS + 30_000, "bob", 1)],
    "revenue": [(START_MS, 7, 250_000, 3, 7, 250_000, 2, 1.0, 6.25)],
    "page_views_last_hour__panes": [(START_MS, 4), (START_MS + 60_000, 5)],
    "top_pages": [(START_MS,)],
    "top_pages__pages": [(START_MS, "/a", 2), (START_MS, "/b", 9)],
    "active_users": [(START_MS,)],
    "active_users__active_users": [(START_MS, -5), (START_MS, 77)],
    "value_by_user": [(START_MS, "ada", 1, 500_000, 1, 1.5)],
}


@pytest.fixture
def metrics():
    names = {name.partition("__")[0] for name in ROWS}
    return [metric for metric in load_catalog() if metric.name in names]


@pytest.fixture
def older_writer(store_name, request):
    """A connection to a store of the version before, without any metric."""
    if store_name == "sqlite":
        path = request.getfixturevalue("tmp_path") / "store.db"
        writer = open_writer(path, 1000, SQLITE_MIGRATIONS[:OLDER])
    else:
        address = parse_address(request.getfixturevalue("postgres_schema_url"))
        writer = open_postgres_writer(address, migrations=POSTGRES_MIGRATIONS[: OLDER - 1])
    yield writer
    writer.close()


def fill(writer, store_name, metrics):
    """Make the tables as the version before did, and write rows to them."""
    p = writer.dialect.placeholders
    metric = ""
    for line in (GOLDEN / f"version_5.{store_name}.sql").read_text().splitlines():
        kind, _, name = line.removeprefix("-- ").partition(" ")
        if not line.startswith("-- "):
            writer.run(line)
        elif name:
            time = "window_start" if kind == "table" else ""
            writer.run(
                f"INSERT INTO _relations (name, metric, kind, time_column) VALUES ({p(4)})",
                one_row(name, metric, kind, time),
            )
        else:
            metric = kind
    for metric in metrics:
        writer.run(
            f"INSERT INTO _metrics (name, fingerprint, is_active, is_complete) VALUES ({p(4)})",
            one_row(metric.name, metric.fingerprint, 1, 1),
        )
        for table in tables_of(metric):
            columns = table.column_names
            rows = rows_of(table, *ROWS[table.name])
            assert rows.schema == frame_schema(table)
            writer.run(
                f"INSERT INTO {quote(table.name)} ({names(*columns)}) VALUES ({p(len(columns))})",
                rows,
            )
    writer.run("INSERT INTO _progress VALUES (1, 7, 0, 'native', '')")
    writer.run('INSERT INTO _partitions ("partition", next_offset) VALUES (0, 70)')


def test_a_store_of_the_version_before_is_counted_on(older_writer, store_name, open_store, metrics):
    fill(older_writer, store_name, metrics)
    older_writer.close()
    store = open_store()
    assert list(store.prepare(metrics)) == []
    assert store.progress().next_offsets == {0: 70}
    for metric in metrics:
        for table in tables_of(metric):
            assert sorted(store.dump(table).rows()) == sorted(ROWS[table.name])

    by_name = {metric.name: metric for metric in metrics}
    views = tables_of(by_name["user_page_view_counts"])[0]
    store.commit(EpochMaker(number=7, next_offset=70).make(change(views, (START_MS, "ada", 2))))
    seen = {name: store.readable(metric).rows(named=True) for name, metric in by_name.items()}
    counts = [(row["userId"], row["page_view_count"]) for row in seen["user_page_view_counts"]]
    assert counts == [("ada", 5), ("bob", 1)]
    assert seen["revenue"][0]["average_order_value"] == 3.625
    assert max(row["page_view_count"] for row in seen["page_views_last_hour"]) == 9
    assert seen["active_users"][0]["active_users"] == 2
    assert json.loads(seen["top_pages"][0]["pages"])[0] == {"pageUrl": "/b", "count": 9}
    store.expire(buckets_before=START_MS + 1, uncounted_before=0, offsets_before={})
    assert store.readable(by_name["user_page_view_counts"])["userId"].to_list() == ["bob"]


def test_a_changed_definition_leaves_nothing_of_the_older_tables(
    older_writer, store_name, open_store, metrics
):
    fill(older_writer, store_name, metrics)
    older_writer.run("UPDATE _metrics SET fingerprint = 'another'")
    older_writer.close()
    store = open_store()
    assert list(store.prepare(metrics)) == metrics
    assert all(store.readable(metric).is_empty() for metric in metrics)


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(
    older_writer, store_name, open_store, metrics, request
):
    fill(older_writer, store_name, metrics)
    # What is renamed last finds its new name taken.
    older_writer.run("CREATE TABLE __value_by_user (n INTEGER)")
    older_writer.close()
    with pytest.raises(Exception, match="__value_by_user"):
        open_store().prepare(metrics)
    if store_name == "sqlite":
        path = request.getfixturevalue("tmp_path") / "store.db"
        writer = open_writer(path, 1000, SQLITE_MIGRATIONS[:OLDER])
    else:
        address = parse_address(request.getfixturevalue("postgres_schema_url"))
        writer = open_postgres_writer(address, migrations=POSTGRES_MIGRATIONS[: OLDER - 1])
    left = writer.query("SELECT COUNT(*) FROM revenue", pl.Schema({"n": pl.Int64}))
    assert left.item() == 1
    writer.run("DROP TABLE __value_by_user")
    writer.close()
    store = open_store()
    assert list(store.prepare(metrics)) == []
    assert store.readable(metrics[0]).height > 0
