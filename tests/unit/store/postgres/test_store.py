"""What only the PostgreSQL store has to hold; the contract itself is in conformance/stores."""

import threading
from dataclasses import replace

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
