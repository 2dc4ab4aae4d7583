"""The reader of a Kafka log: which consumer serves a read, and that it is still the same topic."""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import suppress
from dataclasses import replace

import numpy as np
from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as Place

from rtcdp.log.contract import LogExtent, LogGone, LogReplaced, OffsetsMissing, Records
from rtcdp.log.envelope import WireBatch, records_of
from rtcdp.log.kafka.admin import TIMEOUT_S, TopicAdmin, TopicState
from rtcdp.log.kafka.stream import LOOK_UP, READ_ON, KafkaStream, StreamLimits
from rtcdp.log.kafka.topic import KafkaTopic, LastWord, client_options
from rtcdp.log.limits import KafkaTopicSettings, Retention, Translation


class ShownOffsets:
    """What a consumer group is told. Nobody joins the group, and nobody reads it back."""

    def __init__(self, topic: KafkaTopic, group: str) -> None:
        self._topic = topic
        self._group = group
        self._consumer: Consumer | None = None
        self._last: Future[None] | None = None

    def show(self, next_offsets: Mapping[int, int]) -> "Future[None]":
        """Commit these offsets by partition, in a thread of its own; while it is still busy with
        the last ones, nothing is committed. The answer comes whether it worked or not."""
        if self._last is None or self._last.done():
            self._last = Future()
            places = [Place(self._topic.name, *place) for place in next_offsets.items()]
            threading.Thread(target=self._commit, args=(places, self._last), daemon=True).start()
        return self._last

    def _commit(self, places: list[Place], answer: "Future[None]") -> None:
        # Where to resume is the store's business: a lag that is shown too large harms nobody.
        with suppress(KafkaException):
            self._opened().commit(offsets=places, asynchronous=False)
        answer.set_result(None)

    def _opened(self) -> Consumer:
        if self._consumer is None:
            ours = {"group.id": self._group, "enable.auto.commit": False}
            self._consumer = Consumer(client_options(self._topic, ours, LastWord()))
        return self._consumer


STATE_AGE_S = 0.1
"""How old the last look at the topic's id may be when records are handed out. A topic that was made
anew goes on at the old offsets, if it reaches so far, and nothing but its id tells."""

_EXTENT_AGE_S = 0.02
_WAIT_S = 0.25
_LOOK_BYTES = 2**18
_ACKNOWLEDGE_S = 1.0
_FAREWELL_S = 1.0
_IDLE_S = 60.0


class KafkaLogReader:
    """Reads a topic, also while it does not exist yet: it is empty then, or made as `settings` say
    if `makes_topic`. For several threads.

    It belongs to the topic that it saw first. When another one takes its name, the methods raise
    `LogReplaced`, but for `log_id`, which names the new one. They raise `LogUnavailable` when no
    broker answers within `timeout_s`, and `LogGone` while the topic is gone.

    Reads that follow each other are served by a consumer that fetches far ahead; the others by one
    that fetches little. A record's intake time is its timestamp: of the producer's clock, or of the
    broker's where the topic is set to `LogAppendTime`. What is read goes through `translation`.
    """

    def __init__(
        self,
        topic: KafkaTopic,
        settings: KafkaTopicSettings = KafkaTopicSettings(),
        *,
        timeout_s: float = TIMEOUT_S,
        makes_topic: bool = False,
        translation: Translation | None = None,
    ) -> None:
        self._topic = topic
        self._settings = settings
        self._makes_topic = makes_topic
        self._translation = translation
        self._group = settings.group
        self._admin = TopicAdmin(topic, timeout_s=timeout_s)
        self._mutex = threading.Lock()
        self._topic_id = ""
        self._state: TopicState | None = None
        self._state_at = float("-inf")
        self._extents: dict[int, LogExtent] = {}
        self._extents_at = float("-inf")
        self._read_on: KafkaStream | None = None
        self._look_up: KafkaStream | None = None
        self._looked_up: dict[int, int] = {}
        self._counted: Mapping[int, int] = {}
        self._acknowledged_at = float("-inf")
        self._shown = ShownOffsets(topic, settings.group)
        self._telling: Future[None] | None = None

    def log_id(self) -> str:
        """The topic's id; the broker gives every topic that is made another one."""
        state = self._seen()
        return "" if state is None else f"kafka:{state.topic_id}"

    def partitions(self) -> Sequence[int]:
        """The partitions that the topic has now; none while there is no topic."""
        state = self._checked()
        return () if state is None else state.partitions

    def extent(self, partition: int) -> LogExtent:
        """What a partition holds, as it was at most 20 ms ago. `bytes` is 0: Kafka's client can't
        ask for it. The newest intake time is the latest one that any record has."""
        state = self._checked()
        if state is None:
            return LogExtent(partition, 0, 0, 0)
        if partition not in state.partitions:
            raise self._no_partition(partition)
        with self._mutex:
            now = time.monotonic()
            # All partitions are asked for at once, since a round asks for each of them.
            if now - self._extents_at > _EXTENT_AGE_S or partition not in self._extents:
                self._extents = self._admin.extents(state.partitions)
                self._extents_at = now
            return self._extents[partition]

    def read(self, partition: int, offset: int, max_bytes: int) -> Records:
        """Messages from `offset` on, about `max_bytes` of them, at least one unless the log ends.

        The records may be fewer than the offsets: transactions and compaction leave some without.
        Raises `OffsetsMissing` when `offset` lies before the first or after the end.
        """
        batch = self._batch(partition, offset, max_bytes)
        lines = batch.values
        if self._translation is not None:
            lines = self._translation(batch.values, batch.headers)
        if lines is batch.values:
            return records_of(batch, is_ours=self._settings.topic_is_ours)
        # What was translated is kept as it was written, too: drill-down and dead letters show that.
        written = {
            int(batch.offsets[place]): value
            for place, (value, line) in enumerate(zip(batch.values, lines, strict=True))
            if line is not value and value is not None
        }
        return replace(records_of(replace(batch, values=lines)), written=written)

    def read_as_written(self, partition: int, offset: int) -> Records:
        """See `rtcdp.log.contract.TranslatedLog`: nothing goes through `translation`."""
        return records_of(self._batch(partition, offset, 1))

    def _batch(self, partition: int, offset: int, max_bytes: int) -> WireBatch:
        state = self._checked()
        # A topic that is not there yet is an empty log. From any other offset on, something was
        # lost.
        if state is None and offset == 0:
            return _nothing_at(partition, offset)
        if state is None or partition not in state.partitions:
            raise self._no_partition(partition)
        if offset < 0:
            raise self._admin.why_nothing_at(partition, offset)
        # Again, for the topic may have been made anew while it was read, and the records would be
        # those of a stranger at offsets that look right.
        batch = self._consumed(partition, offset, max_bytes)
        self._checked()
        return batch

    def offset_at(self, partition: int, received_at: int) -> int:
        """The offset of the first record with a timestamp of `received_at` (UTC ms) or later; the
        end of the log when there is none."""
        state = self._checked()
        if state is None:
            return 0
        if partition not in state.partitions:
            raise self._no_partition(partition)
        # To Kafka, times before 1970 are questions of another kind.
        found = self._admin.offset_at(partition, max(0, received_at))
        return self._admin.next_offsets([partition])[partition] if found is None else found

    def oldest_received_at(self, partition: int, offset: int) -> int | None:
        """The smallest timestamp in the next `_LOOK_BYTES`. Where the broker sets timestamps, none
        that follows is smaller; a producer's clock may say anything."""
        records = self.read(partition, offset, _LOOK_BYTES)
        times = [int(time) for time in records.received_at]
        times += [record.received_at for record in records.odd]
        return min((time for time in times if time > 0), default=None)

    def wait(self, next_offsets: Mapping[int, int], timeout_s: float) -> bool:
        """Block until something came at or after the given offsets; False when nothing did after
        `timeout_s` seconds. What came stays for the reads that follow."""
        deadline = time.monotonic() + timeout_s
        while True:
            state = self._checked()
            self._tell_group()
            # Partitions may be added while somebody waits; those are seen in the next slice.
            there = () if state is None else state.partitions
            asked = {p: offset for p, offset in next_offsets.items() if p in there}
            left_s = max(0.0, min(deadline - time.monotonic(), _WAIT_S))
            if not asked:
                time.sleep(min(left_s, STATE_AGE_S))
            elif self._stream_on().wait(asked, left_s):
                return True
            if time.monotonic() >= deadline:
                return False

    def expire(self, committed: Mapping[int, int], retention: Retention, now_ms: int) -> int:
        """Deletes nothing: how long a topic keeps its records is set in Kafka."""
        del committed, retention, now_ms
        return 0

    def acknowledge(self, next_offsets: Mapping[int, int]) -> None:
        """Commit to the consumer group, about once a second, so that Kafka's own tools show how far
        the reader is. Whether that works is not looked at."""
        self._counted = dict(next_offsets)
        self._tell_group()

    def close(self) -> None:
        """End the consumers. May be called twice; a later call starts them again."""
        # Twice: the word that is on its way, and then the last one, of what was counted since.
        for _ in range(2):
            if self._telling is not None:
                wait_for([self._telling], _FAREWELL_S)
            self._acknowledged_at = float("-inf")
            self._tell_group()
        with self._mutex:
            streams = [self._read_on, self._look_up]
            self._read_on = self._look_up = None
        for stream in streams:
            if stream is not None:
                stream.close()

    def _seen(self) -> TopicState | None:
        """The topic as it was at most `STATE_AGE_S` ago; None while it was never there."""
        with self._mutex:
            now = time.monotonic()
            if now - self._state_at > STATE_AGE_S:
                self._state = self._described()
                self._state_at = now
                self._let_go(now)
            if self._state is not None:
                self._topic_id = self._topic_id or self._state.topic_id
            elif self._topic_id:
                raise LogGone(
                    f"{self._topic} is no longer there", "find out who deleted it; rtcdp never does"
                )
            return self._state

    def _described(self) -> TopicState | None:
        """The topic as the brokers know it now; made if it is to be, and was never there."""
        state = self._admin.describe()
        # Never a second time: a topic that was deleted took its records along, and an empty one of
        # its name would hide that.
        if state is None and self._makes_topic and not self._topic_id:
            self._admin.create(self._settings)
            state = self._admin.describe()
        return state

    def _checked(self) -> TopicState | None:
        """The same, but only for the topic that was seen first."""
        state = self._seen()
        if state is not None and state.topic_id != self._topic_id:
            raise LogReplaced(
                f"{self._topic} is not the one that was read so far: it was deleted and made anew",
                "give the new topic a store of its own",
            )
        return state

    def _let_go(self, now: float) -> None:
        """Fetch no longer ahead for nobody."""
        if self._read_on is not None and now - self._read_on.used_at > _IDLE_S:
            self._read_on.close()
            self._read_on = None

    def _consumed(self, partition: int, offset: int, max_bytes: int) -> WireBatch:
        """Read with the consumer that is there already, or, from the second read of a row on, with
        the one that fetches far ahead."""
        read_on = self._read_on
        if read_on is not None and read_on.is_at(partition, offset):
            return read_on.read(partition, offset, max_bytes)
        # Two reads that follow each other are the beginning of a row; one alone would fetch
        # megabytes ahead for nobody.
        if self._looked_up.get(partition) == offset:
            return self._stream_on().read(partition, offset, max_bytes)
        with self._mutex:
            look_up = self._look_up = self._look_up or self._stream(LOOK_UP)
        batch = look_up.read(partition, offset, max_bytes)
        self._looked_up[partition] = batch.next_offset
        return batch

    def _stream_on(self) -> KafkaStream:
        with self._mutex:
            self._read_on = self._read_on or self._stream(READ_ON)
            return self._read_on

    def _stream(self, limits: StreamLimits) -> KafkaStream:
        return KafkaStream(self._topic, self._group, limits, self._admin)

    def _tell_group(self) -> None:
        now = time.monotonic()
        if not self._counted or now - self._acknowledged_at < _ACKNOWLEDGE_S:
            return
        if self._telling is not None and not self._telling.done():
            return
        counted, self._counted = self._counted, {}
        self._acknowledged_at = now
        # It is for people who look at lags; the store alone knows where to go on.
        self._telling = self._shown.show(counted)

    def _no_partition(self, partition: int) -> OffsetsMissing:
        return OffsetsMissing(
            f"{self._topic} has no partition {partition}",
            "check that log and store belong together",
        )


def _nothing_at(partition: int, offset: int) -> WireBatch:
    nothing = np.empty(0, np.int64)
    return WireBatch(partition, offset, offset, [], nothing, nothing)
