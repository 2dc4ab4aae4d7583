from contextlib import closing

import pytest

from rtcdp.store.postgres import PostgresStore, searching, values_with
from rtcdp.store.postgres.schema import open_writer
from rtcdp.store.sql.statements import one_row


def test_every_kind_of_column_of_every_table_is_looked_into(address, postgres_schema_url):
    url = postgres_schema_url
    assert list(values_with(url, [b"ada"])) == []
    with closing(PostgresStore(url)) as store:
        store.prepare(())
    with closing(open_writer(address)) as writer:
        writer.begin()
        writer.run("CREATE TABLE others (a text, b bytea, c jsonb, n bigint)")
        writer.run(
            "INSERT INTO others VALUES ($1, convert_to($2, 'UTF8'), $3::text::jsonb, 7)",
            one_row("ada as text", "\\xff ada as bytes", '{"who": "ada"}'),
        )
        writer.run("INSERT INTO others VALUES ('bob', '\\x00', '{}', 1)")
        writer.commit()
    found = list(values_with(url, [b"ada", b"eve"]))
    assert found == [
        ("others", b"ada as text"),
        ("others", b"\\xff ada as bytes"),
        ("others", b'{"who": "ada"}'),
    ]


@pytest.mark.parametrize("ranges_from", [searching.RANGES_FROM, 10**9])
def test_many_others_hide_nobody_and_a_large_table_is_searched_in_slices(
    address, postgres_schema_url, monkeypatch, ranges_from
):
    monkeypatch.setattr(searching, "SLICE_BLOCKS", 2)
    monkeypatch.setattr(searching, "RANGES_FROM", ranges_from)
    with closing(PostgresStore(postgres_schema_url)) as store:
        store.prepare(())
    with closing(open_writer(address)) as writer:
        writer.begin()
        writer.run("CREATE TABLE others (value text, note bytea)")
        writer.run("INSERT INTO others SELECT 'user-1' || n, '' FROM generate_series(1, 1500) n")
        writer.run("INSERT INTO others VALUES ('bob', convert_to('user-1 or user/1', 'UTF8'))")
        writer.commit()
    slices = []
    texts = [b"user-1", b"user/1"]
    found = list(values_with(postgres_schema_url, texts, lambda: slices.append(1)))
    of_others = [value for table, value in found if table == "others"]
    assert of_others.count(b"user-1 or user/1") == 1
    assert len(set(of_others)) == len(of_others) == 1501
    assert len(slices) > 3
