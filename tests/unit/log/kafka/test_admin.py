"""What the brokers' answers mean."""

from types import SimpleNamespace

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError

from rtcdp.errors import UsageError
from rtcdp.log.contract import LogExtent, LogUnavailable, OffsetsMissing
from rtcdp.log.kafka import KafkaTopic
from rtcdp.log.kafka import admin as kafka_admin
from rtcdp.log.kafka.admin import DEFAULT_MAX_MESSAGE_BYTES, TopicAdmin, TopicState
from rtcdp.log.limits import KafkaTopicSettings
from tests.unit.log.kafka_fakes import done

TOPIC = KafkaTopic("nobody:9092", "events")


class FakeAdminClient:
    """Answers with what `answers` has for a question, after what it has for it in `first`; an
    integer is an error's code."""

    def __init__(self, options):
        self.options = options
        self.answers = {}
        self.first = {}
        self.created = []
        self.isolation = None

    def poll(self, timeout_s):
        del timeout_s

    def describe_topics(self, topics, **_):
        del topics
        return {"events": self._answer("describe")}

    def create_topics(self, topics, **_):
        self.created += topics
        return {"events": done(self.answers["create"])}

    def describe_configs(self, resources, **_):
        return {resources[0]: done(self.answers["configs"])}

    def list_offsets(self, asked, *, isolation_level, **_):
        self.isolation = isolation_level
        return {
            place: self._answer(type(spec).__name__, place.partition)
            for place, spec in asked.items()
        }

    def _answer(self, question, partition=None):
        if self.first.get(question):
            return done(self.first[question].pop(0))
        answer = self.answers[question]
        return done(answer if partition is None else answer[partition])


@pytest.fixture
def admin(monkeypatch) -> TopicAdmin:
    monkeypatch.setattr(kafka_admin, "AdminClient", FakeAdminClient)
    return TopicAdmin(TOPIC, timeout_s=0.1)


@pytest.fixture
def client(admin) -> FakeAdminClient:
    return admin._client


def found(offset: int, timestamp: int = -1) -> SimpleNamespace:
    return SimpleNamespace(offset=offset, timestamp=timestamp)


HOLDING_3_TO_9 = {
    "EarliestSpec": {0: found(3)},
    "LatestSpec": {0: found(9)},
    "MaxTimestampSpec": {0: found(5, 1)},
}


THERE = HOLDING_3_TO_9 | {
    "describe": SimpleNamespace(topic_id="abc", partitions=[SimpleNamespace(id=0)])
}


def test_a_topic_has_an_id_and_partitions(admin, client):
    partitions = [SimpleNamespace(id=number) for number in (1, 0, 2)]
    client.answers["describe"] = SimpleNamespace(topic_id="abc", partitions=partitions)
    assert admin.describe() == TopicState("abc", (0, 1, 2))


def test_no_topic_is_no_error(admin, client):
    client.answers["describe"] = KafkaError.UNKNOWN_TOPIC_OR_PART
    assert admin.describe() is None


@pytest.mark.parametrize("trouble", [KafkaError._TRANSPORT, TimeoutError()])
def test_no_answer_means_that_the_log_is_away(admin, client, trouble):
    client.answers |= {"describe": trouble, "create": trouble, "LatestSpec": {0: trouble}}
    for call in (
        admin.describe,
        lambda: admin.create(KafkaTopicSettings()),
        lambda: admin.next_offsets([0]),
    ):
        with pytest.raises(LogUnavailable, match="can't be reached"):
            call()


def test_a_topic_is_made_as_settings_ask(admin, client):
    client.answers |= {"create": None} | THERE
    admin.create(KafkaTopicSettings(partitions=7, replication_factor=3))
    (topic,) = client.created
    assert (topic.topic, topic.num_partitions, topic.replication_factor) == ("events", 7, 3)
    assert topic.config == {
        "min.insync.replicas": "2",
        "message.timestamp.type": "LogAppendTime",
    }, "acknowledged means two copies"
    admin.create(KafkaTopicSettings(replication_factor=1))
    assert client.created[1].config["min.insync.replicas"] == "1"


def test_a_topic_is_made_when_all_brokers_know_it(admin, client):
    client.answers |= {"create": None} | THERE
    news = [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.UNKNOWN_TOPIC_OR_PART]
    client.first = {"describe": list(news), "LatestSpec": [KafkaError.UNKNOWN_TOPIC_OR_PART]}
    admin.create(KafkaTopicSettings())
    assert client.first == {"describe": [], "LatestSpec": []}


def test_a_topic_that_nobody_gets_to_know_was_not_made(admin, client):
    client.answers |= {"create": None, "describe": KafkaError.UNKNOWN_TOPIC_OR_PART}
    with pytest.raises(LogUnavailable):
        admin.create(KafkaTopicSettings())


@pytest.mark.parametrize(
    "said",
    [
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
    ],
)
def test_a_partition_that_moves_is_asked_for_again(admin, client, said):
    client.answers |= HOLDING_3_TO_9
    client.first["LatestSpec"] = [said]
    assert admin.next_offsets([0]) == {0: 9}
    client.answers["LatestSpec"] = {0: KafkaError.LEADER_NOT_AVAILABLE}
    with pytest.raises(LogUnavailable):
        admin.next_offsets([0])


@pytest.mark.parametrize("question", ["EarliestSpec", "LatestSpec", "MaxTimestampSpec"])
def test_a_broker_that_is_back_and_tells_no_offset_is_asked_again(admin, client, question):
    client.answers |= HOLDING_3_TO_9
    client.first[question] = [found(OFFSET_INVALID), found(OFFSET_INVALID)]
    assert admin.extents([0]) == {0: LogExtent(0, 3, 9, 0, 1)}
    client.answers[question] = {0: found(OFFSET_INVALID)}
    with pytest.raises(LogUnavailable):
        admin.extents([0])
    assert isinstance(admin.why_nothing_at(0, 1), LogUnavailable), "nothing is known to be missing"


def test_no_offset_is_not_the_end_of_the_log(admin, client):
    client.answers["TimestampSpec"] = {0: found(OFFSET_INVALID)}
    with pytest.raises(LogUnavailable):
        admin.offset_at(0, 5)


def test_a_topic_that_somebody_else_just_made_will_do(admin, client):
    client.answers |= {"create": KafkaError.TOPIC_ALREADY_EXISTS} | THERE
    admin.create(KafkaTopicSettings())


def test_brokers_that_cannot_hold_it_are_a_matter_of_settings(admin, client):
    client.answers["create"] = KafkaError.INVALID_REPLICATION_FACTOR
    with pytest.raises(UsageError, match="can't be made"):
        admin.create(KafkaTopicSettings())


def test_the_largest_message_is_asked_for_or_taken_to_be_the_usual(admin, client):
    client.answers["configs"] = {"max.message.bytes": SimpleNamespace(value="2000")}
    assert admin.max_message_bytes() == 2000
    client.answers["configs"] = {}
    assert admin.max_message_bytes() == DEFAULT_MAX_MESSAGE_BYTES
    client.answers["configs"] = KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert admin.max_message_bytes() == DEFAULT_MAX_MESSAGE_BYTES


def test_extents_are_of_all_partitions(admin, client):
    client.answers |= {
        "EarliestSpec": {0: found(3), 1: found(0)},
        "LatestSpec": {0: found(9), 1: found(0)},
        "MaxTimestampSpec": {0: found(5, 1234), 1: found(-1, -1)},
    }
    assert admin.extents([0, 1]) == {
        0: LogExtent(0, 3, 9, 0, 1234),
        1: LogExtent(1, 0, 0, 0, 0),
    }
    assert client.isolation == kafka_admin.IsolationLevel.READ_COMMITTED
    assert admin.extents([]) == {}
    assert admin.next_offsets([0, 1]) == {0: 9, 1: 0}


@pytest.mark.parametrize("offset", [2, 10, -1])
def test_what_is_missing_is_told_with_what_is_there(admin, client, offset):
    client.answers |= HOLDING_3_TO_9
    why = admin.why_nothing_at(0, offset)
    assert isinstance(why, OffsetsMissing)
    assert str(why) == (
        f"offset {offset} of partition 0 was asked for, "
        "but topic events at nobody:9092 holds [3, 9)"
    )


@pytest.mark.parametrize("offset", [3, 8, 9])
def test_what_is_there_is_not_missing(admin, client, offset):
    client.answers |= HOLDING_3_TO_9
    assert isinstance(admin.why_nothing_at(0, offset), LogUnavailable)


def test_what_nobody_can_tell_is_not_missing(admin, client):
    client.answers |= HOLDING_3_TO_9 | {"LatestSpec": {0: KafkaError._TRANSPORT}}
    assert isinstance(admin.why_nothing_at(0, 1), LogUnavailable)


def test_no_record_at_a_time_or_later(admin, client):
    client.answers["TimestampSpec"] = {0: found(-1)}
    assert admin.offset_at(0, 5) is None
    client.answers["TimestampSpec"] = {0: found(4)}
    assert admin.offset_at(0, 5) == 4


def test_an_option_that_the_client_does_not_know_is_a_usage_error():
    with pytest.raises(UsageError, match=r"no\.such\.option"):
        TopicAdmin(KafkaTopic("nobody:9092", "events", (("no.such.option", "1"),)))
