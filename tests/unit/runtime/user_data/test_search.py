import sqlite3
import threading
from contextlib import closing

import pytest

from rtcdp.clock import ManualClock, SystemClock
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter, file_of
from rtcdp.runtime.processing import erase
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.user_data.receipts import Traced
from rtcdp.runtime.user_data.search import Search, find, find_in_tables, found_of
from tests.unit.runtime.small_shop import count, settings_of, visit


def test_an_id_is_found_across_the_blocks_of_a_file_and_counted_once(tmp_path):
    for at in (2**20 - 5, 2**20 - 40, 2**20 - 1, 2**20, 0, 2**21 + 3):
        (tmp_path / "file").write_bytes(b" " * at + b"ada@x" + b" " * 2**20)
        assert list(find([tmp_path], "ada@x")) == [Traced(str(tmp_path / "file"), 1)]


def test_parts_of_words_are_not_found_and_what_lies_beside_a_database_is(tmp_path):
    (tmp_path / "store.db").write_bytes(b"canada adam")
    (tmp_path / "store.db-wal").write_bytes(b"\0ada\0")
    found = list(find([tmp_path / "store.db"], "ada"))
    assert found == [Traced(str(tmp_path / "store.db-wal"), 1)]


@pytest.mark.parametrize("length", [2**20, 2**21])
def test_an_id_at_the_end_of_a_file_of_whole_blocks_is_found(tmp_path, length):
    (tmp_path / "file").write_bytes(b" " * (length - 3) + b"ada")
    assert list(find([tmp_path], "ada")) == [Traced(str(tmp_path / "file"), 1)]


def test_what_stands_compressed_in_the_log_is_found_and_counted_once(tmp_path):
    settings = Settings(data_dir=tmp_path)
    folder = settings.log_path
    writer = EmbeddedLogWriter(folder, ManualClock(5))
    lines = b"".join(b'{"userId":"bob","n":%d}\n' % n for n in range(300))
    of_ada = b'{"userId":"bob","pageUrl":"/ada"}\n'
    writer.append([Delivery(lines + of_ada, 301, 7, rejects=((4, b"ada"),))])
    writer.close()
    with closing(EmbeddedLogReader(folder)) as log:
        before = Search({0: 4}, without=[tmp_path / "left-out"])
        (tmp_path / "left-out").write_bytes(b"ada")
        assert found_of(settings, log, "ada", before) == ()
        (tmp_path / "left-out").unlink()
        assert found_of(settings, log, "ada") == (Traced("records of partition 0 of the log", 2),)
        assert found_of(settings, log, "eve") == ()


def test_what_comes_in_later_is_not_left_however_often_its_page_was_written(tmp_path):
    settings = Settings(data_dir=tmp_path)
    with (
        closing(EmbeddedLogWriter(settings.log_path, ManualClock(5))) as writer,
        closing(EmbeddedLogReader(settings.log_path)) as log,
    ):

        def comes_in(user):
            line = b'{"userId":"%s"}\n' % user
            writer.append([Delivery(line, 1, 7)])

        comes_in(b"bob")
        for _ in range(3):
            comes_in(b"ada")
        while_looking = Search({0: 1}, on_slice=lambda: comes_in(b"ada"))
        assert found_of(settings, log, "ada", while_looking) == ()
        assert found_of(settings, log, "bob", while_looking) == (
            Traced("records of partition 0 of the log", 1),
        )
        # A copy that nobody reads any more is left all the same.
        with closing(sqlite3.connect(file_of(settings.log_path))) as connection:
            connection.execute("PRAGMA secure_delete = OFF")
            connection.execute("CREATE TABLE other (text)")
            connection.execute("INSERT INTO other VALUES (?)", ("eve " * 9_000,))
            connection.execute("DELETE FROM other")
            connection.commit()
        (left,) = found_of(settings, log, "eve", while_looking)
        assert (left.place, left.count > 100) == (str(file_of(settings.log_path).resolve()), True)


def test_a_user_who_goes_on_is_erased_and_only_what_is_new_stays(tmp_path):
    settings = settings_of(tmp_path)
    visit(settings, "ada@x", "bob")
    is_over = threading.Event()

    def goes_on():
        while not is_over.wait(0.05):
            visit(settings, "ada@x")

    going_on = threading.Thread(target=goes_on)
    going_on.start()
    try:
        receipt = erase(settings, SystemClock(), "ada@x", "me")
    finally:
        is_over.set()
        going_on.join()
    assert receipt.found == ()
    assert receipt.records["admitted"] >= 1


@pytest.mark.parametrize("url", ["postgres_schema_url", "mongo_url"])
def test_the_tables_of_a_server_are_searched_as_well(url, tmp_path, request):
    settings = Settings(data_dir=tmp_path, store=request.getfixturevalue(url))
    broken = b'{"userId":"ada@example.org","timestamp":"never"}'
    visit(settings, "ada@example.org", "bob@example.org", broken=broken)
    count(settings)
    found = find_in_tables(settings, "ada@example.org")
    tables = {each.place.split()[2].removeprefix("__") for each in found}
    assert {"_uncounted", "sessions", "user_page_view_counts"} <= tables, tables
    assert list(find_in_tables(settings, "da@example.org")) == []
    receipt = erase(settings, SystemClock(), "ada@example.org", "test")
    assert (receipt.records, receipt.found) == ({"admitted": 1, "dead_letter": 1}, ())
    assert list(find_in_tables(settings, "ada@example.org")) == []
    assert list(find_in_tables(settings, "bob@example.org")) != []
