"""Spark on a cluster of its own, a master and two workers, counts as it does in one process."""

import threading
from dataclasses import replace

import pytest

from rtcdp.assembly.parts import log_writer, metrics_of, store_of
from rtcdp.assembly.processing import processor_of
from rtcdp.clock import SystemClock
from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.settings import Settings
from rtcdp.testing.dump import differing, dump
from rtcdp.testing.traffic import Traffic

TRAFFIC = Traffic(16_000, users=80, request_lines=200)


@pytest.fixture
def spark_limits(spark_jars):
    jars = ",".join(map(str, spark_jars))
    return SparkLimits(master="local[2]", jars=jars, max_offsets_per_trigger=8_000)


@pytest.fixture
def settings(kafka_server, spark_limits, tmp_path, request):
    return Settings(
        data_dir=tmp_path / "data",
        log=kafka_server.url(request.node.name.replace("[", "-").replace("]", "")),
        spark=spark_limits,
    )


def append(settings, deliveries):
    with log_writer(settings, SystemClock()) as writer:
        writer.append(list(deliveries))


def process(settings):
    with processor_of(settings, SystemClock()) as processor:
        processor.run(threading.Event(), once=True)


def dump_of(settings):
    with store_of(settings, read_only=True) as store:
        return dump(store, metrics_of(settings))


def expected(settings, tmp_path):
    """What the native engine makes of the whole log."""
    undisturbed = replace(settings, data_dir=tmp_path / "undisturbed", engine="native")
    process(undisturbed)
    return dump_of(undisturbed)


def test_a_cluster_of_two_workers_counts_the_same(settings, spark_cluster, tmp_path):
    append(settings, TRAFFIC.deliveries())
    on_cluster = replace(settings.spark, master=spark_cluster.master)
    process(replace(settings, engine="spark", spark=on_cluster))
    assert differing(expected(settings, tmp_path), dump_of(settings)) == []
