"""What only the SQLite store has to hold; the contract itself is tested in conformance/stores."""

import os
import threading
from dataclasses import replace

import polars as pl
import pytest

from rtcdp.admission.erased import ErasedUser
from rtcdp.definitions import Count, Metric, tables_of, tumbling
from rtcdp.store import EpochRefused, Erasure, Scan, StoreGone, StoreUnavailable
from rtcdp.store.sqlite import SqliteStore
from rtcdp.store.sqlite.connection import SqliteConnection
from rtcdp.testing.epochs import EpochMaker, change

VIEWS = Metric("views", "Views", tumbling(minutes=1), (Count("n"),), key=("userId",))
[TABLE] = tables_of(VIEWS)


@pytest.fixture
def store(path):
    opened = SqliteStore(path, busy_timeout_ms=50)
    opened.prepare([VIEWS])
    yield opened
    opened.close()


@pytest.fixture
def epochs():
    return EpochMaker()


def one_more(epochs):
    return epochs.make(change(TABLE, (0, "ada", 1)))


def test_an_erasure_is_not_over_while_the_file_holds_what_was_deleted(store, epochs, path):
    user = ErasedUser.of("ada", "00" * 16, 77)
    store.commit(replace(epochs.make(admitted=0), spans=(), erasure=Erasure(user)))
    reader = SqliteConnection(path, read_only=True, busy_timeout_ms=0)
    reader.run("BEGIN")
    reader.query("SELECT epoch FROM _progress", pl.Schema({"epoch": pl.Int64()}))
    before = path.with_name(f"{path.name}-wal").stat().st_size
    with pytest.raises(StoreUnavailable, match="WAL can't be emptied"):
        store.end_erasures()
    # Nothing is written anew again and again.
    assert path.with_name(f"{path.name}-wal").stat().st_size == before
    assert store.erased_users(only_pending=True) == [user]
    reader.close()
    store.end_erasures()
    assert store.erased_users(only_pending=True) == []


def test_nothing_is_made_before_it_is_written(path):
    store = SqliteStore(path)
    assert store.progress().epoch == 0
    store.close()
    assert not path.exists()


def test_a_foreign_lock_makes_it_unavailable_and_its_end_available(store, epochs, path):
    store.commit(one_more(epochs))
    foreign = SqliteConnection(path, read_only=False, busy_timeout_ms=0)
    foreign.run("BEGIN IMMEDIATE")
    epoch = one_more(epochs)
    with pytest.raises(StoreUnavailable, match="locked"):
        store.commit(epoch)
    assert store.progress().epoch == 1
    foreign.close()
    store.commit(epoch)
    assert store.dump(TABLE).rows() == [(0, "ada", 2)]


def test_a_failed_write_is_never_followed_by_another_on_the_same_handle(store, epochs):
    store.commit(one_more(epochs))
    used = store._writer
    with pytest.raises(ZeroDivisionError), store._writing():
        raise ZeroDivisionError
    store.commit(one_more(epochs))
    assert store._writer is not used


def test_a_folder_that_is_a_file_makes_it_unavailable(tmp_path):
    (tmp_path / "file").touch()
    store = SqliteStore(tmp_path / "file" / "store.db")
    with pytest.raises(StoreUnavailable):
        store.prepare([VIEWS])
    with pytest.raises(StoreUnavailable):
        store.progress()
    store.close()


def test_no_file_handle_is_left_behind(path):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        store = SqliteStore(path)
        store.prepare([VIEWS])
        done = store.progress().epoch
        store.commit(one_more(EpochMaker(number=done, next_offset=done)))
        store.dump(TABLE)
        store.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_readers_in_threads_see_whole_epochs_while_they_are_committed(store, epochs):
    wrong: list[object] = []
    done = threading.Event()

    def read():
        while not done.is_set():
            with store.snapshot() as snapshot:
                first = snapshot.progress.epoch
                rows = snapshot.scan(Scan(TABLE))
                counted = rows["n"].sum()
                if not first == counted == snapshot.ledger_totals()["received"]:
                    wrong.append((first, counted))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(150):
        store.commit(one_more(epochs))
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert store.progress().epoch == 150


def test_a_deleted_file_is_neither_made_anew_nor_taken_for_an_empty_store(store, epochs, path):
    store.commit(one_more(epochs))
    api = SqliteStore(path, read_only=True)
    assert api.progress().epoch == 1
    away = path.with_name("away.db")
    path.rename(away)
    epoch = one_more(epochs)
    for ask in (lambda: store.commit(epoch), store.progress, api.progress, api.metrics) * 2:
        with pytest.raises(StoreGone, match="was deleted while it was in use") as refused:
            ask()
        assert refused.value.hint
    assert not path.exists()
    away.rename(path)
    store.commit(epoch)
    assert api.progress().epoch == 2
    api.close()


def test_another_file_in_its_place_is_told_before_anything_is_committed(store, epochs, path):
    store.commit(one_more(epochs))
    path.rename(path.with_name("away.db"))
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink()
    other = SqliteStore(path)
    other.prepare([VIEWS])
    epoch = one_more(epochs)
    with pytest.raises(StoreGone, match="replaced by another file"):
        store.commit(epoch)
    with pytest.raises(EpochRefused):
        store.commit(epoch)
    other.close()


@pytest.mark.parametrize("side", ["", "-wal"])
def test_a_commit_into_a_file_without_a_name_is_no_commit(store, epochs, path, monkeypatch, side):
    store.commit(one_more(epochs))
    writer = store._writer

    def delete_then_commit():
        path.with_name(path.name + side).unlink()
        SqliteConnection.commit(writer)
        writer._refuse_other_file()

    monkeypatch.setattr(writer, "commit", delete_then_commit)
    with pytest.raises(StoreGone):
        store.commit(one_more(epochs))
