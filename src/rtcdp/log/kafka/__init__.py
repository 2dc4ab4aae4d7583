"""Apache Kafka as the log: one topic, as many partitions as it has."""

from rtcdp.clock import Clock
from rtcdp.log.kafka.reader import KafkaLogReader
from rtcdp.log.kafka.topic import KafkaTopic, parse_topic
from rtcdp.log.kafka.writer import KafkaLogWriter
from rtcdp.log.limits import LogOptions

__all__ = [
    "KafkaLogReader",
    "KafkaLogWriter",
    "KafkaTopic",
    "open_reader",
    "open_writer",
    "parse_topic",
]


def open_reader(url: str, options: LogOptions) -> KafkaLogReader:
    """A reader of the topic at `kafka://HOST:PORT/TOPIC`. Raises `UsageError` for another URL."""
    patience = {} if options.patience_s is None else {"timeout_s": options.patience_s}
    return KafkaLogReader(
        parse_topic(url),
        options.topic,
        makes_topic=options.makes_topic,
        translation=options.translation,
        **patience,
    )


def open_writer(url: str, clock: Clock, options: LogOptions) -> KafkaLogWriter:
    """A writer of the topic at `kafka://HOST:PORT/TOPIC`. Raises `UsageError` for another URL."""
    del clock
    return KafkaLogWriter(parse_topic(url), options.topic, keyed_by=options.keyed_by)
