from contextlib import closing

from rtcdp.store.postgres import PostgresStore, values_with
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
