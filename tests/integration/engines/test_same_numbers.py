"""The same events through every engine, log and store: the same rows, the same ledger.

In the events is everything that goes wrong: disorder, repeats, late ones, malformed ones, one user
who makes a tenth of it, and events without an id.
"""

import os
import threading
from dataclasses import replace

import pytest

from rtcdp.clock import SystemClock
from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.runtime.parts import log_writer, metrics_of, store_of
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import Settings
from rtcdp.testing.driver import LEDGER, differing, dump
from rtcdp.testing.traffic import Traffic
from tests.scale import scaled
from tests.servers import unused_name

EVENTS = int(os.environ.get("RTCDP_TEST_EVENTS", scaled(20_000, chaos=60_000)))
TRAFFIC = Traffic(EVENTS, users=300)
"""`RTCDP_TEST_EVENTS=1_000_000` takes a few minutes more."""

APPENDED_TOGETHER = 50

COMBINATIONS = [
    ("native", "kafka", "postgresql"),
    ("native", "kafka", "mongodb"),
    ("spark", "kafka", "postgresql"),
    ("spark", "kafka", "mongodb"),
]
"""Each is compared with the native engine on the embedded log, into SQLite."""

SERVERS = {"postgresql": "postgres_server", "mongodb": "mongo_server"}


@pytest.fixture(scope="module")
def logs(tmp_path_factory, kafka_server):
    """The same deliveries in an embedded log and in a topic."""
    urls = {
        "embedded": f"embedded:{tmp_path_factory.mktemp('log')}",
        "kafka": kafka_server.url(kafka_server.create_topic("same-numbers", partitions=4)),
    }
    writers = [log_writer(Settings(log=url), SystemClock()) for url in urls.values()]
    with writers[0] as embedded, writers[1] as kafka:
        group = []
        for delivery in TRAFFIC.deliveries():
            group.append(delivery)
            if len(group) == APPENDED_TOGETHER:
                append(group, embedded, kafka)
        append(group, embedded, kafka)
    return urls


def append(group, *writers):
    for writer in writers:
        writer.append(group)
    group.clear()


@pytest.fixture(scope="module")
def expected(logs, tmp_path_factory):
    settings = Settings(data_dir=tmp_path_factory.mktemp("expected"), log=logs["embedded"])
    return answers_of(settings)


@pytest.fixture(params=COMBINATIONS, ids="-".join)
def settings(request, logs, tmp_path):
    """An installation of these parts, with a store of its own."""
    engine, log, store = request.param
    server = request.getfixturevalue(SERVERS[store])
    made = Settings(
        data_dir=tmp_path / "data",
        log=logs[log],
        store=server.url(unused_name("same_numbers")),
        engine=engine,
    )
    if engine == "native":
        return made
    request.getfixturevalue("spark")
    jars = ",".join(map(str, request.getfixturevalue("spark_jars")))
    return replace(made, spark=SparkLimits("local[2]", jars, max_offsets_per_trigger=EVENTS // 2))


def test_every_row_is_the_same(settings, expected):
    assert differing(expected, answers_of(settings)) == []


def test_nothing_of_it_was_lost(expected):
    counts = TRAFFIC.counts()
    ledger = expected[LEDGER]
    totals = {name: int(ledger[name].sum()) for name in ledger.columns[2:]}
    assert totals["received"] == counts.lines
    assert totals["admitted"] == counts.fresh
    assert totals["duplicate"] == counts.duplicate
    assert totals["late"] == counts.late
    assert totals["dead_letter"] == counts.malformed


def answers_of(settings):
    """Every table, the ledger and the uncounted records, once the engine has caught up."""
    with processor_of(settings, SystemClock()) as processor:
        processor.run(threading.Event(), once=True)
    with store_of(settings, read_only=True) as store:
        return dump(store, metrics_of(settings))
