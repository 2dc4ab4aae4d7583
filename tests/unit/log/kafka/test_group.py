"""What a consumer group is told, and that nobody waits for it."""

import threading

import pytest
from confluent_kafka import KafkaError, KafkaException

from rtcdp.log.kafka import group as kafka_group
from rtcdp.log.kafka.group import ShownOffsets
from rtcdp.log.kafka.topic import KafkaTopic

TOPIC = KafkaTopic("nobody:9092", "events")


class FakeConsumer:
    """Takes commits when `may_answer` is set, and fails if it is told to."""

    made = []  # noqa: RUF012

    def __init__(self, options):
        self.options, self.commits, self.fails = options, [], False
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.made.append(self)

    def commit(self, *, offsets, asynchronous):
        assert not asynchronous
        self.may_answer.wait(60)
        if self.fails:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        self.commits.append({place.partition: place.offset for place in offsets})


@pytest.fixture
def shown(monkeypatch):
    monkeypatch.setattr(kafka_group, "Consumer", FakeConsumer)
    monkeypatch.setattr(FakeConsumer, "made", [])
    shown = ShownOffsets(TOPIC, "rtcdp")
    shown.show({0: 1}).result(10)
    return shown


def test_the_group_gets_the_offsets(shown):
    shown.show({0: 5, 1: 7}).result(10)
    (consumer,) = FakeConsumer.made
    assert consumer.options["group.id"] == "rtcdp"
    assert consumer.commits == [{0: 1}, {0: 5, 1: 7}]


def test_while_one_is_under_way_no_other_is_begun(shown):
    (consumer,) = FakeConsumer.made
    consumer.may_answer.clear()
    first = shown.show({0: 2})
    assert shown.show({0: 3}) is first
    assert not first.done()
    consumer.may_answer.set()
    first.result(10)
    assert consumer.commits == [{0: 1}, {0: 2}]


def test_a_failure_is_none(shown):
    FakeConsumer.made[0].fails = True
    shown.show({0: 2}).result(10)
    FakeConsumer.made[0].fails = False
    shown.show({0: 3}).result(10)
    assert FakeConsumer.made[0].commits == [{0: 1}, {0: 3}]
