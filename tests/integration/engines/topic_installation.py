"""An installation on a topic of its own, and what the native engine makes of the same topic."""

import threading
from dataclasses import replace

from rtcdp.clock import SystemClock
from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.runtime.parts import folds_of, log_writer, metrics_of, store_of
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import Settings
from rtcdp.testing.driver import dump
from rtcdp.testing.traffic import Traffic
from tests.scale import scaled
from tests.servers import unused_name

TRAFFIC = Traffic(scaled(6_400, chaos=16_000), users=80, request_lines=200)


def installation(kafka_server, spark_jars, tmp_path, *, batch):
    """Its settings; Spark takes `batch` records at a time."""
    jars = ",".join(map(str, spark_jars))
    # Made here, so that the traffic keeps its own times of intake.
    topic = kafka_server.create_topic(unused_name("installation"), partitions=4)
    return Settings(
        data_dir=tmp_path / "data",
        log=kafka_server.url(topic),
        spark=SparkLimits(master="local[2]", jars=jars, max_offsets_per_trigger=batch),
    )


def append(settings, deliveries):
    with log_writer(settings, SystemClock()) as writer:
        writer.append(list(deliveries))


def process(settings):
    with processor_of(settings, SystemClock()) as processor:
        processor.run(threading.Event(), once=True)


def dump_of(settings):
    with store_of(settings, read_only=True) as store:
        return dump(store, metrics_of(settings), folds=folds_of(settings))


def expected(settings, tmp_path):
    """What the native engine makes of the whole log."""
    undisturbed = replace(settings, data_dir=tmp_path / "undisturbed", engine="native")
    process(undisturbed)
    return dump_of(undisturbed)
