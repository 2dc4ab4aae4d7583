"""Retention: what goes, and what stays whatever the limits say."""

import pytest

from rtcdp.clock import ManualClock
from rtcdp.log.contract import Delivery, LogUnavailable
from rtcdp.log.embedded import EmbeddedLogWriter
from rtcdp.log.embedded import expiry as embedded_expiry
from rtcdp.log.embedded.file import file_of, write_turn
from rtcdp.log.limits import Retention

EVERYTHING = Retention(max_age_ms=0, max_bytes=0, min_age_ms=0)
NOW = 1000


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
        writer.append([Delivery(b"x" * 99_999 + b"\n", 1, received_at)])
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
    monkeypatch.setattr(embedded_expiry, "STEP_CHUNKS", 3)
    append_at(writer, *range(100, 110))
    assert reader.expire({0: 19}, EVERYTHING, NOW) == 18
    assert reader.extent(0).first_offset == 18


def test_a_step_ends_before_the_first_chunk_that_it_did_not_look_at(writer, reader, monkeypatch):
    monkeypatch.setattr(embedded_expiry, "STEP_CHUNKS", 3)
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
