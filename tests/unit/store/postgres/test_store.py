"""What only the PostgreSQL store has to hold; the contract itself is in conformance/stores."""

import threading
from contextlib import closing
from dataclasses import replace

import polars as pl
import pytest

from rtcdp.definitions import Count, Metric, Minimum, tables_of, tumbling
from rtcdp.errors import UsageError
from rtcdp.store import Scan, StoreForbidden, StoreUnavailable
from rtcdp.store.postgres import PostgresStore
from rtcdp.store.postgres.connection import PostgresConnection
from rtcdp.store.postgres.schema import open_writer
from rtcdp.testing.epochs import EpochMaker, change

VIEWS = Metric("views", "Views", tumbling(minutes=1), (Count("n"),), key=("userId",))
[TABLE] = tables_of(VIEWS)
# Others sleep as well: a session goes on with that after whoever began it has gone.
SLEEPING = (
    "SELECT count(*) AS found FROM pg_stat_activity WHERE state = 'active'"
    " AND wait_event = 'PgSleep' AND query LIKE 'SELECT pg_sleep($1::%'"
)
FOUND = pl.Schema({"found": pl.Int64()})


@pytest.fixture
def store(postgres_schema_url):
    opened = PostgresStore(postgres_schema_url)
    opened.prepare([VIEWS])
    yield opened
    opened.close()


@pytest.fixture
def epochs():
    return EpochMaker()


def one_more(epochs):
    return epochs.make(change(TABLE, (0, "ada", 1)))


def test_nothing_is_made_before_it_is_written(postgres_schema_url, address):
    store = PostgresStore(postgres_schema_url)
    assert store.progress().epoch == 0
    store.close()
    connection = PostgresConnection(address)
    # This fails if it is there.
    connection.run(f'CREATE SCHEMA "{address.schema}"')
    connection.close()


def test_two_schemas_of_a_database_are_two_stores(store, epochs, postgres_schema_url):
    store.commit(one_more(epochs))
    other = PostgresStore(f"{postgres_schema_url}b")
    other.prepare([VIEWS])
    assert other.progress().epoch == 0
    other.commit(one_more(EpochMaker()))
    other.close()
    assert store.dump(TABLE).rows() == [(0, "ada", 1)]


def test_a_foreign_transaction_is_waited_for_and_then_given_up(store, epochs, address):
    store.commit(one_more(epochs))
    foreign = open_writer(address)
    foreign.begin()
    store._writer.run("SET lock_timeout = 50")
    epoch = one_more(epochs)
    with pytest.raises(StoreUnavailable, match="lock timeout"):
        store.commit(epoch)
    assert store.progress().epoch == 1
    foreign.close()
    store.commit(epoch)
    assert store.dump(TABLE).rows() == [(0, "ada", 2)]


@pytest.mark.parametrize("begin", ["begin", "begin_beside"])
def test_one_who_is_frozen_amid_its_statements_loses_the_lock_of_writers(
    store, epochs, address, monkeypatch, begin
):
    monkeypatch.setattr("rtcdp.store.postgres.frozen.SILENT_MS_MIN", 100)
    store.commit(one_more(epochs))
    frozen = open_writer(address)
    getattr(frozen, begin)()
    # Sent, and not followed by the mark of an end: the server takes it to be at work.
    frozen.send("UPDATE _progress SET epoch = 77")
    store._writer.run("SET lock_timeout = 150")
    epoch = one_more(epochs)
    with pytest.raises(StoreUnavailable, match="lock timeout"):
        store.commit(epoch)
    store.commit(epoch)
    assert store.dump(TABLE).rows() == [(0, "ada", 2)]
    with pytest.raises(StoreUnavailable):
        frozen.commit()
    frozen.close()


def test_one_who_goes_on_speaking_keeps_the_lock_of_writers(store, epochs, address, monkeypatch):
    monkeypatch.setattr("rtcdp.store.postgres.frozen.SILENT_MS_MIN", 2_500)
    store.commit(one_more(epochs))
    slow = open_writer(address)
    slow.begin()
    slow.send("UPDATE _progress SET engine = engine")

    def speak_between_the_looks():
        with closing(PostgresConnection(address)) as watching:
            while not watching.query(SLEEPING, FOUND).item():
                pass
        slow.send("UPDATE _progress SET engine = engine")

    word = threading.Thread(target=speak_between_the_looks)
    store._writer.run("SET lock_timeout = 2700")
    word.start()
    with pytest.raises(StoreUnavailable, match="lock timeout"):
        store.commit(one_more(epochs))
    word.join()
    slow.commit()
    slow.close()


def test_a_processor_says_that_it_lives_beside_the_commits_of_shards(store, address):
    counting = open_writer(address)
    counting.begin_beside()
    store.report_member("ada", 1_000, 10)
    store._writer.run("SET lock_timeout = 50")
    store.report_member("ada", 1_000, 5_000)
    counting.run("UPDATE _members SET expires_at = expires_at")
    other = PostgresStore(store._url)
    other.report_member("bob", 9_000, 1_000)
    counting.commit()
    counting.close()
    assert store.shards().members == {"ada": 6_000, "bob": 10_000}
    other.report_member("bob", 9_000, 1_000)
    assert store.shards().members == {"bob": 10_000}
    other.close()


def test_a_failed_write_is_never_followed_by_another_on_the_same_connection(store, epochs):
    store.commit(one_more(epochs))
    used = store._writer
    with pytest.raises(ZeroDivisionError), store._writing():
        raise ZeroDivisionError
    store.commit(one_more(epochs))
    assert store._writer is not used


def test_more_than_one_step_of_rows_expires(store, epochs, monkeypatch):
    monkeypatch.setattr("rtcdp.store.postgres.store._EXPIRED_AT_ONCE", 10)
    store.commit(epochs.make(change(TABLE, *((n // 5, f"u{n}", 1) for n in range(50)))))
    assert store.expire(buckets_before=7, uncounted_before=0, offsets_before={}) == 35
    assert store.dump(TABLE)["window_start"].to_list() == [n // 5 for n in range(35, 50)]


def test_readers_go_on_when_a_definition_was_changed(store, epochs):
    store.commit(one_more(epochs))
    reads = [store.snapshot() for _ in range(3)]
    for read in reads:
        assert read.__enter__().scan(Scan(TABLE))["n"].to_list() == [1]
    for read in reads:
        read.__exit__(None, None, None)
    changed = replace(VIEWS, measures=(Minimum("n"),))
    store.prepare([changed])
    [table] = tables_of(changed)
    for _ in reads:
        with store.snapshot() as snapshot:
            assert snapshot.scan(Scan(table))["n"].to_list() == []


def test_whoever_only_reads_needs_no_more_than_to_select(
    store, epochs, postgres_schema_url, address
):
    store.commit(one_more(epochs))
    admin = PostgresConnection(address)
    admin.run("DO $$ BEGIN CREATE ROLE looker LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    admin.run(f'GRANT USAGE ON SCHEMA "{address.schema}" TO looker')
    admin.run(f'GRANT SELECT ON ALL TABLES IN SCHEMA "{address.schema}" TO looker')
    admin.close()
    url = postgres_schema_url.replace("postgres@", "looker@")
    reader = PostgresStore(url, read_only=True)
    assert reader.dump(TABLE).rows() == [(0, "ada", 1)]
    reader.close()
    writer = PostgresStore(url)
    with pytest.raises(StoreForbidden):
        writer.commit(one_more(epochs))
    writer.close()


def test_a_url_that_can_t_be_read_is_refused_at_once():
    with pytest.raises(UsageError):
        PostgresStore("postgresql://h/d?colour=red")


def test_readers_in_threads_see_whole_epochs_while_they_are_committed(store, epochs):
    wrong: list[object] = []
    done = threading.Event()

    def read():
        while not done.is_set():
            with store.snapshot() as snapshot:
                first = snapshot.progress.epoch
                counted = snapshot.scan(Scan(TABLE))["n"].sum()
                if not first == counted == snapshot.ledger_totals()["received"]:
                    wrong.append((first, counted))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(60):
        store.commit(one_more(epochs))
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert store.progress().epoch == 60
