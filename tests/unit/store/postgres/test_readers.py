import random

import pytest

from rtcdp.definitions import tables_of
from rtcdp.store import Scan, StateMismatch, StoreUnavailable
from rtcdp.store.postgres.connection import PostgresConnection
from rtcdp.store.postgres.readers import PostgresReaders, PostgresSnapshot
from rtcdp.store.postgres.schema import MIGRATIONS, open_writer
from rtcdp.store.sql.definitions import prepare_metrics
from rtcdp.store.sql.snapshot import EmptySnapshot
from rtcdp.testing.epochs import rows_of


@pytest.fixture
def members(writer, written_out):
    prepare_metrics(writer, [written_out])
    return tables_of(written_out)[1]


def long_text(seed):
    rng = random.Random(seed)
    return "z" + "".join(chr(rng.randrange(0x20000, 0x2A6D0)) for _ in range(2000))


def test_long_keys_come_back_wherever_they_are_read(writer, members):
    rows = [(0, long_text(n % 2), long_text(n), n) for n in range(4)]
    writer.merge(members, rows_of(members, *rows))
    snapshot = PostgresSnapshot(writer)
    assert snapshot.dump(members).rows() == sorted(rows)
    assert snapshot.scan(Scan(members, {"userId": long_text(2)})).rows() == [rows[2]]
    groups = rows_of(members, rows[3]).drop("member")
    assert snapshot.members(members, groups).rows() == [rows[3]]


def test_a_text_that_only_looks_short_stays(writer, members):
    looks_short = "a…#" + "0" * 32
    writer.merge(members, rows_of(members, (0, looks_short, "ada", 1)))
    assert PostgresSnapshot(writer).dump(members)["pageUrl"].to_list() == [looks_short]


def test_keys_of_ordinary_length_ask_for_nothing_more(writer, members, monkeypatch):
    writer.merge(members, rows_of(members, (0, "/a", "ada", 1)))
    snapshot = PostgresSnapshot(writer)
    asked = []
    query = writer.query
    monkeypatch.setattr(writer, "query", lambda sql, *a: asked.append(sql) or query(sql, *a))
    snapshot.dump(members)
    assert not [sql for sql in asked if "_long_texts" in sql]


@pytest.fixture
def readers(address):
    made = PostgresReaders(address, 10)
    yield made
    made.close()


@pytest.fixture
def made(address):
    """There is a store, which was written to."""
    writer = open_writer(address)
    writer.run("INSERT INTO _progress VALUES (1, 3, 0, '')")
    writer.close()


def seen_epoch(readers):
    with readers.snapshot() as snapshot:
        return snapshot.progress.epoch


def cut_off(readers, address):
    """The server ends all idle connections, as it does when it is restarted."""
    admin = PostgresConnection(address)
    for connection in readers._idle:
        admin.run(f"SELECT pg_terminate_backend({connection._pgconn.backend_pid})")
    admin.close()


def test_a_store_that_is_not_there_is_empty(readers):
    with readers.snapshot() as snapshot:
        assert isinstance(snapshot, EmptySnapshot)


def test_a_store_is_seen_as_soon_as_it_is_there(readers, request):
    assert seen_epoch(readers) == 0
    request.getfixturevalue("made")
    assert seen_epoch(readers) == 3


@pytest.mark.usefixtures("made")
def test_a_connection_is_lent_again_but_never_to_two(readers):
    with readers.reading() as first, readers.reading() as second:
        assert first.connection is not second.connection
    with readers.reading() as again:
        assert again.connection in (first.connection, second.connection)


@pytest.mark.usefixtures("made")
def test_only_a_few_connections_are_kept(readers):
    lent = [readers.snapshot() for _ in range(12)]
    for each in lent:
        each.__enter__()
    for each in lent:
        each.__exit__(None, None, None)
    assert len(readers._idle) == 8


@pytest.mark.usefixtures("made")
def test_a_restart_of_the_server_costs_no_answer(readers, address):
    with readers.snapshot(), readers.snapshot(), readers.snapshot():
        pass
    cut_off(readers, address)
    assert seen_epoch(readers) == 3
    assert len(readers._idle) == 1


@pytest.mark.usefixtures("made")
def test_a_store_that_waits_for_its_upgrade_is_unavailable(readers, monkeypatch):
    monkeypatch.setattr("rtcdp.store.postgres.readers.MIGRATIONS", (*MIGRATIONS, ()))
    with pytest.raises(StoreUnavailable, match="waits to be upgraded"):
        seen_epoch(readers)


def test_a_newer_store_is_refused(readers, address):
    open_writer(address, migrations=(*MIGRATIONS, ())).close()
    with pytest.raises(StateMismatch, match="version"):
        seen_epoch(readers)


@pytest.mark.usefixtures("made")
def test_a_reader_that_failed_is_not_lent_again(readers):
    with pytest.raises(ZeroDivisionError), readers.snapshot():
        raise ZeroDivisionError
    assert readers._idle == []


@pytest.mark.usefixtures("made")
def test_after_closing_nothing_is_lent_and_what_comes_back_is_closed(readers):
    with readers.snapshot() as snapshot:
        readers.close()
        assert snapshot.progress.epoch == 3
    assert readers._idle == []
    with pytest.raises(StoreUnavailable, match="closed"):
        seen_epoch(readers)
