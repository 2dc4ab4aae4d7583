"""The writer: where records come to rest, and what it refuses."""

import random
import shutil
import sqlite3
from contextlib import closing

import pytest

from rtcdp.clock import ManualClock
from rtcdp.errors import UsageError
from rtcdp.log.contract import (
    Appended,
    Delivery,
    LogFailed,
    LogFull,
    LogGone,
    LogUnavailable,
)
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter, TooManySources, file_of
from rtcdp.log.embedded import writer as embedded_writer
from rtcdp.log.embedded.file import WAL_KEPT_BYTES
from rtcdp.log.limits import MAX_SOURCES, Retention


def lines(count, received_at=5, source="web"):
    return Delivery(b'{"a":1}\n' * count, count, received_at, source)


def incompressible(size, count=1):
    """Lines that take as much room on disk as they are long."""
    noise = random.Random(1).randbytes(size).replace(b"\n", b"x")
    length = size // count
    return b"".join(noise[n * length : (n + 1) * length] + b"\n" for n in range(count))


def test_each_delivery_learns_its_place(writer):
    assert writer.append([lines(2), lines(0), lines(3)]) == [
        Appended(0, 0, 2),
        Appended(0, 2, 0),
        Appended(0, 2, 3),
    ]
    assert writer.append([lines(1)]) == [Appended(0, 5, 1)]


def test_nothing_can_be_appended(writer, reader):
    assert writer.append([]) == []
    assert reader.extent(0).next_offset == 0


def test_a_delivery_that_contradicts_itself_takes_nothing_with_it(writer, reader):
    with pytest.raises(ValueError, match="lines"):
        writer.append([lines(1), Delivery(b"a\nb\n", 1, 5)])
    assert reader.extent(0).next_offset == 0
    assert writer.append([lines(1)])[0].first_offset == 0


def test_sources_are_limited_also_after_a_restart(directory, writer, reader):
    writer.append([lines(1, source=f"source {n}") for n in range(MAX_SOURCES)])
    writer.close()
    again = EmbeddedLogWriter(directory, ManualClock())
    with pytest.raises(TooManySources, match="one more") as caught:
        again.append([lines(1, source="source 0"), lines(1, source="one more")])
    assert isinstance(caught.value, UsageError)
    assert reader.extent(0).next_offset == MAX_SOURCES
    assert again.append([lines(1, source="source 99")])[0].first_offset == MAX_SOURCES
    again.close()


def test_a_refused_source_is_not_remembered(writer):
    with pytest.raises(TooManySources):
        writer.append([lines(1, source=f"source {n}") for n in range(MAX_SOURCES + 1)])
    assert writer.append([lines(1, source="another")])[0].first_offset == 0


def test_a_full_log_refuses_until_records_are_deleted(directory, reader):
    writer = EmbeddedLogWriter(directory, ManualClock(), max_bytes=2**20)
    batch = (
        Delivery(b"x" * 99 + b"\n", 1, 5),
        Delivery(incompressible(160_000, 20_000), 20_000, 5),
    )
    for _ in range(3):
        writer.append(batch)
    with pytest.raises(LogFull, match="1048576"):
        writer.append([Delivery(incompressible(600_000, 60_000), 60_000, 5)])
    appended = reader.extent(0).next_offset
    assert appended == 3 * 20_001
    assert reader.extent(0).bytes <= 2**20
    reader.expire({0: appended}, Retention(max_age_ms=0, min_age_ms=0), now_ms=10)
    assert writer.append(batch)[0].first_offset == appended
    writer.close()


def test_a_locked_log_is_unavailable_and_then_goes_on(directory, writer):
    foreign = sqlite3.connect(file_of(directory), isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogUnavailable, match="locked"):
        writer.append([lines(1)])
    foreign.execute("ROLLBACK")
    foreign.close()
    assert writer.append([lines(1)])[0].first_offset == 0


def test_a_writer_whose_file_is_gone_takes_nothing(directory, writer):
    writer.append([lines(1)])
    writer.check_place()
    shutil.rmtree(directory)
    for _ in range(2):
        with pytest.raises(LogGone, match="deleted") as caught:
            writer.append([lines(1)])
        assert caught.value.hint
        with pytest.raises(LogGone):
            writer.check_place()


@pytest.mark.parametrize("name", ["log.db", "log.db-wal"])
def test_what_was_written_to_a_file_without_a_name_is_not_acknowledged(
    directory, writer, monkeypatch, name
):
    writer.append([lines(1)])

    def delete_then_insert(*arguments: object) -> None:
        (directory / name).unlink()
        insert(*arguments)

    insert = writer._insert
    monkeypatch.setattr(writer, "_insert", delete_then_insert)
    with pytest.raises(LogGone):
        writer.append([lines(1)])


def test_a_log_that_has_to_be_there_is_not_made(directory):
    with pytest.raises(LogGone, match="deleted"):
        EmbeddedLogWriter(directory, ManualClock(), must_exist=True)
    assert not directory.exists()


def test_a_damaged_end_of_the_log_fails_for_good(writer, sql):
    writer.append([lines(1)])
    sql("UPDATE extent SET next_offset = 7")
    with pytest.raises(LogFailed, match="where the log ends"):
        writer.append([lines(1)])
    sql("UPDATE extent SET next_offset = 1")
    with pytest.raises(LogFailed, match="where the log ends"):
        writer.append([lines(1)])


def test_an_end_of_the_log_before_its_chunks_is_refused(directory, writer, sql):
    before = sql("SELECT * FROM extent")[0]
    writer.append([lines(1)])
    writer.close()
    sql("REPLACE INTO extent VALUES (?, ?, ?, ?)", *before)
    with pytest.raises(LogFailed, match="behind the end"):
        EmbeddedLogWriter(directory, ManualClock())


def test_a_closed_writer_says_so(writer):
    writer.close()
    writer.close()
    with pytest.raises(LogUnavailable, match="closed"):
        writer.append([lines(1)])


def test_the_wal_stays_small(directory, writer):
    wal = file_of(directory).with_name("log.db-wal")
    batch = [Delivery(b"x" * 999_999 + b"\n", 1, 5)] * 8
    for _ in range(8):
        writer.append(batch)
    assert wal.stat().st_size <= WAL_KEPT_BYTES


def test_the_wal_stays_small_when_each_event_is_a_commit_of_its_own(directory, writer):
    """Each writes whole pages, hundreds of times its own size."""
    wal = file_of(directory).with_name("log.db-wal")
    for _ in range(1_000):
        writer.append([lines(1)])
    assert wal.stat().st_size <= WAL_KEPT_BYTES


def test_all_files_count_as_what_the_log_takes(directory, writer, reader):
    writer.append([lines(20_000)])
    files = [path.stat().st_size for path in directory.glob("log.db*")]
    # What waits in the WAL counts twice: its place in the database is as good as taken.
    assert sum(files) <= reader.extent(0).bytes <= 2 * sum(files)


def test_the_wal_counts_in_what_a_log_may_take(directory):
    """What it may take is full of WAL alone: it is written back, and then there is room."""
    with closing(EmbeddedLogWriter(directory, ManualClock(), max_bytes=2**20)) as writer:
        for _ in range(100):
            writer.append([lines(1)])
            assert sum(path.stat().st_size for path in directory.glob("log.db*")) < 2**20 + 2**17


def test_a_reader_in_the_way_only_delays_the_checkpoint(directory, writer, monkeypatch):
    monkeypatch.setattr(embedded_writer, "MAX_WAL_BYTES", 20_000_000)
    monkeypatch.setattr(embedded_writer, "_RESTART_PATIENCE_MS", 1)
    wal = file_of(directory).with_name("log.db-wal")
    batch = [Delivery(incompressible(999_999), 1, 5)] * 8
    slow = sqlite3.connect(file_of(directory), isolation_level=None)
    slow.execute("BEGIN")
    slow.execute("SELECT count(*) FROM chunk").fetchall()
    for _ in range(6):
        writer.append(batch)
    assert wal.stat().st_size > 48_000_000
    slow.close()
    writer.append(batch)
    assert wal.stat().st_size == 0
    assert EmbeddedLogReader(directory).extent(0).next_offset == 56


def test_a_source_that_is_retired_makes_room_for_another(directory, writer):
    writer.append([lines(1, source=f"source {n}") for n in range(MAX_SOURCES)])
    with pytest.raises(TooManySources):
        writer.append([lines(1, source="another")])
    assert writer.retire_source("source 7")
    assert not writer.retire_source("source 7")
    writer.append([lines(1, source="another")])
    assert len(writer.sources()) == MAX_SOURCES
    assert "source 7" not in writer.sources()
    records = EmbeddedLogReader(directory).read(0, 0, 2**20).each()
    assert "source 7" in {record.source for record in records}
