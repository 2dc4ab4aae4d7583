"""What every log promises, whatever it rests on: one body of tests for all of them."""

import threading
import time

import pytest

from rtcdp.log.contract import Delivery, OffsetsMissing
from rtcdp.log.limits import Retention
from rtcdp.log.marks import is_known_again, last_marks, marks_before
from rtcdp.log.views import BoundedLogReader, MaskedLogReader

T = int(time.time() * 1000) - 60_000
PLENTY = 2**30
PATIENCE_S = 60


def line(number: int, user: str = "ada") -> bytes:
    return b'{"eventId":"e%d","userId":"%s","timestamp":%d,"eventType":"PAGE_VIEW"}' % (
        *(number, user.encode(), T + number),
    )


def delivery(*numbers: int, received_at: int = T, **other) -> Delivery:
    lines = b"".join(line(number) + b"\n" for number in numbers)
    return Delivery(lines, len(numbers), received_at, **other)


def raw_from(reader, offset: int = 0) -> list[bytes]:
    """The bytes of all records from an offset on."""
    found = []
    while records := reader.read(0, offset, PLENTY):
        found += [record.raw for record in records.each()]
        offset = records.next_offset
    return found


def test_what_was_appended_comes_back_with_all_that_is_known_of_it(writer, reader):
    writer.append([delivery(1, 2, source="shop")])
    writer.append(
        [
            delivery(3, received_at=T + 5, source="web", intake="import"),
            Delivery(b"", 0, T + 6, source="web", rejects=((0, b"no event"),)),
            delivery(4, received_at=T + 7, replay_of="0:3"),
        ]
    )
    found = [
        (record.offset, record.raw, record.received_at, record.source, record.intake)
        for record in reader.read(0, 0, PLENTY).each()
    ]
    assert found == [
        (0, line(1), T, "shop", "live"),
        (1, line(2), T, "shop", "live"),
        (2, line(3), T + 5, "web", "import"),
        (3, b"no event", T + 6, "web", "live"),
        (4, line(4), T + 7, "default", "live"),
    ]
    assert [record.replay_of for record in reader.read(0, 4, PLENTY).each()] == ["0:3"]


def test_rejected_records_and_replays_are_not_among_the_verified_lines(writer, reader):
    writer.append(
        [Delivery(line(1) + b"\n", 1, T, rejects=((1, b"{"),)), delivery(2, replay_of="x")]
    )
    records = reader.read(0, 0, PLENTY)
    assert records.lines == line(1) + b"\n"
    assert records.offsets.tolist() == [0]
    assert [record.offset for record in records.odd] == [1, 2]


def test_offsets_go_on_where_another_writer_left_them(opened, writer, reader):
    writer.append([delivery(1)])
    writer.close()
    opened("writer").append([delivery(2, 3)])
    assert raw_from(reader) == [line(1), line(2), line(3)]
    assert reader.extent(0).next_offset == 3


def test_the_extent_says_what_is_there(writer, reader):
    writer.append([delivery(1, 2)])
    writer.append([delivery(3, received_at=T + 9)])
    extent = reader.extent(0)
    assert (extent.first_offset, extent.next_offset, extent.newest_received_at) == (0, 3, T + 9)


def test_at_the_end_there_is_nothing_and_beyond_it_an_error(writer, reader):
    writer.append([delivery(1)])
    assert len(reader.read(0, 1, PLENTY)) == 0
    with pytest.raises(OffsetsMissing):
        reader.read(0, 2, PLENTY)


def test_at_least_one_record_is_read_however_little_is_asked_for(writer, reader):
    for number in range(5):
        writer.append([delivery(number)])
    records = reader.read(0, 0, 1)
    assert records.record_count >= 1
    assert raw_from(reader, records.next_offset) == [
        line(number) for number in range(records.next_offset, 5)
    ]


def test_any_offset_can_be_read_again_in_any_order(writer, reader):
    writer.append([delivery(*range(20))])
    for offset in (19, 0, 7, 7, 3):
        assert raw_from(reader, offset)[0] == line(offset)


def test_records_can_be_cut_anywhere(writer, reader):
    writer.append([Delivery(line(0) + b"\n" + line(2) + b"\n", 2, T, rejects=((1, b"{"),))])
    records = reader.read(0, 0, PLENTY)
    whole = list(records.each())
    assert sorted(record.raw for record in whole) == sorted([line(0), b"{", line(2)])
    for cut in range(4):
        before, after = records.until(cut), records.since(cut)
        parts = [*(before.each() if cut else ()), *(after.each() if cut < 3 else ())]
        assert parts == whole


def test_a_time_is_found(writer, reader):
    for number in range(6):
        writer.append([delivery(number, received_at=T + 100 * number)])
    for received_at in (T, T + 250, T + 500):
        offset = reader.offset_at(0, received_at)
        passed = [r.received_at for r in reader.read(0, 0, PLENTY).each() if r.offset < offset]
        assert all(time < received_at for time in passed)
    assert reader.offset_at(0, T + 501) == 6


def test_the_oldest_waiting_record_is_the_one_with_the_smallest_time(writer, reader):
    for received_at in (T + 10, T + 30, T + 20):
        writer.append([delivery(received_at - T, received_at=received_at)])
    assert reader.oldest_received_at(0, 1) == T + 20
    assert reader.oldest_received_at(0, 3) is None


def test_waiting_ends_with_the_first_record(writer, reader):
    writer.append([delivery(1)])
    assert reader.wait({0: 0}, PATIENCE_S)
    assert not reader.wait({0: 1}, 0.01)
    later = threading.Timer(0.05, lambda: writer.append([delivery(2)]))
    later.start()
    deadline = time.monotonic() + PATIENCE_S
    while not reader.wait({0: 1}, 1) and time.monotonic() < deadline:
        pass
    later.join()
    assert raw_from(reader, 1) == [line(2)]


def test_only_what_is_counted_and_old_is_deleted(log, writer, reader):
    for number in range(4):
        writer.append([delivery(number, received_at=T + number)])
    keep_nothing = Retention(max_age_ms=1, max_bytes=1, min_age_ms=0)
    deleted = reader.expire({0: 2}, keep_nothing, T + 1_000_000)
    first = reader.extent(0).first_offset
    assert deleted == first <= 2
    assert raw_from(reader, first) == [line(number) for number in range(first, 4)]
    if log.expires:
        assert first == 2
        with pytest.raises(OffsetsMissing):
            reader.read(0, 0, PLENTY)


def test_a_log_is_known_by_its_name_and_its_last_records(opened, writer, reader):
    writer.append([delivery(1, 2)])
    again = opened("reader")
    assert reader.log_id() == again.log_id() != ""
    marks = last_marks([reader.read(0, 0, PLENTY)])
    assert marks == marks_before(again, {0: 2})
    writer.append([delivery(3)])
    assert is_known_again(again, 0, marks[0])


def test_acknowledging_changes_nothing(writer, reader):
    writer.append([delivery(1, 2)])
    reader.acknowledge({0: 1})
    assert raw_from(reader) == [line(1), line(2)]


def test_a_view_ends_where_it_is_told_to(writer, reader):
    writer.append([delivery(1, 2, 3)])
    view = BoundedLogReader(reader, {0: 2})
    assert raw_from(view) == [line(1), line(2)]
    assert view.extent(0).next_offset == 2


def test_a_view_hides_what_can_not_be_counted(writer, reader):
    writer.append([delivery(1, 2, 3)])
    records = MaskedLogReader(reader, [(0, 1)]).read(0, 0, PLENTY)
    assert [(r.offset, r.is_corrupt) for r in records.each()] == [
        (0, False), (1, True), (2, False)
    ]  # fmt: skip


def test_nothing_appended_is_nothing_there(writer, reader):
    assert list(writer.append([])) == []
    assert reader.extent(0).next_offset == 0
