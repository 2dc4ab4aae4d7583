import pytest

from rtcdp.store import StateMismatch, StoreUnavailable
from rtcdp.store.sql.snapshot import EmptySnapshot
from rtcdp.store.sql.statements import one_row
from rtcdp.store.sqlite.file import MIGRATIONS, make_file, open_writer
from rtcdp.store.sqlite.readers import SqliteReaders


@pytest.fixture
def readers(path):
    made = SqliteReaders(path, 50)
    yield made
    made.close()


def seen_epoch(readers):
    with readers.snapshot() as snapshot:
        return snapshot.progress.epoch


def at_epoch(path, epoch):
    writer = open_writer(path, 50)
    writer.run("INSERT INTO _progress VALUES (1, ?1, 0, '', '')", one_row(epoch))
    writer.close()


def test_a_missing_and_a_half_made_file_are_empty(readers, path):
    with readers.snapshot() as snapshot:
        assert isinstance(snapshot, EmptySnapshot)
    make_file(path)
    with readers.snapshot() as snapshot:
        assert isinstance(snapshot, EmptySnapshot)


@pytest.mark.usefixtures("connection")
def test_a_connection_is_lent_again_but_never_to_two(readers):
    with readers.connection() as first, readers.connection() as second:
        assert first is not second
    with readers.connection() as again:
        assert again in (first, second)


@pytest.mark.usefixtures("connection")
def test_only_a_few_connections_are_kept(readers):
    lent = [readers.connection() for _ in range(12)]
    for each in lent:
        each.__enter__()
    for each in lent:
        each.__exit__(None, None, None)
    assert len(readers._idle) == 8


def test_a_file_that_was_replaced_is_seen(readers, path):
    at_epoch(path, 3)
    assert seen_epoch(readers) == 3
    path.rename(path.with_name("old.db"))
    at_epoch(path, 1)
    assert seen_epoch(readers) == 1


def test_a_store_that_waits_for_its_upgrade_is_unavailable(readers, path, monkeypatch):
    at_epoch(path, 3)
    monkeypatch.setattr("rtcdp.store.sqlite.readers.MIGRATIONS", (*MIGRATIONS, ()))
    with pytest.raises(StoreUnavailable, match="waits to be upgraded"):
        seen_epoch(readers)


def test_a_newer_store_is_refused(readers, connection):
    connection.pragma("user_version = 99")
    with pytest.raises(StateMismatch, match="version 99"):
        seen_epoch(readers)


def test_a_reader_that_failed_is_not_lent_again(readers, connection):
    assert connection is not None
    with pytest.raises(ZeroDivisionError), readers.connection():
        raise ZeroDivisionError
    assert readers._idle == []


@pytest.mark.usefixtures("connection")
def test_after_closing_nothing_is_lent_and_what_comes_back_is_closed(readers):
    with readers.connection() as lent:
        readers.close()
        assert lent.pragma("user_version") == len(MIGRATIONS)
    assert readers._idle == []
    with pytest.raises(StoreUnavailable, match="closed"):
        seen_epoch(readers)
