"""Avro by a real schema registry, with Confluent's own producer: both engines read the same, and a
registry that freezes costs time and no message."""

import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from confluent_kafka import SerializingProducer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer

from deploy.servers import schema_registry
from rtcdp.clock import SystemClock
from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.errors import PartMissing
from rtcdp.log.limits import KafkaTopicSettings
from rtcdp.runtime.parts import folds_of, metrics_of, store_of
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import Settings
from rtcdp.testing.driver import LEDGER, differing, dump
from tests.servers import unused_name

MESSAGES = 20_000
SCHEMA = """
{"type": "record", "name": "View", "fields": [
  {"name": "userId", "type": "string"},
  {"name": "eventType", "type": "string"},
  {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
  {"name": "value", "type": ["null", "double"], "default": null}]}
"""
FROZEN_S = 15
PATIENCE_S = 300


@pytest.fixture(scope="module")
def registry():
    with schema_registry() as running:
        yield running


@pytest.fixture
def settings(kafka_server, registry, spark_jars, tmp_path):
    topic = kafka_server.create_topic(unused_name("foreign"), partitions=3)
    with SchemaRegistryClient({"url": registry.url}) as client:
        serializer = AvroSerializer(client, SCHEMA)
        produce(
            {"bootstrap.servers": kafka_server.bootstrap, "value.serializer": serializer}, topic
        )
    jars = ",".join(map(str, spark_jars))
    return Settings(
        data_dir=tmp_path / "native",
        log=kafka_server.url(topic),
        kafka=KafkaTopicSettings(schema_registry=registry.url),
        spark=SparkLimits(master="local[2]", jars=jars, max_offsets_per_trigger=7_000),
    )


def produce(configuration, topic):
    producer = SerializingProducer(configuration)
    now_ms = time.time_ns() // 1_000_000
    for number in range(MESSAGES):
        type_ = ("PAGE_VIEW", "PURCHASE", "no type")[number % 3]
        event = {"userId": f"u{number % 97}", "eventType": type_, "timestamp": now_ms - number}
        producer.produce(topic, value={**event, "value": number / 4})
        producer.poll(0)
    producer.flush()


@contextmanager
def frozen(registry):
    """It does not answer for a while, and that has passed at the end."""
    registry.pause()
    thawing = threading.Timer(FROZEN_S, registry.resume)
    thawing.start()
    try:
        yield
    finally:
        thawing.join()


def process(settings):
    """Run until all is counted."""
    stop = threading.Event()
    counting = threading.Thread(target=run, args=(settings, stop))
    counting.start()
    try:
        deadline = time.monotonic() + PATIENCE_S
        while received(settings) < MESSAGES and counting.is_alive():
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        stop.set()
        counting.join()


def run(settings, stop):
    with processor_of(settings, SystemClock()) as processor:
        processor.run(stop)


def received(settings):
    try:
        with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
            return snapshot.ledger_totals()["received"]
    except PartMissing:
        return 0


def dump_of(settings):
    with store_of(settings, read_only=True) as store:
        return dump(store, metrics_of(settings), folds=folds_of(settings))


def test_both_engines_read_the_same_while_the_registry_freezes(settings, registry, spark):
    del spark
    with frozen(registry):
        process(settings)
    native = dump_of(settings)
    by_spark = replace(settings, data_dir=settings.data_dir.parent / "spark", engine="spark")
    with frozen(registry):
        process(by_spark)
    assert differing(native, dump_of(by_spark)) == []
    ledger = native[LEDGER]
    assert int(ledger["received"].sum()) == MESSAGES
    assert int(ledger["admitted"].sum()) == MESSAGES - int(ledger["dead_letter"].sum())
    assert int(ledger["dead_letter"].sum()) == MESSAGES // 3
