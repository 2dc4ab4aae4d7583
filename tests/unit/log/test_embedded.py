"""The embedded log as a whole: what is appended is read back, wherever reading starts."""

from rtcdp.clock import ManualClock
from rtcdp.log.contract import Delivery, RawRecord
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter


def test_records_come_back_in_order_with_all_that_is_known_of_them(writer, reader):
    writer.append(
        [
            Delivery(b'{"a":1}\n{"a":2}\n', 2, 1000, "web", rejects=((1, b"no\njson"),)),
            Delivery(b'{"b":1}\n', 1, 900, "shop", intake="import"),
            Delivery(b'{"c":1}\n', 1, 1001, "web", replay_of="0:1", rejects=((0, b"\xff"),)),
        ]
    )
    assert list(reader.read(0, 0, 10_000).each()) == [
        RawRecord(0, 0, 1000, "web", "live", b'{"a":1}'),
        RawRecord(0, 1, 1000, "web", "live", b"no\njson"),
        RawRecord(0, 2, 1000, "web", "live", b'{"a":2}'),
        RawRecord(0, 3, 900, "shop", "import", b'{"b":1}'),
        RawRecord(0, 4, 1001, "web", "live", b"\xff", replay_of="0:1"),
        RawRecord(0, 5, 1001, "web", "live", b'{"c":1}', replay_of="0:1"),
    ]


def test_only_verified_lines_are_in_the_columns(writer, reader):
    writer.append([Delivery(b"1\n3\n", 2, 7, "web", rejects=((0, b"0"), (2, b"2")))])
    writer.append([Delivery(b"4\n", 1, 8, "shop", intake="import")])
    records = reader.read(0, 0, 10_000)
    assert (records.first_offset, records.next_offset) == (0, 5)
    assert records.lines == b"1\n3\n4\n"
    assert records.offsets.tolist() == [1, 3, 4]
    assert records.received_at.tolist() == [7, 7, 8]
    assert [records.sources[code] for code in records.source_codes] == ["web", "web", "shop"]
    assert records.imported.tolist() == [False, False, True]
    assert [(record.offset, record.raw) for record in records.odd] == [(0, b"0"), (2, b"2")]


def test_a_log_goes_on_where_another_process_left_it(directory, writer, reader):
    writer.append([Delivery(b"0\n", 1, 5)])
    writer.close()
    for expected in (1, 2):
        again = EmbeddedLogWriter(directory, ManualClock())
        assert again.append([Delivery(b"x\n", 1, 5)])[0].first_offset == expected
        again.close()
    assert reader.extent(0).next_offset == 3
    assert EmbeddedLogReader(directory).read(0, 0, 100).lines == b"0\nx\nx\n"
