"""Apache Kafka as the log: one topic, as many partitions as it has."""

from rtcdp.log.kafka.reader import KafkaLogReader
from rtcdp.log.kafka.topic import KafkaTopic, parse_topic
from rtcdp.log.kafka.writer import KafkaLogWriter

__all__ = ["KafkaLogReader", "KafkaLogWriter", "KafkaTopic", "parse_topic"]
