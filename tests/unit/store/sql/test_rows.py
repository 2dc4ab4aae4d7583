# ruff: noqa: S608 - the tests' own SQL
"""How row tables rest in SQL databases, and that they are found by their indexes."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from rtcdp.clock import DAY_MS
from rtcdp.store.checksums import UNDATED_DAY
from rtcdp.store.postgres.connection import POSTGRES
from rtcdp.store.row_changes import fitted_rows, key_schema
from rtcdp.store.sql.rows import create_rows, day_of, sums_of_asked
from rtcdp.store.sqlite.connection import SQLITE
from rtcdp.store.sqlite.file import open_writer
from rtcdp.testing.epochs import row_changes
from tests.unit.store.row_tables import VISITS

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def writer(tmp_path):
    with closing(open_writer(tmp_path / "store.db", 1000)) as connection:
        for statement in create_rows(SQLITE, VISITS):
            connection.run(statement)
        yield connection


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_row_tables_rest_as_they_did(name):
    dialect = {"sqlite": SQLITE, "postgresql": POSTGRES}[name]
    statements = [*create_rows(dialect, VISITS), *create_rows(dialect, replace(VISITS, order=()))]
    assert "\n".join(statements) + "\n" == (GOLDEN / f"rows.{name}.sql").read_text()


def test_a_table_that_grows_is_in_the_order_of_arrival():
    made, index, _ = create_rows(SQLITE, replace(VISITS, grows=True))
    assert made.endswith(") STRICT")
    assert "PRIMARY KEY" not in made
    assert index.startswith("CREATE UNIQUE INDEX")
    made, *indexes = create_rows(POSTGRES, VISITS)
    filled, *others = create_rows(POSTGRES, replace(VISITS, grows=True))
    # What never changes needs no room to change in.
    assert made == f"{filled} WITH (fillfactor = 70)"
    assert others == indexes


@pytest.mark.parametrize("is_known", [False, True])
def test_what_rests_under_the_keys_of_changes_is_known_or_looked_up(writer, is_known):
    before = ("ada", 1, 0.5, "/a", b"x")
    [put] = fitted_rows([row_changes(VISITS, put=[before])])
    writer.change_rows(put)
    changes = row_changes(VISITS, put=[("ada", 1, 1.5, "/b", None), ("bob", 2, None, None, None)])
    if is_known:
        changes = replace(changes, before=put.replace)
        writer.query_about = None  # nothing is looked up
    [fitted] = fitted_rows([changes])
    assert writer.change_rows(fitted) == {0: int(put.numbers[0])}


@pytest.mark.parametrize("time", [-DAY_MS - 1, -DAY_MS, -1, 0, 1, DAY_MS - 1, DAY_MS, 10**14])
def test_a_row_belongs_to_the_day_of_its_time(writer, time):
    writer.change_rows(fitted_rows([row_changes(VISITS, put=[("ada", time, None, None, None)])])[0])
    found = writer.query(
        f"SELECT {day_of(VISITS, 't')} FROM __visits AS t", pl.Schema({"day": pl.Int64})
    )
    assert found.item() == time // DAY_MS
    assert day_of(replace(VISITS, order=()), "t") == str(UNDATED_DAY)


def test_changes_find_their_rows_by_key(writer):
    writer.query_about(
        sums_of_asked(SQLITE, VISITS),
        pl.Schema(dict.fromkeys(("day", "low", "high"), pl.Int64())),
        pl.DataFrame([("ada", 1)], key_schema(VISITS), orient="row"),
    )
    plan = writer.query(
        f"EXPLAIN QUERY PLAN {sums_of_asked(SQLITE, VISITS)}",
        pl.Schema({"id": pl.Int64, "parent": pl.Int64, "notused": pl.Int64, "detail": pl.String}),
    )["detail"].to_list()
    assert any("SEARCH t USING PRIMARY KEY (userId=? AND start=?)" in step for step in plan), plan


def test_it_tells_what_the_rows_of_before_brought_to_the_sums(writer):
    ada, bob = ("ada", 1, 0.5, "/a", b"x"), ("bob", DAY_MS, None, None, None)
    [first] = fitted_rows([row_changes(VISITS, put=[ada, bob])])
    assert writer.change_rows(first) == {}
    [second] = fitted_rows([row_changes(VISITS, delete=[ada[:2]], put=[(*bob[:2], 1.0, "", b"")])])
    was = writer.change_rows(second)
    assert was == {0: int(first.numbers[0]), 1: int(first.numbers[1])}
