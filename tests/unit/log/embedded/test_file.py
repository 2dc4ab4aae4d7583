"""The file: its permissions, its version, and what its errors mean."""

import gzip
import threading
from pathlib import Path

import pytest

from rtcdp.clock import ManualClock
from rtcdp.log.contract import Delivery, LogFailed, LogUnavailable
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter, LogVersionMismatch, file_of
from rtcdp.log.embedded.file import write_turn
from rtcdp.sources.synthetic.bulk import bench_events

FORMAT_1 = Path(__file__).with_name("log-of-format-1.db.gz")
"""Written by version 0.1: a chunk with a reject, one of a thousand lines, and a replayed record."""
OLD_RECORDS = [b'{"a":1}', b"?", b'{"a":2}', *[b'{"a":3}'] * 1000, b'{"a":4}']


def test_files_are_private(directory, writer):
    writer.append([Delivery(b"a\n", 1, 5)])
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in directory.iterdir()} == {
        "log.db",
        "log.db-wal",
        "log.db-shm",
        "log.lock",
    }
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


def test_a_log_of_a_newer_version_is_refused(directory, writer, sql):
    writer.close()
    sql("PRAGMA user_version = 99")
    with pytest.raises(LogVersionMismatch, match="99"):
        EmbeddedLogWriter(directory, ManualClock())
    with pytest.raises(LogVersionMismatch, match="99"):
        EmbeddedLogReader(directory).extent(0)


def raws(reader):
    return [record.raw for record in reader.read(0, 0, 10**6).each()]


def test_a_log_of_the_first_format_is_read_and_left_as_it_is(directory, reader, sql):
    put_old_log(directory)
    assert raws(reader) == OLD_RECORDS
    assert sql("PRAGMA user_version") == [(1,)]


def test_a_writer_goes_on_in_a_log_of_the_first_format(directory, reader, sql):
    put_old_log(directory)
    assert len(reader.read(0, 0, 10**6)) == 1004
    writer = EmbeddedLogWriter(directory, ManualClock())
    assert writer.append([Delivery(b'{"a":5}\n' * 1000, 1000, 8)])[0].first_offset == 1004
    writer.close()
    assert raws(reader) == [*OLD_RECORDS, *[b'{"a":5}'] * 1000]
    assert reader.log_id() == "embedded:1700000000000"
    assert sql("PRAGMA user_version") == [(2,)]
    assert len(sql("SELECT * FROM chunk WHERE line_bytes IS NULL")) == 3


def test_damage_in_a_chunk_of_the_first_format_is_seen(directory, reader, sql):
    put_old_log(directory)
    sql("UPDATE chunk SET lines = CAST(replace(lines, '3', '4') AS BLOB) WHERE first_offset = 3")
    assert sum(record.is_corrupt for record in reader.read(0, 0, 10**6).each()) == 1000


def put_old_log(directory):
    directory.mkdir()
    file_of(directory).write_bytes(gzip.decompress(FORMAT_1.read_bytes()))


def test_many_events_take_less_than_three_tenths_of_their_bytes(directory, writer):
    (body,) = bench_events(20_000)
    writer.append([Delivery(body, 20_000, 5)])
    writer.close()
    assert file_of(directory).stat().st_size < 0.3 * len(body)


def test_another_program_s_database_is_refused(directory, sql):
    directory.mkdir()
    sql("CREATE TABLE theirs (x)")
    with pytest.raises(LogVersionMismatch, match="not a log"):
        EmbeddedLogWriter(directory, ManualClock())
    assert sql("SELECT name FROM sqlite_master") == [("theirs",)]


def test_a_file_that_is_no_database_is_refused(directory):
    directory.mkdir()
    file_of(directory).write_bytes(b"something else" * 100)
    with pytest.raises(LogFailed, match="not a database"):
        EmbeddedLogWriter(directory, ManualClock())


def test_a_directory_that_can_not_be_made_is_reported(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LogUnavailable):
        EmbeddedLogWriter(tmp_path / "file" / "log", ManualClock())


def test_a_directory_s_name_may_hold_anything(tmp_path):
    odd_directory = tmp_path / "a?b#c%20d é"
    writer = EmbeddedLogWriter(odd_directory, ManualClock())
    writer.append([Delivery(b"a\n", 1, 5)])
    writer.close()
    assert EmbeddedLogReader(odd_directory).read(0, 0, 100).lines == b"a\n"
    assert file_of(odd_directory).stat().st_size > 0


def test_turns_to_write_exclude_each_other(directory, writer):
    with write_turn(directory, 50), pytest.raises(LogUnavailable, match="another process"):
        writer.append([Delivery(b"a\n", 1, 5)])
    assert writer.append([Delivery(b"a\n", 1, 5)])[0].first_offset == 0


def test_writers_take_turns(directory):
    def append_many(own_writer):
        for _ in range(20):
            own_writer.append([Delivery(b"a\n", 1, 5)])
        own_writer.close()

    writers = [EmbeddedLogWriter(directory, ManualClock()) for _ in range(3)]
    threads = [threading.Thread(target=append_many, args=[each]) for each in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert EmbeddedLogReader(directory).read(0, 0, 10_000).offsets.tolist() == list(range(60))


def test_records_are_erased_from_a_log_of_the_first_format(directory, reader):
    put_old_log(directory)
    assert reader.erase({0: [1000, 1003]}) == 2
    left = [each.raw for each in reader.read(0, 0, 10**6).each()]
    assert left == [*OLD_RECORDS[:1000], b"", *OLD_RECORDS[1001:1003], b""]
