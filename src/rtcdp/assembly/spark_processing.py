"""The Spark engine of an installation."""

from collections.abc import Sequence
from dataclasses import replace

from rtcdp.clock import Clock
from rtcdp.engines.spark.processor import KafkaSource, SparkProcessor
from rtcdp.log.kafka import parse_topic
from rtcdp.log.log import LogReader
from rtcdp.settings import Settings
from rtcdp.store.store import Store
from rtcdp.vocabulary.metric import Metric

CHECKPOINT = "spark-checkpoint"


def spark_processor(
    settings: Settings, log: LogReader, store: Store, clock: Clock, metrics: Sequence[Metric]
) -> SparkProcessor:
    """The processor that runs on Spark; `log` is the same topic, for what is looked up in it."""
    topic = parse_topic(settings.log_url)
    checkpoint = settings.spark.checkpoint or str(settings.data_dir.absolute() / CHECKPOINT)
    source = KafkaSource(topic.bootstrap, topic.name, dict(topic.options))
    processor = SparkProcessor(source, log, store, metrics, settings.admission, clock)
    processor.limits = replace(settings.spark, checkpoint=checkpoint)
    processor.lease_ttl_s = settings.processor.lease_ttl_s
    return processor
