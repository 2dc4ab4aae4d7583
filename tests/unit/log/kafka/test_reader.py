"""Which consumer reads, and that the topic is still the same."""

import threading
from concurrent.futures import Future

import numpy as np
import pytest
from confluent_kafka import KafkaError, KafkaException

from rtcdp.log.contract import LogGone, LogReplaced, LogUnavailable, OffsetsMissing
from rtcdp.log.envelope import WireBatch
from rtcdp.log.kafka import KafkaLogReader, KafkaTopic
from rtcdp.log.kafka import reader as kafka_reader
from rtcdp.log.kafka.admin import TopicState
from rtcdp.log.kafka.reader import ShownOffsets
from rtcdp.log.kafka.stream import LOOK_UP, READ_ON
from rtcdp.log.marks import is_known_again, last_marks, marks_before
from rtcdp.log.views import BoundedLogReader
from tests.unit.log.kafka_fakes import FakeAdmin

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
    monkeypatch.setattr(kafka_reader, "Consumer", FakeConsumer)
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


EVENT = b'{"userId":"u","timestamp":1,"eventType":"A"}'


class FakeTopicAdmin(FakeAdmin):
    """The topic `state`, partitions 0 and 1 with ten records each."""

    def __init__(self, topic, *, timeout_s):
        super().__init__({0: 10, 1: 10})
        self.topic, self.timeout_s = topic, timeout_s
        self.state = TopicState("first", (0, 1))
        self.looks = 0

    def describe(self):
        self.looks += 1
        return self.state

    def offset_at(self, partition, time_ms):
        return None if time_ms > 5 else partition + time_ms


class FakeShownOffsets:
    """Remembers what a group was told."""

    told = []  # noqa: RUF012
    is_slow = False

    def __init__(self, topic, group):
        del topic
        self._group = group

    def show(self, next_offsets):
        self.told.append((self._group, next_offsets))
        self.shown = Future()
        if not self.is_slow:
            self.shown.set_result(None)
        return self.shown


class FakeStream:
    """Gives one record at a time."""

    made = []  # noqa: RUF012

    def __init__(self, topic, group, limits, admin):
        del topic, group, admin
        self.limits, self.at, self.reads, self.used_at = limits, {}, [], 0.0
        self.is_closed = False
        self.made.append(self)

    def is_at(self, partition, offset):
        return self.at.get(partition) == offset

    def read(self, partition, offset, max_bytes):
        del max_bytes
        self.reads.append((partition, offset))
        self.at[partition] = offset + 1
        one = np.array([offset], np.int64)
        return WireBatch(partition, offset, offset + 1, [EVENT], one, one)

    def wait(self, next_offsets, timeout_s):
        del timeout_s
        self.at.update(next_offsets)
        return False

    def close(self):
        self.is_closed = True


class Clock:
    """A monotonic clock that goes on when it is slept."""

    def __init__(self):
        self.now_s = 1_000.0

    def monotonic(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(kafka_reader, "time", clock)
    return clock


@pytest.fixture
def reader(monkeypatch, clock) -> KafkaLogReader:
    del clock
    monkeypatch.setattr(kafka_reader, "TopicAdmin", FakeTopicAdmin)
    monkeypatch.setattr(kafka_reader, "KafkaStream", FakeStream)
    monkeypatch.setattr(kafka_reader, "ShownOffsets", FakeShownOffsets)
    monkeypatch.setattr(FakeShownOffsets, "told", [])
    monkeypatch.setattr(FakeStream, "made", [])
    return KafkaLogReader(KafkaTopic("nobody:9092", "events"))


@pytest.fixture
def admin(reader) -> FakeTopicAdmin:
    return reader._admin


def test_a_first_look_fetches_little_and_reading_on_fetches_far_ahead(reader):
    for offset in range(4):
        assert reader.read(0, offset, 100).offsets.tolist() == [offset]
    look_up, read_on = FakeStream.made
    assert (look_up.limits, look_up.reads) == (LOOK_UP, [(0, 0)])
    assert (read_on.limits, read_on.reads) == (READ_ON, [(0, 1), (0, 2), (0, 3)])


def test_a_look_elsewhere_leaves_who_reads_on_alone(reader):
    for offset in (0, 1, 7, 2, 4, 3):
        reader.read(0, offset, 100)
    look_up, read_on = FakeStream.made
    assert look_up.reads == [(0, 0), (0, 7), (0, 4)]
    assert read_on.reads == [(0, 1), (0, 2), (0, 3)]


def test_waiting_gets_ready_to_read_on(reader):
    assert not reader.wait({0: 4, 1: 2}, 0)
    reader.read(0, 4, 100)
    (read_on,) = FakeStream.made
    assert read_on.reads == [(0, 4)]


def test_the_topic_is_looked_at_now_and_then(reader, admin, clock):
    for offset in range(5):
        reader.read(0, offset, 100)
    assert admin.looks == 1
    clock.now_s += 0.11
    reader.read(0, 5, 100)
    assert admin.looks == 2


def test_another_topic_of_the_name_is_another_log(reader, admin, clock):
    reader.read(0, 0, 100)
    admin.state = TopicState("second", (0, 1))
    clock.now_s += 1
    for call in (
        lambda: reader.read(0, 1, 100),
        lambda: reader.extent(0),
        lambda: reader.wait({0: 0}, 1),
        lambda: reader.offset_at(0, 1),
        reader.partitions,
    ):
        with pytest.raises(LogReplaced, match="made anew"):
            call()
    assert reader.log_id() == "kafka:second"


def test_records_that_came_while_the_topic_was_replaced_are_not_given(reader, admin, clock):
    def slowly(*_):
        clock.now_s += 1
        admin.state = TopicState("second", (0, 1))
        return FakeStream.read(reader._look_up, 0, 0, 1)

    reader.read(0, 5, 1)
    reader._look_up.read = slowly
    with pytest.raises(LogReplaced):
        reader.read(0, 0, 1)


def test_the_log_is_the_one_whose_name_was_given_first(reader, admin, clock):
    assert reader.log_id() == "kafka:first"
    admin.state = TopicState("second", (0, 1))
    clock.now_s += 1
    with pytest.raises(LogReplaced):
        reader.read(0, 0, 100)


def test_a_topic_that_is_gone_is_away_and_not_empty(reader, admin, clock):
    reader.read(0, 0, 100)
    admin.state = None
    clock.now_s += 1
    for call in (lambda: reader.read(0, 1, 100), reader.partitions, reader.log_id):
        with pytest.raises(LogUnavailable, match="no longer there"):
            call()


def test_a_topic_that_never_was_is_empty(reader, admin, clock):
    admin.state = None
    assert (reader.log_id(), list(reader.partitions())) == ("", [])
    assert len(reader.read(0, 0, 100)) == 0
    with pytest.raises(OffsetsMissing):
        reader.read(0, 1, 100)
    began = clock.now_s
    assert not reader.wait({0: 0}, 2)
    assert clock.now_s - began == pytest.approx(2)


def test_extents_are_asked_for_once_for_all_partitions(reader, admin, clock):
    assert [reader.extent(p).next_offset for p in (0, 1)] == [10, 10]
    admin.ends = {0: 11, 1: 12}
    assert reader.extent(1).next_offset == 10
    clock.now_s += 0.03
    assert reader.extent(1).next_offset == 12


def test_offsets_that_kafka_would_take_for_something_else_are_missing(reader):
    for offset in (-1, -2, -1001):
        with pytest.raises(OffsetsMissing):
            reader.read(0, offset, 100)


def test_what_is_acknowledged_is_told_at_most_once_a_second(reader, clock):
    reader.acknowledge({0: 1})
    reader.acknowledge({0: 2})
    reader.acknowledge({0: 3})
    assert FakeShownOffsets.told == [("rtcdp", {0: 1})]
    clock.now_s += 1.1
    reader.wait({0: 3}, 0)
    assert FakeShownOffsets.told[1:] == [("rtcdp", {0: 3})]
    reader.acknowledge({0: 4})
    reader.close()
    assert FakeShownOffsets.told[2:] == [("rtcdp", {0: 4})]


def test_the_last_word_to_the_group_is_not_lost_while_it_is_slow(reader, clock, monkeypatch):
    monkeypatch.setattr(FakeShownOffsets, "is_slow", True)
    reader.acknowledge({0: 1})
    clock.now_s += 2
    reader.acknowledge({0: 2})
    assert FakeShownOffsets.told == [("rtcdp", {0: 1})]
    reader._shown.shown.set_result(None)
    reader.wait({0: 2}, 0)
    assert FakeShownOffsets.told[1:] == [("rtcdp", {0: 2})]
    reader._shown.shown.set_result(None)


def test_nothing_is_fetched_ahead_for_nobody(reader, clock):
    reader.read(0, 0, 100)
    reader.read(0, 1, 100)
    read_on = FakeStream.made[1]
    read_on.used_at = clock.now_s
    clock.now_s += 30
    reader.extent(0)
    assert not read_on.is_closed
    clock.now_s += 31
    reader.extent(0)
    assert read_on.is_closed
    assert reader.read(0, 2, 100).offsets.tolist() == [2]


def test_closing_ends_both_consumers(reader):
    reader.read(0, 0, 100)
    reader.read(0, 1, 100)
    reader.close()
    assert all(stream.is_closed for stream in FakeStream.made)


def test_the_oldest_of_what_comes_next_is_told(reader):
    assert reader.oldest_received_at(0, 4) == 4


def test_a_topic_that_is_gone_is_told_as_gone(reader, clock):
    reader.partitions()
    reader._admin.state = None
    clock.now_s += 1
    with pytest.raises(LogGone, match="no longer there"):
        reader.extent(0)


class Registering:
    """A translation that has no schema at first, and may be away."""

    def __init__(self):
        self.has_schema, self.is_away = False, False

    def __call__(self, values, headers):
        del headers
        if self.is_away:
            raise LogUnavailable("the registry is away")
        return [EVENT + b" " if self.has_schema else b"unknown" for _ in values]


@pytest.mark.parametrize("has_schema", [False, True])
def test_a_record_is_known_again_whatever_is_made_of_it_by_then(reader, has_schema):
    reader._translation = registering = Registering()
    registering.has_schema = has_schema
    records = reader.read(0, 3, 100)
    assert records.received_count == 1
    mark = last_marks([records])[0]
    registering.has_schema = not has_schema
    assert reader.read(0, 3, 100).odd != records.odd
    assert is_known_again(reader, 0, mark) is True
    assert is_known_again(BoundedLogReader(reader, {0: 9}), 0, mark) is True
    registering.is_away = True
    assert is_known_again(reader, 0, mark) is True
    assert marks_before(reader, {0: 4}) == {0: mark}
