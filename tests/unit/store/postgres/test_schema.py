import threading
from dataclasses import replace

import polars as pl
import pytest

from rtcdp.definitions import Count
from rtcdp.errors import UsageError
from rtcdp.store import StateMismatch, StoreForbidden, StoreUnavailable
from rtcdp.store.postgres.address import parse_address
from rtcdp.store.postgres.connection import POSTGRES, PostgresConnection
from rtcdp.store.postgres.schema import (
    MIGRATIONS,
    PostgresReader,
    PostgresWriter,
    open_writer,
    version_of,
)
from rtcdp.store.sql.definitions import prepare_metrics
from rtcdp.store.sql.schema import relations_of

NEXT = (*MIGRATIONS, ("ALTER TABLE _progress ADD COLUMN note text",))
NEWEST = len(MIGRATIONS)
TEXT = pl.Schema({"text": pl.String()})


@pytest.fixture
def reader(address):
    opened = PostgresReader(address)
    yield opened
    opened.close()


def columns(connection):
    found = connection.query(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = '_progress'::regclass"
        " AND attnum > 0",
        TEXT,
    )
    return found["text"].to_list()


def setting(connection, name):
    return connection.query(f"SELECT current_setting('{name}')", TEXT).item()


def test_a_schema_without_store_is_left_alone_by_readers(reader):
    assert reader.begin() == 0
    assert version_of(reader) == 0


def test_a_reader_sees_one_state_and_can_t_write(address, reader):
    open_writer(address).close()
    assert reader.begin() == NEWEST
    assert setting(reader, "transaction_isolation") == "repeatable read"
    with pytest.raises(StoreUnavailable, match="read-only"):
        reader.run("DELETE FROM _progress")


def test_a_store_that_is_gone_is_noticed(address, reader):
    open_writer(address).close()
    reader.begin()
    reader.commit()
    other = PostgresConnection(address)
    other.run(f'DROP SCHEMA "{address.schema}" CASCADE')
    other.close()
    with pytest.raises(StateMismatch):
        reader.begin()


def test_every_commit_is_on_disk_even_where_the_user_has_it_otherwise(address):
    address = replace(address, conninfo=f"{address.conninfo} options='-c synchronous_commit=off'")
    connection = open_writer(address)
    assert setting(connection, "synchronous_commit") == "on"
    connection.close()


def test_whoever_vanishes_in_a_transaction_loses_it(writer):
    assert setting(writer, "idle_in_transaction_session_timeout") == "20s"
    assert setting(writer, "lock_timeout") == "10s"
    assert setting(writer, "statement_timeout") == "10min"


def test_an_older_store_is_upgraded_and_keeps_its_rows(address):
    older = open_writer(address)
    older.run("INSERT INTO _progress VALUES (1, 7, 0, 'native')")
    older.close()
    newer = open_writer(address, migrations=NEXT)
    assert version_of(newer, NEXT) == NEWEST + 1
    assert "note" in columns(newer)
    epoch = newer.query("SELECT epoch FROM _progress", pl.Schema({"epoch": pl.Int64()}))
    assert epoch.item() == 7
    newer.close()


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(address):
    open_writer(address).close()
    with pytest.raises(StateMismatch, match="nowhere"):
        open_writer(address, migrations=(*NEXT, ("INSERT INTO nowhere VALUES (1)",)))
    older = open_writer(address)
    assert version_of(older) == NEWEST
    assert "note" not in columns(older)
    older.close()


def test_a_newer_store_is_refused_at_once_and_in_the_midst_of_work(address, reader, writer):
    writer.commit()
    reader.begin()
    reader.commit()
    open_writer(address, migrations=NEXT).close()
    for refused in (lambda: open_writer(address), writer.begin, reader.begin):
        with pytest.raises(StateMismatch, match=f"version {NEWEST + 1}"):
            refused()


@pytest.mark.parametrize(
    "table",
    [
        "_about (id bigint)",
        "_about AS SELECT 1::bigint AS id, 'x' AS application, 1::bigint AS version",
    ],
)
def test_another_programs_tables_are_refused_and_not_touched(address, table):
    other = PostgresConnection(address)
    other.run(f'CREATE SCHEMA "{address.schema}"')
    other.run(f'CREATE TABLE "{address.schema}".{table}')
    other.close()
    with pytest.raises(StateMismatch):
        open_writer(address)


def test_a_table_of_another_program_is_not_taken_over(writer, written_out):
    writer.run("CREATE TABLE sales (id bigint)")
    with pytest.raises(UsageError, match="already exists") as refused:
        prepare_metrics(writer, [written_out])
    assert "?schema=" in refused.value.hint


def test_many_who_find_no_store_make_one(address):
    failed = []

    def make():
        try:
            open_writer(address).close()
        except BaseException as error:
            failed.append(error)
            raise

    makers = [threading.Thread(target=make) for _ in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert failed == []


def test_whoever_may_not_make_a_schema_is_told_what_it_lacks(address, postgres_server):
    admin = PostgresConnection(address)
    admin.run("DO $$ BEGIN CREATE ROLE poor LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    admin.close()
    url = postgres_server.url("shared").replace("postgres@", "poor@")
    with pytest.raises(StoreForbidden, match="permission denied"):
        open_writer(parse_address(f"{url}?schema=mine"))


def test_a_database_that_can_t_hold_every_text_is_refused(address):
    admin = PostgresConnection(address)
    admin.run("DROP DATABASE IF EXISTS narrow")
    admin.run(
        "CREATE DATABASE narrow ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    narrow = replace(address, conninfo=address.conninfo.replace("dbname=shared", "dbname=narrow"))
    with pytest.raises(UsageError, match="LATIN1"):
        open_writer(narrow)
    admin.run("DROP DATABASE narrow")
    admin.close()


def test_a_server_that_is_too_old_is_refused(address, monkeypatch):
    monkeypatch.setattr(PostgresWriter, "server_version", 120_010)
    with pytest.raises(UsageError, match="version 12"):
        open_writer(address)


def test_two_writers_take_turns(address, writer):
    order = []

    def second():
        other = open_writer(address)
        other.begin()
        order.append("second")
        other.commit()
        other.close()

    thread = threading.Thread(target=second)
    writer.run("INSERT INTO _progress VALUES (1, 7, 0, 'native')")
    thread.start()
    thread.join(0.5)
    assert thread.is_alive()
    order.append("first")
    writer.commit()
    thread.join()
    assert order == ["first", "second"]


def test_names_of_indexes_are_as_long_as_postgresql_takes_them(writer, in_panes):
    metrics = [replace(in_panes, name=48 * letter, measures=(Count("n"),)) for letter in "ab"]
    made = " ".join(s for m in metrics for s in relations_of(POSTGRES, m)[0].statements)
    indexes = [word.strip('"') for word in made.split() if word.startswith(('"_a', '"_b'))]
    assert sorted(map(len, set(indexes))) == [61, 61, 63, 63]
    prepare_metrics(writer, metrics)


def test_names_of_tables_that_are_too_long_for_it_are_refused(writer, written_out):
    measure = replace(written_out.measures[-1], name="m" * 48)
    with pytest.raises(UsageError, match="too long"):
        prepare_metrics(writer, [replace(written_out, measures=(measure,), name="n" * 20)])


def test_readers_keep_their_grants_when_a_view_says_something_else(writer, written_out):
    prepare_metrics(writer, [written_out])
    view = f'"{writer.readers_schema}".sales'
    writer.run(f"GRANT SELECT ON {view} TO pg_monitor")
    prepare_metrics(writer, [replace(written_out, title="What is sold")])
    found = writer.query(
        f"SELECT obj_description('{view}'::regclass, 'pg_class') AS says,"
        f" has_table_privilege('pg_monitor', '{view}', 'SELECT')::integer AS may,"
        f" col_description('{view}'::regclass, 1) AS key",
        pl.Schema({"says": pl.String, "may": pl.Int64, "key": pl.String}),
    )
    assert found.rows() == [("What is sold.", 1, "The event's pageUrl")]


def test_a_view_of_somebody_else_is_not_taken_away(writer, written_out):
    writer.run(f'CREATE VIEW "{writer.readers_schema}".sales AS SELECT 1 AS one')
    with pytest.raises(UsageError, match="exists"):
        prepare_metrics(writer, [written_out])
