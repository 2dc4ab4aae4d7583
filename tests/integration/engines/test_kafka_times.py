"""A record's time on Kafka may be anything and stops nothing; topics of ours have the broker's."""

import threading
import time
from contextlib import closing
from dataclasses import replace

import pytest
from confluent_kafka import Producer

from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import SystemClock
from rtcdp.engines.native.limits import ProcessorLimits
from rtcdp.engines.native.processor import Processor
from rtcdp.log.contract import Delivery
from rtcdp.log.kafka import KafkaLogReader, KafkaLogWriter, parse_topic
from rtcdp.log.limits import KafkaTopicSettings
from rtcdp.store.sqlite import SqliteStore
from tests.servers import unused_name

DAY_MS = 86_400_000


def event(event_id, timestamp=0):
    return b'{"eventId":"%s","userId":"u","timestamp":%d,"eventType":"A"}' % (event_id, timestamp)


@pytest.fixture
def counted(kafka_server, tmp_path):
    """Counts a topic until it is caught up, from a fresh start each time; gives the totals."""

    def count(topic, window_ms=3_600_000):
        rules = AdmissionRules(dedup_window_ms=window_ms, allowed_lateness_ms=10**15)
        reader = KafkaLogReader(parse_topic(kafka_server.url(topic)), KafkaTopicSettings())
        with (
            closing(reader) as log,
            closing(SqliteStore(tmp_path / f"{topic}.db")) as store,
        ):
            limits = ProcessorLimits(epoch_every_s=0)
            processor = Processor(log, store, (), rules, SystemClock(), limits)
            troubles = []
            processor.listeners = replace(processor.listeners, on_trouble=troubles.append)
            stop = threading.Event()
            timer = threading.Timer(120, stop.set)
            timer.start()
            processor.run(stop, once=True)
            timer.cancel()
            assert not stop.is_set(), f"it did not end: {troubles[-1:]}"
            assert [said for said in troubles if "rules" not in said] == []
            with store.snapshot() as snapshot:
                return snapshot.ledger_totals()

    return count


def produce(kafka_server, topic, *times_ms):
    producer = Producer({"bootstrap.servers": kafka_server.bootstrap})
    for number, time_ms in enumerate(times_ms):
        producer.produce(topic, event(b"%d" % number), timestamp=time_ms, partition=0)
    assert producer.flush(60) == 0


@pytest.mark.parametrize("window_ms", [3_600_000, 366 * DAY_MS])
def test_a_topic_that_is_empty_is_waited_for(new_topic, counted, window_ms):
    topic = new_topic(2)
    for _ in range(2):
        assert counted(topic, window_ms)["received"] == 0


@pytest.mark.parametrize("window_ms", [3_600_000, 366 * DAY_MS])
def test_records_of_the_first_hour_of_1970_are_counted(new_topic, kafka_server, counted, window_ms):
    topic = new_topic(2)
    produce(kafka_server, topic, 1, 1_000, 3_600_000)
    assert counted(topic, window_ms)["admitted"] == 3
    produce(kafka_server, topic, 2, 1_001)
    assert counted(topic, window_ms)["duplicate"] == 2


@pytest.mark.parametrize(
    ("time_ms", "offset"), [(-3_900_000, 0), (-1, 0), (0, 0), (1, 0), (6, 1), (2**63, 2)]
)
def test_every_time_is_found(new_topic, kafka_server, time_ms, offset):
    topic, empty = new_topic(1), new_topic(1)
    produce(kafka_server, topic, 5, 7)
    for name, expected in ((topic, offset), (empty, 0)):
        reader = KafkaLogReader(parse_topic(kafka_server.url(name)), KafkaTopicSettings())
        with closing(reader) as log:
            assert log.offset_at(0, time_ms) == expected


def test_a_topic_of_ours_takes_the_broker_s_time_and_no_producer_s(kafka_server):
    topic = parse_topic(kafka_server.url(unused_name("ours")))
    before_ms = time.time_ns() // 1_000_000
    with closing(KafkaLogWriter(topic, KafkaTopicSettings(partitions=1))) as writer:
        writer.append([Delivery(event(b"x") + b"\n", 1, 1_000)])
    produce(kafka_server, topic.name, 10**15)
    with closing(KafkaLogReader(topic, KafkaTopicSettings())) as log:
        times = [record.received_at for n in (0, 1) for record in log.read(0, n, 1).each()]
    assert all(before_ms - 60_000 <= received_at <= before_ms + 600_000 for received_at in times)
    kafka_server.delete_topic(topic.name)
