"""A broker that is killed, frozen or not there: nothing acknowledged is lost, and what was refused
can be sent again."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from deploy.servers import KafkaServer, kafka
from rtcdp.events.codec import decode
from rtcdp.events.event import CustomerActivityEvent
from rtcdp.log.contract import Delivery, LogUnavailable, RawRecord
from rtcdp.log.kafka import KafkaLogReader, KafkaLogWriter, KafkaTopic, parse_topic
from rtcdp.log.limits import KafkaTopicSettings
from tests.servers import unused_name

T = 1_767_225_600_000
NOBODY = parse_topic("kafka://127.0.0.1:1/events")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A broker of this module's own. Each test leaves it running."""
    with kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def topic(broker: KafkaServer) -> KafkaTopic:
    return parse_topic(broker.url(broker.create_topic(unused_name("events"), partitions=2)))


def events(first: int, count: int) -> Delivery:
    lines = b"".join(
        b'{"userId":"u%d","timestamp":1,"eventType":"A","eventId":"%d"}\n' % (n % 10, n)
        for n in range(first, first + count)
    )
    return Delivery(lines, count, T)


def ids_of(records: list[RawRecord]) -> list[str]:
    decoded = [decode(record.raw) for record in records]
    assert all(isinstance(one, CustomerActivityEvent) for one in decoded)
    return [one.event_id for one in decoded]


def started(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def stubborn(call: Callable[[], object], timeout_s: float = 240) -> object:
    """Call it again while the log is away, as its callers do."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return call()
        except LogUnavailable:
            assert time.monotonic() < deadline, "the log did not come back"


class Following(threading.Thread):
    """Reads a topic as it grows, with one reader, until it is told to end."""

    def __init__(self, topic: KafkaTopic) -> None:
        super().__init__()
        self._topic = topic
        self.records: list[RawRecord] = []
        self.failure: Exception | None = None
        self.is_over = threading.Event()

    def run(self) -> None:
        try:
            with closing(KafkaLogReader(self._topic, timeout_s=2)) as reader:
                offsets = {0: 0, 1: 0}
                while stubborn(lambda: self._round(reader, offsets)) or not self.is_over.is_set():
                    pass
        except Exception as error:  # noqa: BLE001 - the test's thread asks for it
            self.failure = error

    def _round(self, reader: KafkaLogReader, offsets: dict[int, int]) -> bool:
        came = False
        for partition, offset in offsets.items():
            read = reader.read(partition, offset, 20_000)
            assert read.first_offset == offset
            self.records += read.each()
            offsets[partition] = read.next_offset
            came |= len(read) > 0
        return came or reader.wait(offsets, 0.1)


def test_nothing_acknowledged_is_lost_when_the_broker_is_killed(broker, topic):
    following = Following(topic)
    following.start()
    writer = KafkaLogWriter(topic, timeout_ms=1_500)
    refused: set[int] = set()
    accident: list[threading.Thread] = []
    number, enough = 0, 2**62
    while number < enough:
        if number == 20:
            accident.append(started(broker.kill))
        first = number * 50
        try:
            writer.append([events(first, 50)])
        except LogUnavailable:
            refused.add(number)
            if len(accident) == 1:
                accident[0].join()
                accident.append(started(broker.start))
                enough = number + 20
            stubborn(lambda at=first: writer.append([events(at, 50)]))
        number += 1
    for thread in accident:
        thread.join()
    writer.close()
    following.is_over.set()
    following.join()
    assert following.failure is None
    counts = Counter(map(int, ids_of(following.records)))
    assert set(counts) == set(range(50 * number)), "everything was acknowledged in the end"
    assert {n // 50 for n, count in counts.items() if count > 1} <= refused
    places = [(record.partition, record.offset) for record in following.records]
    assert len(set(places)) == len(places)
    with closing(KafkaLogReader(topic)) as reader:
        ends = {p: reader.extent(p).next_offset for p in (0, 1)}
    assert sum(ends.values()) == len(places), "no offset was passed over"


def test_a_frozen_broker_is_away_for_a_bounded_time_and_back_by_itself(broker, topic):
    writer = KafkaLogWriter(topic, timeout_ms=6_000)
    with closing(KafkaLogReader(topic, timeout_s=2)) as reader:
        stubborn(lambda: writer.append([events(0, 10)]))
        offsets = stubborn(lambda: {p: reader.extent(p).next_offset for p in (0, 1)})
        assert not stubborn(lambda: reader.wait(offsets, 0.2))
        broker.pause()
        try:
            for call in (
                lambda: writer.append([events(10, 10)]),
                lambda: reader.read(0, offsets[0], 100),
                lambda: reader.wait(offsets, 600),
                lambda: reader.extent(0),
            ):
                began = time.monotonic()
                with pytest.raises(LogUnavailable, match="can't be reached"):
                    call()
                assert time.monotonic() - began < 180
        finally:
            broker.resume()
        stubborn(lambda: writer.append([events(10, 10)]))
        writer.append([events(20, 10)])
        found: list[RawRecord] = []
        for partition in (0, 1):
            offset = offsets[partition]
            while len(read := stubborn(lambda p=partition, o=offset: reader.read(p, o, 2**20))):
                found += read.each()
                offset = read.next_offset
        counts = Counter(map(int, ids_of(found)))
        assert set(counts) - set(range(10)) == set(range(10, 30))
        assert all(counts[n] == 1 for n in range(20, 30))
    writer.close()


def test_a_writer_for_a_broker_that_is_not_there_says_so():
    began = time.monotonic()
    with pytest.raises(LogUnavailable, match=r"events at 127\.0\.0\.1:1 can't be reached") as error:
        KafkaLogWriter(NOBODY, KafkaTopicSettings())
    assert "refused" in str(error.value)
    assert "start Kafka" in error.value.hint
    assert time.monotonic() - began < 60


def test_a_reader_of_a_broker_that_is_not_there_says_so():
    with closing(KafkaLogReader(NOBODY, timeout_s=0.5)) as reader:
        for call in (
            reader.log_id,
            reader.partitions,
            lambda: reader.extent(0),
            lambda: reader.read(0, 0, 100),
            lambda: reader.offset_at(0, T),
            lambda: reader.wait({0: 0}, 1),
        ):
            with pytest.raises(LogUnavailable, match="can't be reached"):
                call()
        reader.acknowledge({0: 1})


def test_a_reader_that_came_before_the_broker_finds_it(broker, topic):
    broker.stop()
    with closing(KafkaLogReader(topic, timeout_s=0.5)) as reader:
        with pytest.raises(LogUnavailable):
            reader.read(0, 0, 100)
        broker.start()
        writer = stubborn(lambda: KafkaLogWriter(topic))
        writer.append([events(0, 10)])
        found = [
            record
            for partition in (0, 1)
            for record in stubborn(lambda p=partition: reader.read(p, 0, 2**20)).each()
        ]
        assert sorted(map(int, ids_of(found))) == list(range(10))
        writer.close()
