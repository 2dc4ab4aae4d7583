"""What is sent, and what it means when it is not acknowledged."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from rtcdp.log.contract import Appended, Delivery, LogFailed, LogUnavailable
from rtcdp.log.kafka import KafkaLogWriter, KafkaTopic
from rtcdp.log.kafka import writer as kafka_writer
from rtcdp.log.kafka.admin import TopicState
from rtcdp.log.limits import KafkaTopicSettings

TOPIC = KafkaTopic("nobody:9092", "events")
T = 1_767_225_600_000


class FakeTopicAdmin:
    """A topic that is there, or is made."""

    state = TopicState("id", (0,))
    made = []  # noqa: RUF012

    def __init__(self, topic):
        del topic

    def describe(self):
        return self.state

    def create(self, settings):
        self.made.append(settings)

    def max_message_bytes(self):
        return 3_000


class Report:
    """A stand-in for an error that a producer reports."""

    def __init__(self, code, *, is_fatal=False):
        self._code, self._is_fatal = code, is_fatal

    def code(self):
        return self._code

    def fatal(self):
        return self._is_fatal

    def str(self):
        return "it broke"


class FakeProducer:
    """Notes what is sent; `reports` are told at the next flush, `stuck` is what it leaves."""

    last = None

    def __init__(self, options):
        FakeProducer.last = self
        self.options, self.sent, self.reports = options, [], []
        self.stuck = self.full = self.purged = 0
        self.refuses = None

    def produce(self, topic, value, key, *, timestamp, headers=None):
        if self.full:
            self.full -= 1
            raise BufferError
        if self.refuses is not None:
            raise KafkaException(self.refuses)
        assert topic == "events"
        self.sent.append((value, key, timestamp, headers))

    def poll(self, timeout_s):
        del timeout_s

    def flush(self, timeout_s):
        del timeout_s
        reports, self.reports = self.reports, []
        for report in reports:
            self.options["on_delivery"](report, None)
        return self.stuck

    def purge(self):
        self.purged += 1
        self.stuck = 0


@pytest.fixture(autouse=True)
def _fakes(monkeypatch):
    monkeypatch.setattr(kafka_writer, "TopicAdmin", FakeTopicAdmin)
    monkeypatch.setattr(kafka_writer, "Producer", FakeProducer)
    monkeypatch.setattr(FakeTopicAdmin, "made", [])


@pytest.fixture
def writer() -> KafkaLogWriter:
    return KafkaLogWriter(TOPIC, timeout_ms=50)


@pytest.fixture
def producer(writer) -> FakeProducer:
    del writer
    return FakeProducer.last


def line(user: str) -> bytes:
    return b'{"userId":"%s","timestamp":1,"eventType":"A"}\n' % user.encode()


ONE = Delivery(line("ada"), 1, T)


def test_what_is_acknowledged_has_all_copies(producer):
    assert producer.options["acks"] == "all"
    assert producer.options["enable.idempotence"] is True


def test_a_topic_is_made_only_where_there_is_none(monkeypatch):
    settings = KafkaTopicSettings(partitions=9)
    KafkaLogWriter(TOPIC, settings)
    assert FakeTopicAdmin.made == []
    monkeypatch.setattr(FakeTopicAdmin, "state", None)
    KafkaLogWriter(TOPIC, settings)
    assert FakeTopicAdmin.made == [settings]


@pytest.mark.parametrize(
    ("keyed_by", "marks"), [("userId", [("rtcdp-judged", b"1")]), ("productId", None)]
)
def test_in_a_topic_of_ours_events_that_passed_the_rule_are_marked(keyed_by, marks):
    """Not what was rejected; and products are told by another rule."""
    ours = KafkaLogWriter(TOPIC, KafkaTopicSettings(topic_is_ours=True), keyed_by=keyed_by)
    line = b'{"userId":"u","productId":"u","timestamp":1,"eventType":"A"}'
    ours.append([Delivery(line + b"\n", 1, T, rejects=((1, b"{"),))])
    assert FakeProducer.last.sent == [(line, "u", T, marks), (b"{", None, T, None)]


def test_records_have_their_user_for_a_key_and_headers_only_where_needed(writer, producer):
    placed = writer.append(
        [
            Delivery(line("ada") + line('a\\"b'), 2, T),
            Delivery(line("eve"), 1, T + 1, source="web", intake="import", replay_of="0:1"),
            Delivery(b"", 0, T + 2, rejects=((0, b"{"),)),
        ]
    )
    marks = [
        ("rtcdp-source", b"web"),
        ("rtcdp-intake", b"import"),
        ("rtcdp-replay-of", b"0:1"),
    ]
    assert producer.sent == [
        (line("ada")[:-1], "ada", T, None),
        (line('a\\"b')[:-1], 'a"b', T, None),
        (line("eve")[:-1], "eve", T + 1, marks),
        (b"{", None, T + 2, None),
    ]
    assert placed == [Appended(-1, -1, 2), Appended(-1, -1, 1), Appended(-1, -1, 1)]


def test_nothing_is_nothing(writer, producer):
    assert writer.append([]) == []
    assert writer.append([Delivery(b"", 0, T)]) == [Appended(-1, -1, 0)]
    assert producer.sent == []


def test_time_zero_is_not_now(writer, producer):
    writer.append([Delivery(line("ada"), 1, 0)])
    assert producer.sent[0][2] == 1


def test_a_rejected_record_is_cut_to_what_the_topic_takes(writer, producer):
    writer.append([Delivery(b"", 0, T, rejects=((0, b"x" * 5_000),))])
    assert producer.sent == [(b"x" * (3_000 - 1_024), None, T, None)]


@pytest.mark.parametrize(
    "delivery",
    [
        Delivery(line("ada"), 2, T),
        Delivery(line("ada") + line("bob"), 1, T),
        Delivery(line("ada")[:-1], 1, T),
        Delivery(line("ada") + line("bob")[:-1], 1, T),
        Delivery(b"not json\n", 1, T),
    ],
)
def test_of_a_group_with_a_delivery_that_contradicts_itself_nothing_is_sent(
    writer, producer, delivery
):
    with pytest.raises(ValueError, match=r"."):
        writer.append([ONE, delivery])
    assert producer.sent == []


def test_a_record_that_was_not_acknowledged_fails_the_group(writer, producer):
    producer.reports = [Report(KafkaError._MSG_TIMED_OUT), Report(KafkaError.MSG_SIZE_TOO_LARGE)]
    with pytest.raises(LogUnavailable, match="it broke") as error:
        writer.append([ONE])
    assert "start Kafka" in error.value.hint, "the first error is the cause of the others"
    writer.append([ONE])


def test_a_record_that_cannot_be_sent_fails_the_group(writer, producer):
    producer.refuses = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    with pytest.raises(LogUnavailable) as error:
        writer.append([ONE])
    assert "max.message.bytes" in error.value.hint


def test_what_is_still_under_way_after_the_time_is_given_up(writer, producer):
    producer.stuck = 3
    with pytest.raises(LogUnavailable):
        writer.append([ONE])
    assert producer.purged == 1, "it must not be delivered later"
    writer.append([ONE])


def test_a_full_queue_is_waited_for(writer, producer):
    producer.full = 3
    writer.append([ONE])
    assert len(producer.sent) == 1


def test_a_queue_that_stays_full_is_not_waited_for_longer_than_the_timeout(writer, producer):
    producer.full = 10**9
    with pytest.raises(LogUnavailable):
        writer.append([ONE])


def test_a_producer_that_cannot_go_on_is_never_used_again(writer, producer):
    producer.reports = [Report(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, is_fatal=True)]
    with pytest.raises(LogFailed, match="it broke"):
        writer.append([ONE])
    sent = len(producer.sent)
    with pytest.raises(LogFailed, match="it broke"):
        writer.append([ONE])
    assert len(producer.sent) == sent


def test_a_fatal_error_while_sending_is_fatal_too(writer, producer):
    producer.refuses = Report(KafkaError._FATAL)
    with pytest.raises(LogFailed):
        writer.append([ONE])
