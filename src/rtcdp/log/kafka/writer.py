"""The writer of a Kafka log: a group of deliveries is durable when the brokers have all of it."""

import threading
import time
from collections.abc import Iterator, Sequence
from itertools import repeat

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from rtcdp.log.contract import Appended, Delivery, LogFailed, LogUnavailable
from rtcdp.log.envelope import headers_for
from rtcdp.log.kafka.admin import TopicAdmin
from rtcdp.log.kafka.topic import (
    KafkaTopic,
    LastWord,
    client_options,
    error_of,
    refused_options,
    unavailable,
)
from rtcdp.log.limits import KafkaTopicSettings, KeyField

TIMEOUT_MS = 10_000
"""How long the brokers may take to acknowledge a group before it counts as not appended."""

UNKNOWN_PLACE = -1
"""The partition and offset of deliveries: their records are spread by user, and the brokers are not
asked where each of them went."""

_BATCH_BYTES = 1_000_000
_QUEUE_MESSAGES = 500_000
_QUEUE_BYTES = 256 * 2**20
_FULL_QUEUE_PAUSE_S = 0.05
_ENVELOPE_BYTES = 1_024
"""What headers and framing of a message may add to its value."""


_Headers = list[tuple[str, str | bytes | None]]


class _OfUser(msgspec.Struct, rename="camel", gc=False):
    user_id: str


class _OfProduct(msgspec.Struct, rename="camel", gc=False):
    product_id: str


_lines_of_users = msgspec.json.Decoder(_OfUser).decode_lines
_lines_of_products = msgspec.json.Decoder(_OfProduct).decode_lines


def _keys_of(lines: bytes, keyed_by: KeyField) -> list[str]:
    """What the keys of records are taken from."""
    if keyed_by == "userId":
        return [record.user_id for record in _lines_of_users(lines)]
    return [record.product_id for record in _lines_of_products(lines)]


class KafkaLogWriter:
    """Appends to a topic, which it makes if it is missing. Several threads may use it.

    The key of a record is its `userId`, or what else it is `keyed_by`, and so decides the partition
    as it does for Java's producers; rejected records have none. A record's timestamp is its intake
    time.

    Raises `LogUnavailable` when no broker answers, and `UsageError` when they can't hold the topic.
    """

    def __init__(
        self,
        topic: KafkaTopic,
        settings: KafkaTopicSettings = KafkaTopicSettings(),
        *,
        timeout_ms: int = TIMEOUT_MS,
        keyed_by: KeyField = "userId",
    ) -> None:
        self._topic = topic
        self._keyed_by = keyed_by
        # What products are is told by another rule, and read by another reader.
        self._marks_judged = settings.topic_is_ours and keyed_by == "userId"
        self._timeout_s = timeout_ms / 1000
        self._mutex = threading.Lock()
        self._last_word = LastWord()
        self._failure: LogFailed | None = None
        self._refusal: KafkaError | None = None
        admin = TopicAdmin(topic)
        if admin.describe() is None:
            admin.create(settings)
        max_bytes = admin.max_message_bytes()
        self._value_bytes_max = max_bytes - _ENVELOPE_BYTES
        self._options = {
            "acks": "all",
            # What the client itself sends again must not stand in the log twice.
            "enable.idempotence": True,
            # A call for each of a hundred thousand records costs more than to send them.
            "delivery.report.only.error": True,
            "on_delivery": self._on_undelivered,
            "message.timeout.ms": timeout_ms,
            "message.max.bytes": max_bytes,
            "batch.size": min(_BATCH_BYTES, max_bytes),
            "compression.type": "lz4",
            "linger.ms": 5,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": _QUEUE_MESSAGES,
            "queue.buffering.max.kbytes": _QUEUE_BYTES // 1024,
        }
        self._is_closed = False
        self._producer: Producer | None = self._new_producer()

    def append(self, deliveries: Sequence[Delivery]) -> Sequence[Appended]:
        """Send all deliveries, and return when the brokers have acknowledged every record.

        Of a rejected record that is larger than the topic takes, the first part is kept; the rule
        that it breaks it breaks still. Where the records went is not told (`UNKNOWN_PLACE`).

        Raises `LogUnavailable` when they are not acknowledged in time: some may be in the log all
        the same, for an acknowledgement can get lost. Sent again with the same event ids they are
        counted once. Raises `LogFailed` when the producer can't keep its promises any more, and
        `ValueError` for a delivery that contradicts itself.
        """
        groups = [_Group(each, self._keyed_by, self._marks_judged) for each in deliveries]
        with self._mutex:
            self._check_open()
            producer = self._producer = self._producer or self._new_producer()
            self._refusal = None
            try:
                self._send(producer, groups)
            except KafkaException as error:
                self._on_undelivered(error_of(error))
            # Nothing that was sent stays behind to be delivered later, after the refusal.
            if producer.flush(self._timeout_s * 2):
                producer.purge()
                producer.flush(0)
                self._on_undelivered(KafkaError(KafkaError._TIMED_OUT))
            self._check_open()
            if self._refusal is not None:
                # The next one begins with numbers of its own: one whose records ran out of time has
                # a gap in its own, and is not known to get over it with every broker.
                self._producer = None
                raise unavailable(self._topic, self._refusal, self._last_word)
        return [Appended(UNKNOWN_PLACE, UNKNOWN_PLACE, each.record_count) for each in deliveries]

    def close(self) -> None:
        """End the writer; what was appended stays. May be called twice."""
        with self._mutex:
            self._producer, self._is_closed = None, True

    def _new_producer(self) -> Producer:
        try:
            return Producer(client_options(self._topic, self._options, self._last_word))
        except KafkaException as error:
            raise refused_options(self._topic, error) from error

    def _check_open(self) -> None:
        if self._failure is not None:
            raise LogFailed(str(self._failure), self._failure.hint)
        if self._is_closed:
            raise LogUnavailable(f"{self._topic} was closed by this process", "open it again")

    def _send(self, producer: Producer, groups: Sequence["_Group"]) -> None:
        """Hand all records to the client, which sends them from threads of its own."""
        deadline = time.monotonic() + self._timeout_s
        produce, name = producer.produce, self._topic.name
        for group in groups:
            time_ms = group.time_ms
            for value, key, headers in group.records(self._value_bytes_max):
                while True:
                    try:
                        if headers:
                            produce(name, value, key, timestamp=time_ms, headers=headers)
                        else:
                            produce(name, value, key, timestamp=time_ms)
                        break
                    except BufferError:
                        if time.monotonic() > deadline:
                            raise KafkaException(KafkaError(KafkaError._QUEUE_FULL)) from None
                        producer.poll(_FULL_QUEUE_PAUSE_S)

    def _on_undelivered(self, error: KafkaError, _: Message | None = None) -> None:
        """Called for each record that was not acknowledged, and for nothing else."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._failure = LogFailed(
                f"the producer of {self._topic} can't go on: {error.str()}",
                "restart rtcdp; what was acknowledged is in the log",
            )
        # The records after the first refused one are refused because of it.
        if self._refusal is None:
            self._refusal = error


class _Group:
    """The records of one delivery, checked before the first of any is sent."""

    def __init__(self, delivery: Delivery, keyed_by: KeyField, marks_judged: bool) -> None:
        *self._lines, _ = delivery.lines.split(b"\n")
        self._keys = _keys_of(delivery.lines, keyed_by)
        self._rejects = delivery.rejects
        if not delivery.line_count == len(self._lines) == len(self._keys):
            raise ValueError(
                f"a delivery says that it has {delivery.line_count} lines, "
                f"but it has {len(self._lines)}"
            )
        marks = delivery.source, delivery.intake, delivery.replay_of, delivery.trace
        self._of_lines: _Headers = [*headers_for(*marks, is_judged=marks_judged)]
        self._of_rejects: _Headers = [*headers_for(*marks)]
        # A client takes the time 0 for "now".
        self.time_ms = max(1, delivery.received_at)

    def records(self, value_bytes_max: int) -> Iterator[tuple[bytes, str | None, _Headers]]:
        """Each record's value, key and headers."""
        yield from zip(self._lines, self._keys, repeat(self._of_lines))
        for _, raw in self._rejects:
            yield raw[:value_bytes_max], None, self._of_rejects
