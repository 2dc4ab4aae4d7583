from contextlib import closing

import pytest

from rtcdp.clock import ManualClock, SystemClock
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.runtime.processing import erase
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.user_data.receipts import Traced
from rtcdp.runtime.user_data.search import Search, find, find_in_tables, found_of
from tests.unit.runtime.small_shop import count, visit


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
