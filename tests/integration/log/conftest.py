"""Readers and writers of topics, and others who use them."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from deploy.servers import KafkaServer
from rtcdp.log.kafka import KafkaLogReader, KafkaLogWriter, parse_topic
from rtcdp.log.limits import KafkaTopicSettings


@pytest.fixture
def reader_of(kafka_server: KafkaServer) -> Iterator[Callable[..., KafkaLogReader]]:
    """Makes readers of topics."""
    readers = []

    def make(topic: str, settings: KafkaTopicSettings = KafkaTopicSettings()) -> KafkaLogReader:
        readers.append(KafkaLogReader(parse_topic(kafka_server.url(topic)), settings))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()


@pytest.fixture
def writer_of(kafka_server: KafkaServer) -> Iterator[Callable[..., KafkaLogWriter]]:
    writers = []

    def make(topic: str, settings: KafkaTopicSettings = KafkaTopicSettings()) -> KafkaLogWriter:
        writers.append(KafkaLogWriter(parse_topic(kafka_server.url(topic)), settings))
        return writers[-1]

    yield make
    for writer in writers:
        writer.close()


@pytest.fixture
def produce(kafka_server: KafkaServer) -> Callable[..., None]:
    """Another producer than ours: `produce(topic, values, partition=0, **of_each_message)`."""
    producer = Producer({"bootstrap.servers": kafka_server.bootstrap})

    def send(topic: str, values: Sequence[bytes | None], partition: int = 0, **other: object):
        for value in values:
            producer.produce(topic, value, partition=partition, **other)
        assert producer.flush(30) == 0

    return send


@pytest.fixture
def admin(kafka_server: KafkaServer) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka_server.bootstrap})
