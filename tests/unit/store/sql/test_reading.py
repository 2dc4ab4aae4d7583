"""Every page walks an index: no read costs more because the table has grown."""

import polars as pl
import pytest

from rtcdp.definitions import Count, Metric, tables_of, tumbling
from rtcdp.store import Scan, UncountedScan
from rtcdp.store.sql.definitions import prepare_metrics
from rtcdp.store.sql.reading import (
    Query,
    Where,
    ledger_queries,
    read_pages,
    scan_queries,
    uncounted_query,
)
from rtcdp.store.sql.statements import one_row
from rtcdp.store.sqlite.connection import SQLITE

BY_USER = Metric("views", "Views", tumbling(minutes=1), (Count("n"),), key=("userId",))
BY_PAGE = Metric("pages", "Pages", tumbling(minutes=1), (Count("n"),), key=("pageUrl", "userId"))
PLAN = pl.Schema({"id": pl.Int64, "parent": pl.Int64, "unused": pl.Int64, "detail": pl.String})


@pytest.fixture
def plans(connection):
    """The steps in which the database would run each of several queries."""
    prepare_metrics(connection, [BY_USER, BY_PAGE])

    def explain(queries):
        for query in queries:
            bound = one_row(*query.values, 100)
            steps = connection.query(f"EXPLAIN QUERY PLAN {query.sql}", PLAN, bound)
            yield steps["detail"].to_list()

    return explain


@pytest.mark.parametrize(
    "scan",
    [
        Scan(tables_of(BY_USER)[0], bucket_to=9),
        Scan(tables_of(BY_USER)[0], after=(5, "ada")),
        Scan(tables_of(BY_USER)[0], equals={"userId": "ada"}),
        Scan(tables_of(BY_USER)[0], equals={"userId": "ada"}, bucket_from=0, bucket_to=9),
        Scan(tables_of(BY_USER)[0], equals={"userId": "ada"}, after=(5, "ada")),
        Scan(tables_of(BY_PAGE)[0], equals={"pageUrl": "/a"}),
        Scan(tables_of(BY_PAGE)[0], equals={"userId": "ada"}),
        Scan(tables_of(BY_PAGE)[0], equals={"userId": "ada"}, after=(5, "/a", "ada")),
        Scan(tables_of(BY_PAGE)[0], equals={"pageUrl": "/a", "userId": "ada"}),
    ],
    ids=lambda scan: f"{scan.table.name} {dict(scan.equals)} after {scan.after}",
)
def test_a_page_of_a_metric_is_searched_and_not_sorted(plans, scan):
    for steps in plans(scan_queries(SQLITE, scan)):
        assert all(step.startswith("SEARCH") for step in steps), steps


@pytest.mark.parametrize("table", [tables_of(BY_USER)[0], tables_of(BY_PAGE)[0]])
def test_the_newest_page_is_the_tables_own_beginning(plans, table):
    # Without any condition there is nothing to search for; what matters is that nothing is sorted.
    [steps] = plans(scan_queries(SQLITE, Scan(table)))
    assert steps == [f"SCAN __{table.name}"]


@pytest.mark.parametrize(
    "scan",
    [
        UncountedScan(verdict="late"),
        UncountedScan(verdict="dead_letter", reason="future", after=(5, 0, 1)),
        UncountedScan(user_id="ada"),
        UncountedScan(after=(5, 0, 1)),
    ],
)
def test_a_page_of_uncounted_records_is_searched_and_not_sorted(plans, scan):
    [steps] = plans([uncounted_query(SQLITE, scan)])
    assert all(step.startswith("SEARCH _uncounted USING INDEX") for step in steps), steps


def test_a_page_of_the_ledger_is_searched_and_not_sorted(plans):
    for steps in plans(ledger_queries(SQLITE, 0, (5, "a"))):
        assert all(step.startswith("SEARCH") for step in steps), steps


def test_conditions_are_bound_in_the_order_of_their_placeholders():
    where = Where(SQLITE)
    where.add("a", "=", 1)
    where.add("b", "=", None)
    where.add_row(("c", "d"), ">", ("x", "y"))
    assert str(where) == ' WHERE "a" = ?1 AND ("c", "d") > (?2, ?3)'
    assert where.values == [1, "x", "y"]


def test_pages_are_filled_from_one_query_after_another(connection):
    schema = pl.Schema({"n": pl.Int64})
    three = Query("SELECT value FROM json_each('[1,2,3]') LIMIT ?1", (), schema)
    assert read_pages(connection, [three, three], 2)["n"].to_list() == [1, 2]
    assert read_pages(connection, [three, three], 4)["n"].to_list() == [1, 2, 3, 1]
    assert read_pages(connection, [three, three], None).height == 6
    assert read_pages(connection, [three, three], 0).schema == schema
