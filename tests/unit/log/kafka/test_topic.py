"""The URL of a Kafka log."""

import pytest
from confluent_kafka import KafkaError

from rtcdp.errors import UsageError
from rtcdp.log.kafka import KafkaTopic, parse_topic
from rtcdp.log.kafka.topic import LastWord, client_options, unavailable

TOPIC = KafkaTopic("one:9092", "events")


def test_a_url_names_brokers_and_a_topic():
    assert parse_topic("kafka://one:9092/events") == TOPIC
    assert parse_topic("kafka://one:9092,two:9093/raw_customer.events-1") == KafkaTopic(
        "one:9092,two:9093", "raw_customer.events-1"
    )
    assert parse_topic("kafka://one/events").bootstrap == "one"
    assert parse_topic("kafka://[::1]:9092/events").bootstrap == "[::1]:9092"


def test_options_of_the_client_follow_the_topic():
    topic = parse_topic("kafka://one/events?security.protocol=SSL&ssl.ca.location=%2Fca.pem&a=")
    assert topic.options == (
        ("a", ""),
        ("security.protocol", "SSL"),
        ("ssl.ca.location", "/ca.pem"),
    )


def test_a_login_stands_before_the_brokers():
    topic = parse_topic("kafka://ann:p%40ss%3A1@one:9092,two:9092/events?sasl.mechanism=PLAIN")
    assert topic.bootstrap == "one:9092,two:9092"
    assert dict(topic.options) == {
        "sasl.mechanism": "PLAIN",
        "sasl.password": "p@ss:1",
        "sasl.username": "ann",
    }


def test_secrets_are_not_shown():
    topic = parse_topic("kafka://ann:secret@one/events?ssl.key.password=hidden")
    for text in (repr(topic), str(topic)):
        assert "secret" not in text
        assert "hidden" not in text


@pytest.mark.parametrize(
    "url",
    [
        "kafka:///events",
        "kafka://one",
        "kafka://one/",
        "kafka://one,/events",
        "kafka://one/a/b",
        "kafka://one/..",
        "kafka://one/" + "x" * 250,
        "kafka://one/sp%20ace",
        "http://one/events",
        "events",
    ],
)
def test_other_urls_are_usage_errors(url):
    with pytest.raises(UsageError) as error:
        parse_topic(url)
    assert "kafka://HOST:PORT/TOPIC" in error.value.hint


@pytest.mark.parametrize(
    "option", ["acks=1", "auto.offset.reset=earliest", "enable.idempotence=false", "group.id=x"]
)
def test_what_the_promises_rest_on_is_not_for_the_url(option):
    with pytest.raises(UsageError, match=option.split("=")[0]):
        parse_topic(f"kafka://one/events?{option}")


def test_the_url_goes_before_our_defaults_but_not_before_its_own_brokers():
    topic = KafkaTopic("one", "events", (("linger.ms", "9"), ("client.id", "mine")))
    options = client_options(topic, {"linger.ms": 5, "acks": "all"}, LastWord())
    assert options["linger.ms"] == "9"
    assert options["client.id"] == "mine"
    assert options["acks"] == "all"
    assert options["bootstrap.servers"] == "one"


def test_an_error_tells_what_the_network_said_last():
    last_word = LastWord()
    last_word.hear(KafkaError(KafkaError._TRANSPORT, "one:9092: Connection refused"))
    last_word.hear(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    error = unavailable(TOPIC, KafkaError(KafkaError._TIMED_OUT, "Timed out"), last_word)
    assert str(error) == (
        "topic events at one:9092 can't be reached: Timed out; one:9092: Connection refused"
    )
    assert "start Kafka" in error.hint


def test_the_hint_follows_the_error():
    error = unavailable(TOPIC, KafkaError(KafkaError.SASL_AUTHENTICATION_FAILED), LastWord())
    assert "password" in error.hint
