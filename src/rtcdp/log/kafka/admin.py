"""What a broker knows about a topic: that it is there, its id, its partitions, where they end."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from confluent_kafka import (
    OFFSET_INVALID,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
)
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    ListOffsetsResultInfo,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from rtcdp.errors import UsageError
from rtcdp.log.contract import LogExtent, LogUnavailable, OffsetsMissing
from rtcdp.log.kafka.topic import (
    KafkaTopic,
    LastWord,
    client_options,
    error_of,
    refused_options,
    unavailable,
)
from rtcdp.log.limits import KafkaTopicSettings

DEFAULT_MAX_MESSAGE_BYTES = 1_048_588
"""What brokers take when nothing else was set."""

TIMEOUT_S = 5.0
"""How long an answer may take before the log counts as away."""

_UNKNOWN = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}
_UNUSABLE = {KafkaError.INVALID_REPLICATION_FACTOR, KafkaError.INVALID_PARTITIONS}

_MOMENTARY = {
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.UNKNOWN_LEADER_EPOCH,
}
"""What brokers say while a partition has just been made, moves from one of them to another, or
comes back with its broker: the errors of ListOffsets that Kafka's protocol calls retriable
(KIP-207, KIP-320)."""

_PAUSE_S = 0.02
_LAST = 2**63 - 1

T = TypeVar("T")
_Asked: TypeAlias = "Mapping[Place, Future[ListOffsetsResultInfo]]"


@dataclass(frozen=True)
class TopicState:
    """A topic that is there: its id, which a topic of the same name made later does not share,
    and its partitions."""

    topic_id: str
    partitions: tuple[int, ...]


class TopicAdmin:
    """Asks about one topic, each question a round trip. May be used from several threads.

    The methods raise `LogUnavailable` when no answer comes within `timeout_s`.
    """

    def __init__(self, topic: KafkaTopic, *, timeout_s: float = TIMEOUT_S) -> None:
        self._topic = topic
        self._timeout_s = timeout_s
        self._last_word = LastWord()
        try:
            self._client = AdminClient(client_options(topic, {}, self._last_word))
        except KafkaException as error:
            raise refused_options(topic, error) from error

    def describe(self) -> TopicState | None:
        """The topic as it is now; None when there is none."""
        name = self._topic.name
        asked = self._client.describe_topics(
            TopicCollection([name]), request_timeout=self._timeout_s
        )
        try:
            found = self._result(asked[name])
        except KafkaException as error:
            if error_of(error).code() in _UNKNOWN:
                return None
            raise self._unavailable(error) from error
        return TopicState(str(found.topic_id), tuple(sorted(p.id for p in found.partitions)))

    def create(self, settings: KafkaTopicSettings) -> None:
        """Make the topic if it is missing; its records have the broker's time. Raises `UsageError`
        when the brokers can't hold it as `settings` ask."""
        copies = settings.replication_factor
        topic = NewTopic(
            self._topic.name,
            settings.partitions,
            copies,
            config={
                "min.insync.replicas": "2" if copies > 2 else "1",
                # One clock for a partition, and none of a producer's.
                "message.timestamp.type": "LogAppendTime",
            },
        )
        made = self._client.create_topics([topic], request_timeout=self._timeout_s)
        try:
            self._result(made[self._topic.name])
        except KafkaException as error:
            code = error_of(error).code()
            if code in _UNUSABLE:
                raise UsageError(
                    f"{self._topic} can't be made: {error_of(error).str()}",
                    "change kafka.partitions or kafka.replication_factor",
                ) from error
            if code != KafkaError.TOPIC_ALREADY_EXISTS:
                raise self._unavailable(error) from error
        # A broker that has not heard of it yet says that there is none: a log without records.
        self._until_known()

    def max_message_bytes(self) -> int:
        """How large a message the topic takes; the brokers' default when that can't be read."""
        resource = ConfigResource(ResourceType.TOPIC, self._topic.name)
        asked = self._client.describe_configs([resource], request_timeout=self._timeout_s)
        try:
            entry = self._result(asked[resource]).get("max.message.bytes")
        # Who may write need not be allowed to read settings.
        except KafkaException:
            return DEFAULT_MAX_MESSAGE_BYTES
        return DEFAULT_MAX_MESSAGE_BYTES if entry is None else int(entry.value)

    def next_offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        """Where partitions end for readers: before the first transaction that is open."""
        (found,) = self._answers(partitions, OffsetSpec.latest())
        return {partition: int(answer.offset) for partition, answer in found.items()}

    def offset_at(self, partition: int, time_ms: int) -> int | None:
        """The first record with this time (UTC ms) or a later one; None when there is none."""
        # A negative number is another question to the broker, and one beyond 64 bits is none.
        earliest = time_ms <= 0
        spec = OffsetSpec.earliest() if earliest else OffsetSpec.for_timestamp(min(time_ms, _LAST))
        (found,) = self._answers([partition], spec)
        offset = int(found[partition].offset)
        return None if offset < 0 else offset

    def extents(self, partitions: Sequence[int]) -> dict[int, LogExtent]:
        """What each partition holds. `bytes` is 0: this client can't ask for it."""
        first, end, newest = self._answers(
            partitions, OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.max_timestamp()
        )
        return {
            partition: LogExtent(
                partition=partition,
                first_offset=int(first[partition].offset),
                next_offset=int(end[partition].offset),
                bytes=0,
                newest_received_at=max(0, int(newest[partition].timestamp)),
            )
            for partition in partitions
        }

    def why_nothing_at(self, partition: int, offset: int) -> OffsetsMissing | LogUnavailable:
        """The error for whoever gets no records at `offset`: they are not there, as the broker
        says now, or it can't give them for another reason."""
        try:
            extent = self.extents([partition])[partition]
        except LogUnavailable as error:
            return error
        if extent.first_offset <= offset <= extent.next_offset:
            return self._unavailable(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
        return OffsetsMissing(
            f"offset {offset} of partition {partition} was asked for, but {self._topic} "
            f"holds [{extent.first_offset}, {extent.next_offset})",
            "check that log and store belong together and that the topic's retention keeps enough",
        )

    def _ask(self, partitions: Sequence[int], spec: OffsetSpec) -> _Asked:
        if not partitions:
            return {}
        return self._client.list_offsets(
            {Place(self._topic.name, partition): spec for partition in partitions},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=self._timeout_s,
        )

    def _answers(
        self, partitions: Sequence[int], *specs: OffsetSpec
    ) -> list[dict[int, ListOffsetsResultInfo]]:
        """The answers to each question about each of the partitions, all asked at once."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            asked = [self._ask(partitions, spec) for spec in specs]
            try:
                return [
                    {place.partition: self._offset(future) for place, future in of_one.items()}
                    for of_one in asked
                ]
            except KafkaException as error:
                is_momentary = error_of(error).code() in _MOMENTARY
                if not is_momentary or time.monotonic() > deadline:
                    raise self._unavailable(error) from error
            time.sleep(_PAUSE_S)

    def _until_known(self) -> None:
        """Wait until the brokers have heard of a topic that was just made."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                state = self.describe()
                if state is not None:
                    self.next_offsets(state.partitions)
                    return
            except LogUnavailable:
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                raise self._unavailable(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
            time.sleep(_PAUSE_S)

    def _offset(self, future: "Future[ListOffsetsResultInfo]") -> ListOffsetsResultInfo:
        """An answer about offsets that has one. A broker that has just come back may give none,
        and no error either, which would pass for a log without records."""
        answer = self._result(future)
        if answer.offset == OFFSET_INVALID:
            raise KafkaException(KafkaError(KafkaError.OFFSET_NOT_AVAILABLE))
        return answer

    def _result(self, future: "Future[T]") -> T:
        try:
            return future.result(self._timeout_s + 1)
        except NoAnswer:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None

    def _unavailable(self, error: KafkaException) -> LogUnavailable:
        # What the client has to say of its connections comes with this alone.
        self._client.poll(0)
        return unavailable(self._topic, error_of(error), self._last_word)
