"""Producers that write by a schema registry and as CloudEvents say, among those that write as ours:
every message is counted once, or is a dead letter that says why, whatever happens to the registry.
"""

import json
import threading
import time
from dataclasses import replace
from io import BytesIO

import fastavro
import pytest
from confluent_kafka import Producer

from rtcdp.clock import SystemClock
from rtcdp.log.limits import KafkaTopicSettings
from rtcdp.runtime.collecting.local_intake import local_sink
from rtcdp.runtime.parts import store_of
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import Settings
from rtcdp.store import UncountedScan
from tests.schemas import Registry, framed
from tests.servers import unused_name

MESSAGES = 300
SCHEMA = {
    "type": "record",
    "name": "View",
    "fields": [
        {"name": "userId", "type": "string"},
        {"name": "eventType", "type": "string"},
        {"name": "timestamp", "type": "long"},
    ],
}


def messages(number, now_ms):
    """Of each kind as many: value and headers, in turn; of every sixth nothing can be made."""
    parsed = fastavro.parse_schema(dict(SCHEMA))
    for place in range(MESSAGES):
        event = {"userId": f"u{place % 7}", "eventType": "PAGE_VIEW", "timestamp": now_ms}
        avro = BytesIO()
        fastavro.schemaless_writer(avro, parsed, event)
        cloud = {
            "ce_specversion": "1.0",
            "ce_id": f"{place}",
            "ce_source": "/shop",
            "ce_type": "PAGE_VIEW",
            "ce_subject": event["userId"],
        }
        yield from (
            (framed(number, avro.getvalue()), []),
            (json.dumps(event).encode(), []),
            (json.dumps({"timestamp": now_ms}).encode(), [*cloud.items()]),
            (framed(number, avro.getvalue()[:-3]), []),
        )


MAPPING = """
format = "ndjson"
[fields]
userId = "{userId}"
[event_type]
default = "PURCHASE"
[timestamp]
from = "{timestamp}"
format = "epoch_ms"
"""


@pytest.fixture
def registry():
    with Registry().running() as running:
        yield running


@pytest.fixture
def settings(kafka_server, registry, tmp_path):
    topic = kafka_server.create_topic(unused_name("foreign"), partitions=2)
    producer = Producer({"bootstrap.servers": kafka_server.bootstrap})
    number, _ = registry.add(SCHEMA)
    for value, headers in messages(number, time.time_ns() // 1_000_000):
        producer.produce(topic, value, headers=headers)
    producer.flush()
    return Settings(
        data_dir=tmp_path / "data",
        log=kafka_server.url(topic),
        kafka=KafkaTopicSettings(schema_registry=registry.url),
    )


def process(settings, stop=None):
    with processor_of(settings, SystemClock()) as processor:
        processor.run(stop or threading.Event(), once=stop is None)


def totals_of(settings):
    with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
        return dict(snapshot.ledger_totals())


def check(settings):
    totals = totals_of(settings)
    assert totals["admitted"] == 3 * MESSAGES
    assert totals["dead_letter"] == MESSAGES
    assert totals["received"] == 4 * MESSAGES
    with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
        [message] = snapshot.uncounted(UncountedScan(limit=10_000))["message"].unique()
    assert "it is not of the schema 1" in message


def test_messages_wait_while_the_registry_is_away(settings, registry):
    registry.status = 503
    with local_sink(settings, SystemClock()):
        assert not registry.asked  # intake needs no schema
    stop = threading.Event()
    processing = threading.Thread(target=process, args=(settings, stop))
    processing.start()
    try:
        deadline = time.monotonic() + 180
        while not registry.asked and time.monotonic() < deadline:
            time.sleep(0.01)
        assert registry.asked
        registry.status = 200
        while not _counted(settings) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        stop.set()
        processing.join()
    check(settings)


def _counted(settings):
    return totals_of(settings)["received"] == 4 * MESSAGES


def test_another_mapping_of_what_was_counted_is_no_other_log(settings, kafka_server, tmp_path):
    def add_to_both():
        value, _ = next(messages(1, time.time_ns() // 1_000_000))
        for partition in (0, 1):
            producer.produce(settings.log.rpartition("/")[2], value, partition=partition)
        producer.flush()

    producer = Producer({"bootstrap.servers": kafka_server.bootstrap})
    add_to_both()
    process(settings)
    (tmp_path / "views.toml").write_text(MAPPING)
    mapped = replace(settings.kafka, schema_mapping=str(tmp_path / "views.toml"))
    add_to_both()
    process(replace(settings, kafka=mapped))
    assert totals_of(settings)["received"] == 4 * MESSAGES + 4
