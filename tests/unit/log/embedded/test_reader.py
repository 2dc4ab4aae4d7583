"""The reader: extents, waiting, finding a time, and reading past damage."""

import os
import random
import threading
import time

import pytest

from rtcdp.clock import ManualClock
from rtcdp.errors import UsageError
from rtcdp.log.contract import (
    Delivery,
    LogExtent,
    LogFailed,
    LogGone,
    LogUnavailable,
    OffsetsMissing,
    summary_mark,
)
from rtcdp.log.embedded import EmbeddedLogWriter, file_of
from rtcdp.log.embedded import columns as embedded_columns
from rtcdp.log.embedded import reader as embedded_reader
from rtcdp.log.embedded.file import PAGE_BYTES, write_turn
from rtcdp.log.limits import Retention

EVERYTHING = Retention(max_age_ms=0, max_bytes=0, min_age_ms=0)
NOW = 1000


def incompressible(size):
    return random.Random(1).randbytes(size).replace(b"\n", b"x") + b"\n"


def append_at(writer, *times, count=2):
    for received_at in times:
        writer.append([Delivery(b'{"a":1}\n' * count, count, received_at)])


def test_old_chunks_go(writer, reader):
    append_at(writer, 100, 200, 300)
    assert reader.expire({0: 6}, Retention(max_age_ms=800, min_age_ms=0), NOW) == 2
    assert reader.extent(0).first_offset == 2
    assert reader.read(0, 2, 1000).next_offset == 6


def test_a_chunk_of_exactly_the_largest_age_stays(writer, reader):
    append_at(writer, 200)
    assert reader.expire({0: 2}, Retention(max_age_ms=800, min_age_ms=0), NOW) == 0


def test_a_log_that_is_too_large_loses_its_oldest_chunks(writer, reader):
    for received_at in range(10):
        writer.append([Delivery(incompressible(99_999), 1, received_at)])
    limit = reader.extent(0).bytes - 300_000
    deleted = reader.expire({0: 10}, Retention(max_bytes=limit, min_age_ms=0), NOW)
    assert 0 < deleted < 10
    assert reader.extent(0).bytes <= limit
    assert reader.extent(0).first_offset == deleted


def test_what_is_not_committed_stays(writer, reader):
    append_at(writer, 100, 200, 300)
    assert reader.expire({}, EVERYTHING, NOW) == 0
    assert reader.expire({0: 3}, EVERYTHING, NOW) == 2
    assert reader.extent(0).first_offset == 2


def test_what_is_young_stays_however_large_the_log_is(writer, reader):
    append_at(writer, 100, 901, 200)
    assert reader.expire({0: 6}, Retention(0, 0, min_age_ms=100), NOW) == 2
    assert reader.extent(0).first_offset == 2


def test_a_chunk_from_the_future_keeps_nothing(writer, reader):
    append_at(writer, 100, NOW + 10**9, 200, 990)
    assert reader.expire({0: 8}, Retention(max_age_ms=500, min_age_ms=0), NOW) == 6


def test_offsets_go_on_after_everything_was_deleted(directory, writer, reader):
    append_at(writer, 100, 200)
    assert reader.expire({0: 4}, EVERYTHING, NOW) == 4
    extent = reader.extent(0)
    assert (extent.first_offset, extent.next_offset, extent.newest_received_at) == (4, 4, 0)
    writer.close()
    again = EmbeddedLogWriter(directory, ManualClock())
    assert again.append([Delivery(b"a\n", 1, 5)])[0].first_offset == 4
    again.close()
    assert reader.read(0, 4, 100).offsets.tolist() == [4]


def test_deleting_goes_on_in_steps_until_it_is_done(writer, reader, monkeypatch):
    monkeypatch.setattr(embedded_reader, "STEP_CHUNKS", 3)
    append_at(writer, *range(100, 110))
    assert reader.expire({0: 19}, EVERYTHING, NOW) == 18
    assert reader.extent(0).first_offset == 18


def test_a_step_ends_before_the_first_chunk_that_it_did_not_look_at(writer, reader, monkeypatch):
    monkeypatch.setattr(embedded_reader, "STEP_CHUNKS", 3)
    append_at(writer, 100, 101, 102, 103, 990)
    assert reader.expire({0: 10}, Retention(max_age_ms=800, min_age_ms=0), NOW) == 8
    assert reader.extent(0).first_offset == 8


def test_deleting_waits_for_its_turn_to_write(directory, writer, reader):
    append_at(writer, 100)
    with write_turn(directory, 50), pytest.raises(LogUnavailable, match="another process"):
        reader.expire({0: 2}, EVERYTHING, NOW)
    assert reader.expire({0: 2}, EVERYTHING, NOW) == 2


def test_space_is_used_again(directory, writer, reader):
    batch = [Delivery(b"x" * 999_999 + b"\n", 1, 5)] * 4
    for _ in range(3):
        writer.append(batch)
        reader.expire({0: reader.extent(0).next_offset}, EVERYTHING, NOW)
    writer.close()
    reader.close()
    assert file_of(directory).stat().st_size < 6_000_000


def test_where_there_is_no_log_nothing_is_deleted(reader, directory):
    assert reader.expire({0: 5}, EVERYTHING, NOW) == 0
    assert not directory.exists()


def lines(count, received_at=5):
    return Delivery(b'{"a":1}\n' * count, count, received_at)


def test_where_there_is_no_log_it_is_empty(reader, directory):
    assert reader.partitions() == (0,)
    assert reader.extent(0) == LogExtent(0, 0, 0, 0)
    assert len(reader.read(0, 0, 100)) == 0
    assert reader.offset_at(0, 5) == 0
    assert reader.wait({0: 0}, timeout_s=0) is False
    assert not directory.exists()


def test_a_log_that_appears_is_found(reader, directory):
    assert reader.extent(0).next_offset == 0
    directory.mkdir()
    file_of(directory).touch()
    assert reader.extent(0).next_offset == 0
    writer = EmbeddedLogWriter(directory, ManualClock())
    writer.append([lines(3)])
    assert reader.extent(0).next_offset == 3
    writer.close()


def test_a_log_that_was_deleted_is_not_taken_for_an_empty_one(reader, directory, writer):
    writer.append([lines(3)])
    assert reader.extent(0).next_offset == 3
    copy = directory.with_name("copy")
    writer.close()
    directory.rename(copy)
    for ask in (lambda: reader.extent(0), lambda: reader.wait({0: 3}, 0), reader.log_id) * 2:
        with pytest.raises(LogGone, match="was deleted while") as caught:
            ask()
        assert caught.value.hint
    copy.rename(directory)
    assert reader.extent(0).next_offset == 3


def test_a_log_that_was_replaced_is_told_once_and_read_anew(reader, directory, writer):
    writer.append([lines(3)])
    assert reader.extent(0).next_offset == 3
    writer.close()
    for path in directory.iterdir():
        path.unlink()
    other = EmbeddedLogWriter(directory, ManualClock())
    other.append([lines(1)])
    with pytest.raises(LogGone, match="was replaced by another file"):
        reader.extent(0)
    assert reader.extent(0).next_offset == 1
    other.close()


def test_the_extent_tells_offsets_size_and_the_newest_intake_time(reader, writer):
    writer.append([lines(3, received_at=70), lines(1, received_at=60), lines(0, received_at=99)])
    extent = reader.extent(0)
    assert (extent.first_offset, extent.next_offset, extent.newest_received_at) == (0, 4, 60)
    assert extent.bytes > 0


def test_reading_at_the_end_gives_nothing(reader, writer):
    writer.append([lines(3)])
    records = reader.read(0, 3, 100)
    assert (records.first_offset, records.next_offset, records.lines) == (3, 3, b"")


@pytest.mark.parametrize("offset", [-1, 4])
def test_offsets_outside_the_log_are_refused(reader, writer, offset):
    writer.append([lines(3)])
    with pytest.raises(OffsetsMissing, match=r"\[0, 3\)"):
        reader.read(0, offset, 100)


def test_there_is_one_partition(reader):
    for call in (
        lambda: reader.extent(1),
        lambda: reader.read(1, 0, 100),
        lambda: reader.offset_at(1, 0),
        lambda: reader.wait({1: 0}, 0),
    ):
        with pytest.raises(UsageError, match="no partition 1"):
            call()


def test_whole_chunks_are_read_up_to_the_limit(reader, writer):
    for _ in range(5):
        writer.append([lines(10)])
    assert len(reader.read(0, 0, max_bytes=170)) == 20
    assert len(reader.read(0, 15, max_bytes=170)) == 15


def test_offset_at_finds_the_first_chunk_that_is_young_enough(reader, writer):
    for received_at in (10, 30, 20, 40):
        writer.append([lines(2, received_at)])
    found = {when: reader.offset_at(0, when) for when in (0, 10, 11, 20, 31, 41)}
    assert found == {0: 0, 10: 0, 11: 2, 20: 2, 31: 6, 41: 8}


def test_wait_returns_at_once_when_there_is_something(reader, writer):
    writer.append([lines(1)])
    assert reader.wait({0: 0}, timeout_s=60) is True
    assert reader.wait({}, timeout_s=60) is True
    assert reader.wait({0: 1}, timeout_s=0) is False


def test_wait_wakes_up_for_a_new_record(reader, writer):
    def append_soon():
        time.sleep(0.05)
        writer.append([lines(1)])

    thread = threading.Thread(target=append_soon)
    thread.start()
    assert reader.wait({0: 0}, timeout_s=60) is True
    thread.join()


def test_a_damaged_chunk_gives_corrupt_records_and_the_rest_is_read(reader, writer, sql):
    for _ in range(3):
        writer.append([lines(2)])
    sql("UPDATE chunk SET lines = CAST(replace(lines, 'a', 'b') AS BLOB) WHERE first_offset = 2")
    records = reader.read(0, 0, 10_000)
    assert records.offsets.tolist() == [0, 1, 4, 5]
    assert [(odd.offset, odd.is_corrupt) for odd in records.odd] == [(2, True), (3, True)]
    assert b'{"b":1}\n' in records.odd[0].raw


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE chunk SET lines = x'00' WHERE first_offset = 2",
        "UPDATE chunk SET record_count = 900 WHERE first_offset = 2",
        "UPDATE chunk SET record_count = 900 WHERE first_offset IN (2, 4)",
        "UPDATE chunk SET record_count = 1 WHERE first_offset >= 6",
        "UPDATE chunk SET first_offset = 3 WHERE first_offset = 2",
        "UPDATE chunk SET first_offset = first_offset + 1 WHERE first_offset IN (2, 4)",
        "DELETE FROM chunk WHERE first_offset IN (2, 6)",
        "DELETE FROM chunk WHERE first_offset = 8",
    ],
)
def test_what_is_damaged_looks_alike_from_every_start_and_at_every_limit(
    damage, reader, writer, sql
):
    for _ in range(5):
        writer.append([lines(2)])
    sql(damage)
    whole = list(reader.read(0, 0, 10_000).each())
    assert [each.offset for each in whole] == list(range(10))
    assert any(each.is_corrupt for each in whole)
    for start in range(10):
        for max_bytes in (1, 16, 20, 40):
            seen = []
            while start + len(seen) < 10:
                seen += reader.read(0, start + len(seen), max_bytes).each()
            assert seen == whole[start:]


def test_many_lines_come_back_from_every_start_and_at_every_limit(reader, writer):
    expected = []
    for chunk in range(3):
        said = [b'{"chunk":%d,"line":%d}' % (chunk, n) for n in range(1000)]
        body = b"".join(line + b"\n" for line in said)
        writer.append([Delivery(body, 1000, 5, rejects=((7, b"odd"),))])
        expected += [*said[:7], b"odd", *said[7:]]
    for start in range(0, len(expected), 331):
        for max_bytes in (1, 5_000, 30_000, 10**6):
            found = reader.read(0, start, max_bytes)
            assert [each.raw for each in found.each()] == expected[start : found.next_offset]
            size = len(found.lines) + sum(len(odd.raw) for odd in found.odd)
            assert len(found) == 1 or size <= max_bytes


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE chunk SET line_bytes = line_bytes - 1 WHERE first_offset = 1000",
        "UPDATE chunk SET line_bytes = NULL WHERE first_offset = 1000",
        "UPDATE chunk SET line_bytes = length(lines) WHERE first_offset = 1000",
        "UPDATE chunk SET lines = CAST(lines || x'00' AS BLOB) WHERE first_offset = 1000",
    ],
)
def test_damage_to_many_lines_is_seen_and_the_neighbours_are_read(damage, reader, writer, sql):
    for _ in range(3):
        writer.append([lines(1000)])
    sql(damage)
    records = reader.read(0, 0, 10**6)
    assert [odd.offset for odd in records.odd if odd.is_corrupt] == list(range(1000, 2000))
    assert len(records.offsets) == 2000


@pytest.mark.parametrize("missing", [2, 4])
def test_more_missing_records_than_a_chunk_holds_are_reported_with_what_to_do(
    missing, reader, writer, sql, monkeypatch
):
    monkeypatch.setattr(embedded_columns, "MAX_CHUNK_RECORDS", 1)
    for _ in range(3):
        writer.append([lines(2)])
    sql("DELETE FROM chunk WHERE first_offset = ?", missing)
    with pytest.raises(LogFailed, match="damaged") as caught:
        reader.read(0, 0, 10_000)
    assert ".recover" in caught.value.hint


def test_malformed_pages_are_reported_with_what_to_do(reader, writer, directory):
    writer.append([lines(20_000)])
    writer.close()
    path = file_of(directory)
    with path.open("r+b") as file:
        file.seek(PAGE_BYTES)
        file.write(os.urandom(path.stat().st_size - PAGE_BYTES))
    with pytest.raises(LogFailed) as caught:
        reader.read(0, 0, 10_000)
    assert ".recover" in caught.value.hint


def test_a_closed_reader_opens_again(reader, writer):
    writer.append([lines(1)])
    reader.close()
    reader.close()
    assert reader.read(0, 0, 100).lines == b'{"a":1}\n'


def test_the_oldest_record_from_an_offset_on_is_found_wherever_it_stands(reader, writer):
    assert reader.oldest_received_at(0, 0) is None
    for times in ((50, 40), (90,), (60, 70)):
        writer.append([lines(1, received_at=time) for time in times])
    oldest = [reader.oldest_received_at(0, offset) for offset in range(6)]
    assert oldest == [40, 40, 60, 60, 70, None]


def test_the_oldest_record_of_a_log_that_is_not_there_is_none(reader):
    assert reader.oldest_received_at(0, 0) is None


def test_a_summary_stands_for_as_many_as_its_mark_says(writer, reader):
    mark = summary_mark(9_900)
    writer.append([Delivery(b"", 0, 5, rejects=((0, b"{}"),), replay_of=mark), lines(2)])
    records = reader.read(0, 0, 2**20)
    assert (records.record_count, records.received_count) == (3, 9_902)
    assert [record.stands_for for record in records.each()] == [9_900, 1, 1]
