"""Shows in a consumer group how far a topic is counted, for Kafka's own tools.

The administrative client could write the same, but it aborts the whole process when the group's
broker dies at the wrong moment. A consumer's commit doesn't; it may only take long.
"""

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as Place

from rtcdp.log.kafka.topic import KafkaTopic, LastWord, client_options


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
