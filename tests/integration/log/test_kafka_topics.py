"""A topic's own life: it is made, grows, is cut off, goes away and comes back as another."""

from collections.abc import Callable

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import NewPartitions

from rtcdp.errors import UsageError
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.log.contract import (
    Delivery,
    LogExtent,
    LogReplaced,
    LogUnavailable,
    OffsetsMissing,
)
from rtcdp.log.limits import KafkaTopicSettings, Retention
from tests.integration.log.kafka_events import (
    T,
    all_of,
    event,
    eventually,
    lines,
    while_it_lasts,
)
from tests.servers import unused_name


def test_a_missing_topic_is_made_by_the_writer_and_empty_for_a_reader(
    kafka_server, writer_of, reader_of
):
    topic = unused_name("made")
    reader = reader_of(topic)
    assert (reader.log_id(), list(reader.partitions())) == ("", [])
    assert reader.extent(0) == LogExtent(0, 0, 0, 0)
    assert len(reader.read(0, 0, 100)) == 0
    assert reader.offset_at(0, T) == 0
    assert not reader.wait({0: 0}, 0.01)
    with pytest.raises(OffsetsMissing, match="no partition 0"):
        reader.read(0, 1, 100)
    writer_of(topic, KafkaTopicSettings(partitions=3)).append(
        [Delivery(lines(*map(event, "abcdefgh")), 8, T)]
    )
    assert eventually(lambda: list(reader.partitions()) == [0, 1, 2])
    assert len(all_of(reader)) == 8
    assert reader.log_id().startswith("kafka:")
    kafka_server.delete_topic(topic)


def test_a_topic_that_the_brokers_cannot_hold_is_a_usage_error(writer_of):
    with pytest.raises(UsageError, match="can't be made") as error:
        writer_of(unused_name("copies"), KafkaTopicSettings(replication_factor=3))
    assert "kafka.replication_factor" in error.value.hint


def test_what_is_not_there_is_told_exactly(admin, new_topic, produce, reader_of):
    topic = new_topic()
    produce(topic, [event("u", n) for n in range(100)])
    admin.delete_records([Place(topic, 0, 40)])[Place(topic, 0)].result(30)
    reader = reader_of(topic)
    assert reader.extent(0).first_offset == 40
    assert reader.read(0, 40, 1).first_offset == 40
    assert len(reader.read(0, 100, 1)) == 0
    for offset in (0, 39, 101, -1, -1001, 2**40):
        with pytest.raises(OffsetsMissing, match=rf"offset {offset} .*{topic}.*\[40, 100\)"):
            reader.read(0, offset, 100)
    with pytest.raises(OffsetsMissing, match="no partition 5"):
        reader.read(5, 0, 100)
    assert [r.offset for r in all_of(reader, {0: 98})] == [98, 99]


def test_records_that_are_deleted_under_a_reader_are_missed_by_it(
    admin, new_topic, produce, reader_of
):
    topic = new_topic()
    produce(topic, [event("u", n) for n in range(100)])
    reader = reader_of(topic)
    offset = reader.read(0, 0, 1).next_offset
    admin.delete_records([Place(topic, 0, 90)])[Place(topic, 0)].result(30)
    assert reader.wait({0: offset}, 10)
    with pytest.raises(OffsetsMissing, match=r"\[90, 100\)"):
        reader.read(0, offset, 100)
    assert reader.read(0, 95, 1).first_offset == 95


def test_a_topic_made_anew_is_another_log(kafka_server, new_topic, produce, reader_of):
    topic = new_topic()
    produce(topic, [event("old", n) for n in range(5)])
    reader = reader_of(topic)
    identity = reader.log_id()
    assert [r.offset for r in all_of(reader)] == [0, 1, 2, 3, 4]
    assert not reader.wait({0: 5}, 0.01)
    kafka_server.delete_topic(topic)
    with pytest.raises(LogUnavailable, match=r"no longer there|Unknown topic"):
        while_it_lasts(lambda: reader.read(0, 5, 100))
    kafka_server.create_topic(topic)
    produce(topic, [event("new", n) for n in range(50)])
    # It reaches further than the old one did: nothing but its id tells them apart.
    calls: list[Callable[[], object]] = [
        lambda: reader.read(0, 5, 100),
        lambda: reader.wait({0: 5}, 0.01),
        lambda: reader.extent(0),
        lambda: reader.offset_at(0, T),
        reader.partitions,
    ]
    for call in calls:
        with pytest.raises(LogReplaced, match="made anew"):
            while_it_lasts(call, LogUnavailable)
    assert reader.log_id() not in ("", identity)
    assert len(all_of(reader_of(topic))) == 50


def test_a_topic_that_is_replaced_at_once_is_noticed(kafka_server, new_topic, produce, reader_of):
    topic = new_topic()
    produce(topic, [event("old", n) for n in range(5)])
    reader = reader_of(topic)
    assert len(all_of(reader)) == 5
    assert not reader.wait({0: 5}, 0.01)
    kafka_server.delete_topic(topic)
    kafka_server.create_topic(topic)
    produce(topic, [event("new", n) for n in range(50)])
    with pytest.raises(LogReplaced):
        while_it_lasts(lambda: reader.read(0, 5, 100), LogUnavailable)


def test_new_partitions_are_noticed(admin, new_topic, reader_of, produce):
    topic = new_topic()
    reader = reader_of(topic)
    assert not reader.wait({0: 0}, 0.01)
    admin.create_partitions([NewPartitions(topic, 3)])[topic].result(30)
    assert eventually(lambda: list(reader.partitions()) == [0, 1, 2])
    produce(topic, [event("u")], partition=2)
    assert reader.wait({0: 0, 1: 0, 2: 0}, 30)
    assert [(r.partition, r.offset) for r in all_of(reader)] == [(2, 0)]


def test_the_group_shows_how_far_the_reader_is(admin, new_topic, produce, reader_of):
    group = unused_name("group")
    topic = new_topic(partitions=2)
    produce(topic, [event("u", n) for n in range(10)])
    reader = reader_of(topic, KafkaTopicSettings(group=group))

    def committed() -> dict[int, int]:
        asked = ConsumerGroupTopicPartitions(group, [Place(topic, 0), Place(topic, 1)])
        (answer,) = admin.list_consumer_group_offsets([asked]).values()
        return {p.partition: p.offset for p in answer.result(30).topic_partitions if p.offset >= 0}

    reader.acknowledge({0: 4})
    assert eventually(lambda: committed() == {0: 4})
    reader.acknowledge({0: 7, 1: 0})
    reader.acknowledge({0: 10, 1: 0})
    assert not reader.wait({0: 10, 1: 0}, 1.5), "the last one goes out while it waits"
    assert eventually(lambda: committed() == {0: 10, 1: 0})
    reader.acknowledge({0: 9})
    reader.close()
    assert eventually(lambda: committed() == {0: 9, 1: 0}), "or when it is closed"


def test_expiry_is_left_to_kafka(new_topic, produce, reader_of):
    topic = new_topic()
    produce(topic, [event("u")])
    reader = reader_of(topic)
    assert reader.expire({0: 1}, Retention(0, 0, 0), 10**15) == 0
    assert len(all_of(reader)) == 1


def test_a_rejected_record_that_is_too_large_for_the_topic_is_cut(new_topic, writer_of, reader_of):
    topic = new_topic()
    raw = b'{"x":"' + b"y" * 3_000_000 + b'"}'
    writer_of(topic).append([Delivery(lines(event("u")), 1, T, rejects=((1, raw),))])
    good, cut = sorted(all_of(reader_of(topic)), key=lambda record: len(record.raw))
    assert good.raw == event("u")
    assert raw.startswith(cut.raw)
    assert len(cut.raw) > 1_000_000
    assert isinstance(decode(cut.raw), Rejection)


def test_a_topic_that_takes_less_than_a_record_says_so(new_topic, writer_of):
    writer = writer_of(new_topic(max_message_bytes="2000"))
    long = event("u")[:-1] + b',"pageUrl":"%s"}' % (b"x" * 2040)
    with pytest.raises(LogUnavailable) as error:
        writer.append([Delivery(lines(long), 1, T)])
    assert "max.message.bytes" in error.value.hint
    writer.append([Delivery(lines(event("u")), 1, T)])
