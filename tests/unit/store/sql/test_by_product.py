"""Rows by product and pane, given to what the product was."""

import sqlite3

from rtcdp.definitions import Count, Metric, Product, tumbling
from rtcdp.definitions.enrichment import stored_as
from rtcdp.definitions.products import PRODUCTS
from rtcdp.store.sql.by_product import attributed
from rtcdp.store.sql.schema import relations_of
from rtcdp.store.sqlite.connection import SQLITE

METRIC = Metric("sales", "", tumbling(minutes=1), (Count("n"),), (Product("category"),))


def test_where_a_version_begins_inside_of_a_pane_it_is_cut() -> None:
    by = stored_as(METRIC)
    assert by is not None
    with sqlite3.connect(":memory:") as connection:
        for each in (by.by_pane, by.by_moment, PRODUCTS):
            for relation in relations_of(SQLITE, each):
                for statement in relation.statements:
                    connection.execute(statement)
        panes = [(0, "p", 7), (60_000, "p", 5), (0, "nobody", 1)]
        connection.executemany("INSERT INTO __sales_of_products VALUES (?, ?, ?)", panes)
        moments = [(9_999, "p", 4), (10_000, "p", 2), (59_999, "p", 1), (60_000, "p", 5)]
        connection.executemany("INSERT INTO __sales_of_moments VALUES (?, ?, ?)", moments)
        connection.execute(
            "INSERT INTO __products VALUES ('p', 10000, 'kite', 'toys', 1.0, 0, 0, 0, 0)"
        )
        found = connection.execute(attributed(SQLITE, by, 0)).fetchall()
    assert sorted(found) == [
        (0, "(unknown)", "nobody", 1),
        (0, "(unknown)", "p", 4),
        (0, "toys", "p", 1),
        (0, "toys", "p", 2),
        (60_000, "toys", "p", 5),
    ]
