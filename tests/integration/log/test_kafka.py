"""A Kafka topic as the log: what is appended comes back, and so does what others produce."""

import threading
import time

import numpy as np
import pytest
from confluent_kafka import Producer

from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.log.contract import Delivery, LogExtent, LogUnavailable, RawRecord
from rtcdp.log.marks import is_known_again, last_marks, marks_before
from tests.integration.log.kafka_events import T, all_of, event, eventually, lines
from tests.servers import unused_name


def test_what_is_appended_comes_back(new_topic, writer_of, reader_of):
    topic = new_topic(partitions=3)
    writer_of(topic).append(
        [
            Delivery(lines(event("ada"), event("bob"), event("eve")), 3, T),
            Delivery(lines(event("ada", 1)), 1, T + 1, source="web", intake="import"),
            Delivery(lines(event("eve", 1)), 1, T + 2, replay_of="0:7"),
            Delivery(b"", 0, T + 3, source="shop", rejects=((0, b"{"), (1, b""), (2, b"a\nb"))),
        ]
    )
    records = all_of(reader_of(topic))
    assert {
        (r.raw, r.received_at, r.source, r.intake, r.replay_of, r.is_corrupt) for r in records
    } == {
        (event("ada"), T, "default", "live", None, False),
        (event("bob"), T, "default", "live", None, False),
        (event("eve"), T, "default", "live", None, False),
        (event("ada", 1), T + 1, "web", "import", None, False),
        (event("eve", 1), T + 2, "default", "live", "0:7", False),
        (b"{", T + 3, "shop", "live", None, False),
        (b"", T + 3, "shop", "live", None, False),
        (b"a\nb", T + 3, "shop", "live", None, False),
    }
    assert len(records) == 8


def test_a_user_stays_in_one_partition_and_in_order(new_topic, writer_of, reader_of):
    topic = new_topic(partitions=4)
    writer = writer_of(topic)
    for start in range(0, 200, 20):
        events = [event(f"u{user}", start + n) for n in range(20) for user in range(20)]
        writer.append([Delivery(lines(*events), len(events), T)])
    seen: dict[str, list[tuple[int, int]]] = {}
    for record in all_of(reader_of(topic)):
        decoded = decode(record.raw)
        assert not isinstance(decoded, Rejection)
        seen.setdefault(decoded.user_id, []).append((record.partition, decoded.timestamp_ms))
    assert len({partition for places in seen.values() for partition, _ in places}) == 4
    for places in seen.values():
        assert places == [(places[0][0], number) for number in range(200)]


@pytest.mark.parametrize(
    ("user", "hashed"), [("21", -973932308), ("foobar", -790332482), ("abc", 479470107)]
)
def test_users_go_where_a_java_producer_sends_them(new_topic, writer_of, reader_of, user, hashed):
    topic = new_topic(partitions=4)
    writer_of(topic).append([Delivery(lines(event(user)), 1, T)])
    (record,) = all_of(reader_of(topic))
    assert record.partition == (hashed & 0x7FFFFFFF) % 4


def test_what_others_produce_is_judged_value_by_value(new_topic, produce, reader_of):
    values = [
        event("ada"),
        b' {"userId":"ada", "timestamp": 1, "eventType": "A"} ',
        b'{\n  "userId": "ada",\n  "timestamp": 1,\n  "eventType": "A"\n}',
        b'{\r\n"userId":"ada","timestamp":1,"eventType":"A"}\r\n',
        event("ada") + b"\n",
        event("ada") + b"\r\n",
        event("ada") + b"\n" + event("bob"),
        b"\xef\xbb\xbf" + event("ada"),
        None,
        b"",
        b" ",
        b"\n",
        b"null",
        b"[]",
        b'{"userId":"a\xff","timestamp":1,"eventType":"A"}',
        b'{"userId":"a","userId":"b","timestamp":1,"eventType":"A"}',
        '{"userId":"ä\\n\\"","timestamp":1,"eventType":"A"}'.encode(),
        b'{"userId":"ada","timestamp":1,"eventType":"A","more":[1,{"x":"}\\n{"}]}',
        b'{"userId":"ada","timestamp":1,"eventType":"A","value":1e999}',
        b'{"userId":"ada","timestamp":1,"eventType":"a"}',
        b'{"userId":"ada","timestamp":1,"eventType":"A"}{}',
        b" " * 70_000,
        event("eve"),
    ]
    topic = new_topic()
    produce(topic, values, timestamp=T)
    reader = reader_of(topic)
    records = reader.read(0, 0, 2**20)
    assert [record.raw for record in records.each()] == [value or b"" for value in values]
    odd = {record.offset: record for record in records.odd}
    for offset, value in enumerate(values):
        is_event = value is not None and not isinstance(decode(value), Rejection)
        breaks_line = value is not None and (b"\n" in value or b"\r" in value)
        assert (offset not in odd) == (is_event and not breaks_line), value
    assert all(record.received_at == T for record in records.each())


def test_foreign_headers_do_no_harm(new_topic, produce, reader_of):
    topic = new_topic()
    produce(topic, [event("a")], headers=[("trace", b"\xff"), ("rtcdp-source", b"web")])
    produce(topic, [event("b")], headers=[("rtcdp-source", None), ("rtcdp-intake", b"\xff")])
    produce(topic, [event("c")])
    assert [(r.source, r.intake) for r in all_of(reader_of(topic))] == [
        ("web", "live"),
        ("default", "live"),
        ("default", "live"),
    ]


def test_transactions_leave_no_lag(kafka_server, new_topic, reader_of):
    topic = new_topic()
    reader = reader_of(topic)
    bank = Producer(
        {"bootstrap.servers": kafka_server.bootstrap, "transactional.id": unused_name("bank")}
    )
    bank.init_transactions()
    offset, found = 0, []
    for number, ends in enumerate([bank.commit_transaction, bank.abort_transaction] * 2):
        bank.begin_transaction()
        bank.produce(topic, event("bank", number), partition=0)
        assert bank.flush(30) == 0
        assert reader.extent(0).next_offset == offset, "what is open is not there yet"
        assert len(reader.read(0, offset, 100)) == 0
        ends()
        deadline = time.monotonic() + 180
        while offset < 2 * (number + 1) and time.monotonic() < deadline:
            reader.wait({0: offset}, 1)
            read = reader.read(0, offset, 100)
            found += read.each()
            offset = read.next_offset
    assert [(record.offset, record.raw) for record in found] == [
        (0, event("bank", 0)),
        (4, event("bank", 2)),
    ]
    assert offset == reader.extent(0).next_offset == 8
    # From every place, also between the records.
    fresh = reader_of(topic)
    for start in range(9):
        expected = [record for record in found if record.offset >= start]
        assert all_of(fresh, {0: start}) == expected


def test_any_offset_can_be_read_while_another_thread_reads_in_order(
    new_topic, writer_of, reader_of
):
    topic = new_topic(partitions=2)
    events = [event(f"u{n % 50}", n) for n in range(30_000)]
    writer_of(topic).append([Delivery(lines(*events), len(events), T)])
    reader = reader_of(topic)
    expected = {(r.partition, r.offset): r.raw for r in all_of(reader_of(topic))}
    assert len(expected) == len(events)
    in_order: list[RawRecord] = []
    thread = threading.Thread(target=lambda: in_order.extend(all_of(reader, max_bytes=60_000)))
    thread.start()
    ends = {partition: reader.extent(partition).next_offset for partition in (0, 1)}
    generator = np.random.default_rng(7)
    for _ in range(60):
        partition = int(generator.integers(2))
        offset = int(generator.integers(ends[partition]))
        records = list(reader.read(partition, offset, int(generator.integers(1, 30_000))).each())
        assert records
        for place, record in enumerate(records, start=offset):
            assert (record.offset, record.raw) == (place, expected[partition, place])
    thread.join()
    assert {(r.partition, r.offset): r.raw for r in in_order} == expected
    assert len(in_order) == len(expected)


def test_about_as_much_is_read_as_asked_for(new_topic, produce, reader_of):
    topic = new_topic()
    produce(topic, [event("u", n) for n in range(1000)])
    reader = reader_of(topic)
    assert len(reader.read(0, 0, 1)) == 1
    assert len(reader.read(0, 1, 0)) == 1
    assert 10 < len(reader.read(0, 2, 5_000)) <= 5_000 // len(event("u")) + 1
    assert len(reader.read(0, 0, 2**20)) > 100


def test_a_time_is_found(new_topic, produce, reader_of):
    topic = new_topic(partitions=2)
    reader = reader_of(topic)
    assert reader.offset_at(0, T) == 0
    for number in range(5):
        produce(topic, [event("u", number)], timestamp=T + 10 * number)
    assert [reader.offset_at(0, T + ms) for ms in (-1, 0, 1, 10, 11, 40, 41)] == [
        0,
        0,
        1,
        1,
        2,
        4,
        5,
    ]
    assert eventually(lambda: reader.extent(0) == LogExtent(0, 0, 5, 0, T + 40))
    assert reader.extent(1) == LogExtent(1, 0, 0, 0)


def test_waiting_ends_when_a_record_comes(new_topic, writer_of, reader_of):
    topic = new_topic(partitions=3)
    writer, reader = writer_of(topic), reader_of(topic)
    offsets = dict.fromkeys(reader.partitions(), 0)
    assert not reader.wait(offsets, 0.05)
    waited_ms = []
    for number in range(20):
        timer = threading.Timer(
            0.02, lambda n=number: writer.append([Delivery(lines(event(f"u{n}")), 1, T)])
        )
        timer.start()
        assert reader.wait(offsets, 180)
        began = time.monotonic()
        found = []
        for partition, offset in offsets.items():
            read = reader.read(partition, offset, 2**20)
            found += read.each()
            offsets[partition] = read.next_offset
        waited_ms.append((time.monotonic() - began) * 1000)
        assert [record.raw for record in found] == [event(f"u{number}")]
        timer.join()
    assert min(waited_ms) < 50, "a read waits for nothing when something is there"


def test_waiting_loses_nothing(new_topic, produce, reader_of):
    topic = new_topic()
    reader = reader_of(topic)
    produce(topic, [event("u", n) for n in range(3000)])
    for _ in range(5):
        assert reader.wait({0: 0}, 60)
    assert len(all_of(reader)) == 3000
    assert not reader.wait({0: 3000}, 0.05)
    assert reader.wait({0: 2999}, 60)
    assert len(reader.read(0, 2999, 100)) == 1


def test_others_can_read_while_one_waits(new_topic, produce, reader_of):
    topic = new_topic(partitions=2)
    produce(topic, [event("u", n) for n in range(100)])
    reader = reader_of(topic)
    waiting = threading.Thread(target=lambda: reader.wait({1: 0}, 300))
    waiting.start()
    assert len(all_of(reader, max_bytes=500)) == 100
    assert waiting.is_alive(), "nobody had to wait for its end"
    produce(topic, [event("u")], partition=1)
    waiting.join()


def test_a_closed_reader_opens_again(new_topic, produce, reader_of):
    topic = new_topic()
    produce(topic, [event("u", n) for n in range(5)])
    reader = reader_of(topic)
    assert len(all_of(reader)) == 5
    reader.close()
    reader.close()
    assert len(all_of(reader)) == 5


def test_a_closed_writer_takes_nothing(new_topic, writer_of):
    writer = writer_of(new_topic())
    writer.close()
    writer.close()
    with pytest.raises(LogUnavailable, match="closed"):
        writer.append([Delivery(lines(event("u")), 1, T)])


def test_a_large_group_fits(new_topic, writer_of, reader_of):
    topic = new_topic(partitions=2)
    text = lines(*(event(f"u{n % 7}", n) for n in range(700_000)))
    writer_of(topic).append([Delivery(text, 700_000, T)])
    reader = reader_of(topic)
    assert sum(reader.extent(p).next_offset for p in reader.partitions()) == 700_000


def test_a_topic_is_known_again_by_its_last_counted_record(new_topic, writer_of, reader_of):
    topic, copy = new_topic(partitions=1), new_topic(partitions=1)
    for name, user in ((topic, "ada"), (copy, "bob")):
        for number in range(4):
            writer_of(name).append([Delivery(lines(event(user, number)), 1, T + number)])
    ends = {0: 3}
    marks = marks_before(reader_of(topic), ends)
    assert marks == last_marks([reader_of(topic).read(0, 0, 2**20).until(3)])
    assert is_known_again(reader_of(topic), 0, marks[0]) is True
    assert is_known_again(reader_of(copy), 0, marks[0]) is False


def test_the_oldest_record_that_waits_is_found_out_of_order(kafka_server, new_topic, reader_of):
    topic = new_topic(partitions=1)
    producer = Producer({"bootstrap.servers": kafka_server.bootstrap})
    for received_at in (T + 5, T + 2, T + 9):
        producer.produce(topic, event("ada"), partition=0, timestamp=received_at)
    assert producer.flush(30) == 0
    reader = reader_of(topic)
    assert [reader.oldest_received_at(0, offset) for offset in range(4)] == [
        T + 2,
        T + 2,
        T + 9,
        None,
    ]
