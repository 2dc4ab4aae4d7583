"""The simulation on a real topic and a real database: the memory log stays as the record of truth,
and every delivery goes to the topic as well, which is what the engine reads."""

from collections.abc import Callable, Sequence

from confluent_kafka import Producer

from rtcdp.engines.native.limits import ProcessorLimits
from rtcdp.log.contract import Delivery, LogReader
from rtcdp.log.envelope import headers_for
from rtcdp.log.kafka import KafkaLogReader, parse_topic
from rtcdp.log.limits import KafkaTopicSettings
from rtcdp.store import Store
from rtcdp.testing.random_walk import KEPT
from rtcdp.testing.simulation import Simulation

BYTES_A_RECORD = 300
NOT_ON_SERVERS = ("keep_house", "copy_log", "copy_back")
"""Retention of a topic is the broker's, by its own clock, and a topic is not copied back."""


class KafkaSimulation(Simulation):
    """A simulation whose engine reads a topic of two partitions. Intake times are those of the
    simulated clock, as a producer gives them."""

    def __init__(self, open_store: Callable[[], Store], bootstrap: str, url: str) -> None:
        topic = parse_topic(url)
        self._topic = topic.name
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
        self._reader = KafkaLogReader(topic, KafkaTopicSettings())
        super().__init__(open_store, KEPT, partitions=2)

    def reader(self) -> LogReader:
        return self._reader

    def deliver(self, deliveries: Sequence[Delivery], partition: int) -> None:
        known = len(self.log.records(partition))
        self.log.append(deliveries, partition)
        for record in self.log.records(partition)[known:]:
            self._producer.produce(
                self._topic,
                record.raw,
                partition=partition,
                timestamp=record.received_at,
                headers=headers_for(record.source, record.intake, record.replay_of),
            )
        assert self._producer.flush(60) == 0

    def limits(self) -> ProcessorLimits:
        most = min(16 * 2**20, self.records_per_read * BYTES_A_RECORD)
        return ProcessorLimits(most, most, epoch_every_s=0, expire_every_s=1e9, retry_s=0)

    def close(self) -> None:
        self._reader.close()
        del self._producer
        super().close()
