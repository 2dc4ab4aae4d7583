"""One consumer of a topic, and the buffers of what it brought: reading on is fast, starting
elsewhere takes a round trip.

Partitions are assigned by hand, each at the offset that is asked for; there is no rebalancing, and
nothing is ever reset to another place. What the consumer brings of other partitions than the one
that is read stays in their buffers. One that holds enough is parked: not fetched any more until it
has been read.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Place

from rtcdp.errors import RtcdpError
from rtcdp.log.contract import LogUnavailable, OffsetsMissing
from rtcdp.log.envelope import WireBatch
from rtcdp.log.kafka.admin import TopicAdmin
from rtcdp.log.kafka.messages import ConsumedMessage, Feed, runs_of
from rtcdp.log.kafka.topic import (
    KafkaTopic,
    LastWord,
    client_options,
    refused_options,
    unavailable,
)

PATIENCE_S = 10.0
"""How long records that are known to be there may take to come."""

_SLICE_S = 0.1
"""The longest time that one thread keeps the others from the consumer."""

_FILL_S = 0.02
"""How long a read that has something waits for more of what is on its way."""

_ASK_AGAIN_S = 0.5

_ENDS_AGE_S = 0.005
"""How old an answer about the log's end may be. All partitions are asked for at once, and each
answer is used once, so that a round over partitions at rest is one question and not one each."""

_MESSAGES_AT_ONCE = 600
_BYTES_AT_ONCE = 2 * 2**20
"""How much is taken from the client at a time. Beyond some 700 messages Python's garbage collector
looks at all of them again and again while they are made, and half of the speed is gone."""

_OUT_OF_RANGE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}


@dataclass(frozen=True)
class StreamLimits:
    """How much a stream fetches ahead.

    `fetch_bytes` of one partition at a time and `answer_bytes` of all of them together, as they
    come compressed, where JSON is several times as large; `queue_bytes` fetched and not yet
    consumed, by the client itself, which needs as much again beside them; `feed_bytes` consumed and
    not yet read: while there is more, no partition that has more than an equal share is fetched. A
    fetch at the end of the log waits `fetch_wait_ms` for records, and holds up a change of place
    for as long. `fetches_on` tells whether a partition is fetched on after it was read.
    """

    fetch_bytes: int
    answer_bytes: int
    queue_bytes: int
    feed_bytes: int
    fetch_wait_ms: int
    fetches_on: bool


READ_ON = StreamLimits(2**18, 2**20, 8 * 2**20, 32 * 2**20, 100, fetches_on=True)
"""For who reads everything in order."""

LOOK_UP = StreamLimits(2**18, 2**20, 4 * 2**20, 2**20, 10, fetches_on=False)
"""For who looks at a few records here and there."""


class KafkaStream:
    """Consumes the partitions of one topic. Several threads may use it; they take turns.

    The methods raise `LogUnavailable`, and `OffsetsMissing` when the broker does not have what
    comes next.
    """

    def __init__(
        self, topic: KafkaTopic, group: str, limits: StreamLimits, admin: TopicAdmin
    ) -> None:
        self._topic = topic
        self._limits = limits
        self._admin = admin
        self._last_word = LastWord()
        self._door = threading.Lock()
        self._mutex = threading.Lock()
        self._feeds: dict[int, Feed] = {}
        self._assigned: set[int] = set()
        self._troubles: dict[int, RtcdpError] = {}
        self._mean_bytes = 1024
        self._is_closed = False
        self.used_at = time.monotonic()
        self._ends: dict[int, int] = {}
        self._ends_at = float("-inf")
        options = {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            # Whoever is sent elsewhere would go on with a gap, and nobody would hear of it.
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            # What a transaction took back was never said.
            "isolation.level": "read_committed",
            "allow.auto.create.topics": False,
            "check.crcs": True,
            "fetch.min.bytes": 1,
            "fetch.wait.max.ms": limits.fetch_wait_ms,
            "fetch.error.backoff.ms": 50,
            "fetch.queue.backoff.ms": 5,
            "fetch.message.max.bytes": limits.fetch_bytes,
            "fetch.max.bytes": limits.answer_bytes,
            # No limit of its own: the one in bytes is the one that is meant.
            "queued.min.messages": 1_000_000,
            "queued.max.messages.kbytes": limits.queue_bytes // 1024,
        }
        try:
            self._consumer = Consumer(client_options(topic, options, self._last_word))
        except KafkaException as error:
            raise refused_options(topic, error) from error

    def is_at(self, partition: int, offset: int) -> bool:
        """True if reading can go on there at once."""
        feed = self._feeds.get(partition)
        return feed is not None and feed.holds(offset)

    def read(self, partition: int, offset: int, max_bytes: int) -> WireBatch:
        """About `max_bytes` of messages from `offset` on, at least one unless the log ends."""
        with self._turn():
            feed = self._feed_at(partition, offset)
            try:
                self._fill(feed, max(1, max_bytes))
            # The trouble goes with the buffer: who asks again begins anew, from the broker.
            except RtcdpError:
                self._forget(partition)
                raise
            is_backlog = feed.byte_count >= max_bytes
            batch = feed.give(max_bytes)
            # Who reads a backlog goes on after it; of little, others may ask the same once more.
            if is_backlog:
                feed.forget_before(batch.next_offset)
            if not self._limits.fetches_on:
                self._park(partition)
                # What is kept of many partitions together must not outgrow the limit.
                if feed.byte_count > self._share():
                    self._forget(partition)
            return batch

    def wait(self, next_offsets: Mapping[int, int], timeout_s: float) -> bool:
        """Block until something came at or after the offsets; False at the timeout. An error of a
        partition counts as something: reading it tells which."""
        deadline = time.monotonic() + timeout_s
        while True:
            with self._turn():
                feeds = [self._feed_at(*place) for place in next_offsets.items()]
                left_s = deadline - time.monotonic()
                # First, since an earlier read may have brought it; the client would say nothing
                # again.
                if self._has_news(feeds):
                    return True
                if left_s <= 0:
                    return False
                # In slices: a reader that is waiting for its turn gets it in between.
                self._consume(min(left_s, _SLICE_S), None)
                if self._has_news(feeds):
                    return True

    def close(self) -> None:
        """End the consumer. May be called twice; no other call is answered afterwards."""
        with self._door, self._mutex:
            if not self._is_closed:
                self._is_closed = True
                self._consumer.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The right to use the consumer. Who waits for it stands in the door, so that who just had
        it comes after him; a lock alone would mostly go to the same thread again."""
        with self._door:
            self._mutex.acquire()
        try:
            if self._is_closed:
                raise LogUnavailable(f"{self._topic} was closed by this process", "open it again")
            self.used_at = time.monotonic()
            yield
        finally:
            self._mutex.release()

    def _has_news(self, feeds: list[Feed]) -> bool:
        return any(feed.end > feed.start or feed.partition in self._troubles for feed in feeds)

    def _feed_at(self, partition: int, offset: int) -> Feed:
        """The buffer of a partition, made ready to be read from `offset` on."""
        feed = self._feeds.get(partition)
        if feed is None or not feed.holds(offset):
            self._forget(partition)
            feed = self._feeds[partition] = Feed(partition, offset)
        feed.forget_before(offset)
        # Half: at the limit itself it would be parked and fetched again all the time, and each of
        # those costs a round trip.
        if self._limits.fetches_on and feed.byte_count < self._share() // 2:
            self._assign(feed)
        return feed

    def _share(self) -> int:
        """How many bytes of one partition are kept for later."""
        return self._limits.feed_bytes // len(self._feeds)

    def _is_too_much(self, feed: Feed) -> bool:
        """Whether all that is kept is more than there is room for, and `feed` one to blame. As long
        as there is room, it may run ahead: who parks loses what the client has fetched of it."""
        if feed.byte_count <= self._share():
            return False
        kept = sum(each.byte_count for each in self._feeds.values())
        return kept > self._limits.feed_bytes

    def _fill(self, feed: Feed, max_bytes: int) -> None:
        """Consume until `feed` holds `max_bytes`, or all that the broker has."""
        progress_at = time.monotonic()
        timeout_s = 0.0
        asked_at: float | None = None
        while feed.byte_count < max_bytes:
            is_empty = feed.end == feed.start
            trouble = self._troubles.get(feed.partition)
            if trouble is not None:
                # Records that came before the trouble are good, and are handed out first.
                if is_empty:
                    raise trouble
                return
            # Nothing is on its way: waiting would hold up what is here.
            if not is_empty and not self._has_more(feed):
                return
            now = time.monotonic()
            # A fetch that brings nothing is no proof of the end: a broker that starts, or one that
            # gives way to another, is as silent. So the broker is asked where the log ends.
            if is_empty and (feed.at_end or timeout_s > 0) and _is_due(asked_at, now):
                asked_at = now
                if self._has_ended(feed):
                    return
            idle_s = now - progress_at
            if idle_s > (PATIENCE_S if is_empty else _FILL_S):
                if is_empty:
                    raise self._admin.why_nothing_at(feed.partition, feed.end)
                return
            # Others may have parked it meanwhile, while they read what is theirs.
            self._assign(feed)
            reached = feed.end
            self._consume(timeout_s, feed)
            timeout_s = 0.0
            if feed.end > reached:
                progress_at = time.monotonic()
            else:
                timeout_s = _SLICE_S if is_empty else _FILL_S

    def _has_ended(self, feed: Feed) -> bool:
        """True if the log ends where `feed` does; the broker is asked. What came meanwhile counts
        as more."""
        now = time.monotonic()
        # Taken out: who asks twice wants to know of what came in between.
        if self._ends.pop(feed.partition, None) == feed.end and now - self._ends_at < _ENDS_AGE_S:
            return True
        self._ends = self._admin.next_offsets(sorted({feed.partition, *self._assigned}))
        self._ends_at = now
        end = self._ends.pop(feed.partition)
        # A log that ends before what was read of it has lost records, or is another.
        if end < feed.end:
            raise self._admin.why_nothing_at(feed.partition, feed.end)
        return end == feed.end

    def _has_more(self, feed: Feed) -> bool:
        """True if the broker had more at the last fetch."""
        if feed.at_end or feed.partition not in self._assigned:
            return False
        place = Place(self._topic.name, feed.partition)
        _, end = self._consumer.get_watermark_offsets(place, cached=True)
        return end > feed.end

    def _consume(self, timeout_s: float, wanted: Feed | None) -> None:
        """Take what came from the client into the buffers; wait for the first message."""
        count = max(1, min(_MESSAGES_AT_ONCE, _BYTES_AT_ONCE // self._mean_bytes))
        # With a time-out, the client waits until all `count` messages are there.
        messages = self._consumer.consume(count, 0)
        if not messages and timeout_s > 0:
            messages = self._consumer.consume(1, timeout_s)
            if messages:
                messages += self._consumer.consume(count, 0)
        if not messages:
            return
        errors = [message.error() for message in messages]
        # An error must not be compared with None: its type raises then.
        if any(errors):
            start = 0
            for place, error in enumerate(errors):
                if error is not None:
                    self._keep(messages[start:place], wanted)
                    self._notice(messages[place], error)
                    start = place + 1
            messages = messages[start:]
        self._keep(messages, wanted)

    def _keep(self, messages: list[Message], wanted: Feed | None) -> None:
        if not messages:
            return
        byte_count = 0
        for run in runs_of(cast(list[ConsumedMessage], messages)):
            byte_count += run.byte_count
            feed = self._feeds.get(run.partition)
            # Messages that were on their way when their partition was let go: they are asked for
            # again.
            if feed is None or run.partition not in self._assigned:
                continue
            feed.add(run)
            # The one that is read may take what it needs; the others must not fill the memory
            # meanwhile.
            if feed is not wanted and self._is_too_much(feed):
                self._park(run.partition)
        self._mean_bytes = max(1, byte_count // len(messages))

    def _notice(self, message: Message, error: KafkaError) -> None:
        """What the client says about a partition in place of a message."""
        partition, offset = message.partition(), message.offset()
        feed = self._feeds.get(-1 if partition is None else partition)
        if feed is None or feed.partition not in self._assigned:
            return
        if error.code() == KafkaError._PARTITION_EOF:
            feed.reach(feed.end if offset is None else offset)
        elif error.code() == KafkaError._LOG_TRUNCATION:
            self._troubles[feed.partition] = OffsetsMissing(
                f"{self._topic} lost records of partition {partition} that were read: "
                f"{error.str()}",
                "bring back the broker that has them, or start anew with a store of its own",
            )
        elif error.code() in _OUT_OF_RANGE:
            # A broker that starts says so of good offsets, too; and it may still come from where
            # the partition was read before.
            if offset == feed.end:
                why = self._admin.why_nothing_at(feed.partition, feed.end)
                self._troubles[feed.partition] = why
        else:
            self._troubles[feed.partition] = unavailable(self._topic, error, self._last_word)

    def _assign(self, feed: Feed) -> None:
        if feed.partition not in self._assigned:
            self._consumer.incremental_assign([Place(self._topic.name, feed.partition, feed.end)])
            self._assigned.add(feed.partition)

    def _park(self, partition: int) -> None:
        """Fetch nothing of it any more; what was consumed stays."""
        if partition in self._assigned:
            self._consumer.incremental_unassign([Place(self._topic.name, partition)])
            self._assigned.remove(partition)

    def _forget(self, partition: int) -> None:
        self._park(partition)
        self._feeds.pop(partition, None)
        self._troubles.pop(partition, None)


def _is_due(asked_at: float | None, now: float) -> bool:
    return asked_at is None or now - asked_at > _ASK_AGAIN_S
