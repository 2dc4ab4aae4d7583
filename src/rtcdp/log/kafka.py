"""Apache Kafka as the log: one topic, as many partitions as it has."""

from rtcdp.log.kafka_reader import KafkaLogReader
from rtcdp.log.kafka_topic import KafkaTopic, parse_topic
from rtcdp.log.kafka_writer import KafkaLogWriter

__all__ = ["KafkaLogReader", "KafkaLogWriter", "KafkaTopic", "parse_topic"]
