"""Rows that come as whole columns are those that come field by field."""

import polars as pl
import pytest

from rtcdp.store.postgres.connection import POSTGRES
from rtcdp.store.postgres.packed import ASKED_AT_ONCE
from rtcdp.store.row_changes import fitted_rows, row_schema
from rtcdp.store.sql.rows import create_rows, rows_of_groups
from rtcdp.testing.epochs import row_changes
from tests.unit.store.row_tables import VISITS

SCHEMA = row_schema(VISITS)
ODD = (
    ("", 0, 0.0, "", b""),
    ("ada", -(2**63), -1.5, "\1\1\3\1", b"\0\1"),
    ("ada", 2**63 - 1, 1e300, "/a", None),
    ("\0bob\1", 1, None, "\0\3\0", b"\xff" * 300),
    ("日本", 5, 0.1, None, b"x"),
    ("é" * 40, 6, None, None, None),
)


@pytest.fixture
def rows_writer(writer):
    for statement in create_rows(POSTGRES, VISITS):
        writer.run(statement)
    return writer


def both_ways(writer, users):
    asked = pl.DataFrame({"userId": users}, {"userId": pl.String()})
    sql = rows_of_groups(POSTGRES, VISITS, asked.schema)
    packed = writer.rows_about(sql, SCHEMA, asked, VISITS.primary_key)
    assert packed.schema == SCHEMA
    by_field = writer.query_about(sql, SCHEMA, asked)
    return (each.sort(VISITS.primary_key) for each in (packed, by_field))


def test_every_value_comes_as_it_rests(rows_writer):
    [odd] = fitted_rows([row_changes(VISITS, put=ODD)])
    rows_writer.change_rows(odd)
    packed, by_field = both_ways(rows_writer, [row[0] for row in ODD if row[1] >= 0])
    assert packed.equals(by_field)
    assert set(packed.rows()) == set(ODD)


def test_however_many_are_asked_about_all_are_there(rows_writer):
    count = ASKED_AT_ONCE + 10
    put = [(f"u{n:05}", n, n / 2 if n % 3 else None, f"/{n}", None) for n in range(count)]
    [many] = fitted_rows([row_changes(VISITS, put=put)])
    rows_writer.change_rows(many)
    packed, by_field = both_ways(rows_writer, [f"u{n:05}" for n in range(count + 5)])
    assert packed.equals(by_field)
    assert packed.height == count


def test_nothing_is_found_of_keys_without_rows(rows_writer):
    packed, _ = both_ways(rows_writer, ["nobody"])
    assert packed.is_empty()
