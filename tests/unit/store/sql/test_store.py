"""What `SqlStore` does with its connections; what it does with data is tested in conformance."""

import pytest

from rtcdp.errors import UsageError
from rtcdp.store import Acknowledgement, LeaseLost, StoreUnavailable
from rtcdp.store.sql.store import Older, SqlStore
from rtcdp.store.sqlite.file import open_writer
from rtcdp.store.sqlite.readers import SqliteReaders


class Openings:
    """Opens writers of a file, and remembers them."""

    def __init__(self, path):
        self._path = path
        self.opened = []

    def __call__(self):
        self.opened.append(open_writer(self._path, 50))
        return self.opened[-1]


def fail_while_writing(store):
    with store._writing() as connection:
        connection.run("INSERT INTO _progress VALUES (1, 7, 0, 'native', '')")
        raise ZeroDivisionError


@pytest.fixture
def openings(path):
    return Openings(path)


@pytest.fixture
def store(path, openings):
    opened = SqlStore(SqliteReaders(path, 50), openings, read_only=False)
    yield opened
    opened.close()


def test_a_writer_is_opened_for_the_first_write_and_kept(store, openings):
    assert store.progress().epoch == 0
    assert openings.opened == []
    store.prepare([])
    store.prepare([])
    assert len(openings.opened) == 1


def test_one_that_failed_is_closed_and_another_opened(store, openings):
    store.prepare([])
    with pytest.raises(ZeroDivisionError):
        fail_while_writing(store)
    assert store.progress().epoch == 0
    store.prepare([])
    assert len(openings.opened) == 2


def test_when_none_can_be_opened_the_next_write_tries_again(path):
    tried = []

    def fail():
        tried.append(1)
        raise StoreUnavailable("away", "wait")

    store = SqlStore(SqliteReaders(path, 50), fail, read_only=False)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            store.prepare([])
    assert len(tried) == 2


def test_nothing_is_opened_for_writing_by_one_that_only_reads(path, openings):
    store = SqlStore(SqliteReaders(path, 50), openings, read_only=True)
    for write in (
        lambda: store.prepare([]),
        lambda: store.acquire_lease("a", 0, 1),
        lambda: store.mark_replayed([(0, 0)], 1),
        lambda: store.acknowledge(Acknowledgement("[]", 0, "ada", 1)),
        lambda: store.expire(buckets_before=0, uncounted_before=0, offsets_before={}),
    ):
        with pytest.raises(UsageError):
            write()
    assert openings.opened == []


def test_a_lease_that_was_given_back_is_no_longer_checked(store, path, openings):
    store.acquire_lease("a", now_ms=0, ttl_ms=10)
    other = SqlStore(SqliteReaders(path, 50), openings, read_only=False)
    other.acquire_lease("b", now_ms=10, ttl_ms=10)
    with pytest.raises(LeaseLost):
        store.prepare([])
    store.release_lease()
    store.prepare([])
    other.close()


def test_times_that_were_lost_are_never_old():
    assert Older("window_start", 5).condition(lambda n: f"?{n}") == '"window_start" < ?1'
    older = Older("received_at", 5, (2, 7), "offset")
    assert older.condition(lambda n: f"?{n}") == (
        '"received_at" < ?1 AND received_at > 0 AND "partition" = ?2 AND "offset" < ?3'
    )
    assert older.bound.row(0) == (5, 2, 7)
