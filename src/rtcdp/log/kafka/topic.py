"""Which topic, on which brokers: the URL of a Kafka log, and what every client of it is told.

`kafka://host:9092,host2:9092/topic?security.protocol=SASL_SSL&...`: brokers, the topic's name, and
options of librdkafka for all clients. A user and a password before the brokers
(`kafka://user:password@host/topic`) stand for `sasl.username` and `sasl.password`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from confluent_kafka import KafkaError, KafkaException

from rtcdp.errors import UsageError
from rtcdp.log.contract import LogUnavailable

_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")

_OURS = frozenset(
    {
        "acks",
        "allow.auto.create.topics",
        "auto.commit.enable",
        "auto.offset.reset",
        "bootstrap.servers",
        "delivery.timeout.ms",
        "delivery.report.only.error",
        "dr_cb",
        "dr_msg_cb",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "error_cb",
        "group.id",
        "isolation.level",
        "message.max.bytes",
        "message.timeout.ms",
        "metadata.broker.list",
        "partitioner",
        "request.required.acks",
        "transactional.id",
    }
)
"""What the promises rest on, and so is nobody else's to set."""

_QUIET = 2
"""librdkafka writes nothing below "critical" to stderr: what goes wrong comes as an error."""

_HINTS = {
    KafkaError.INVALID_TIMESTAMP: "set the clocks: the broker finds this machine's an hour ahead",
    KafkaError.MSG_SIZE_TOO_LARGE: "raise max.message.bytes of the topic",
    KafkaError.RECORD_LIST_TOO_LARGE: "raise max.message.bytes of the topic",
    KafkaError.SASL_AUTHENTICATION_FAILED: "check user and password in the log's URL",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "let this user read, write and describe the topic",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "let this user create topics, or create it yourself",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "let this user use the consumer group",
    KafkaError._AUTHENTICATION: "check user and password in the log's URL",
    KafkaError._SSL: "check security.protocol and the certificates in the log's URL",
}


@dataclass(frozen=True)
class KafkaTopic:
    """A topic by name, the brokers to ask first, and options for librdkafka, which may hold
    secrets."""

    bootstrap: str
    name: str
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return f"topic {self.name} at {self.bootstrap}"


def parse_topic(url: str) -> KafkaTopic:
    """The topic that a URL names. Raises `UsageError`."""
    parts = urlsplit(url)
    login, _, bootstrap = parts.netloc.rpartition("@")
    name = unquote(parts.path.removeprefix("/"))
    if parts.scheme != "kafka" or not all(bootstrap.split(",")):
        raise _unusable("it has to name a broker")
    if not _NAME.fullmatch(name) or name in {".", ".."}:
        raise _unusable("a topic's name is 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_', '-'")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    taken = sorted(_OURS & options.keys())
    if taken:
        raise _unusable(f"rtcdp sets {', '.join(taken)} itself")
    if login:
        user, _, password = login.partition(":")
        options |= {"sasl.username": unquote(user), "sasl.password": unquote(password)}
    return KafkaTopic(bootstrap, name, tuple(sorted(options.items())))


class LastWord:
    """What a client heard last from the network, to say more than "timed out"."""

    def __init__(self) -> None:
        self._text = ""

    def hear(self, error: KafkaError) -> None:
        """For librdkafka's `error_cb`; called from whichever thread serves the client."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self._text:
            self._text = error.str()

    def __str__(self) -> str:
        return self._text


def client_options(
    topic: KafkaTopic, ours: Mapping[str, object], last_word: LastWord
) -> dict[str, Any]:
    """The configuration of a client: the defaults and `ours`, and over them the URL's options,
    which `parse_topic` holds off what the promises rest on."""
    return {
        "client.id": "rtcdp",
        "log_level": _QUIET,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        "topic.metadata.refresh.interval.ms": 30_000,
        **ours,
        **dict(topic.options),
        "bootstrap.servers": topic.bootstrap,
        "error_cb": last_word.hear,
    }


def refused_options(topic: KafkaTopic, error: KafkaException) -> UsageError:
    """For a client that could not be made: the URL's options are no configuration."""
    return UsageError(
        f"the log's URL has options that Kafka's client does not take: {error_of(error).str()}",
        f"see librdkafka's CONFIGURATION.md for the options of {topic.name}'s clients",
    )


def unavailable(topic: KafkaTopic, error: KafkaError, last_word: LastWord) -> LogUnavailable:
    """The error for whoever needs the topic now."""
    heard = f"; {last_word}" if str(last_word) and str(last_word) not in error.str() else ""
    return LogUnavailable(
        f"{topic} can't be reached: {error.str()}{heard}",
        _HINTS.get(error.code(), "start Kafka, or check the address in the log's URL"),
    )


def error_of(exception: KafkaException) -> KafkaError:
    """The error inside an exception of the client."""
    error: KafkaError = exception.args[0]
    return error


def _unusable(why: str) -> UsageError:
    return UsageError(
        f"the URL of the log can't be used: {why}",
        "give kafka://HOST:PORT/TOPIC, with ?OPTION=VALUE&... for options of librdkafka",
    )
