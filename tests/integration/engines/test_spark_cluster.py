"""Spark on a cluster of its own, a master and two workers, counts as it does in one process."""

from dataclasses import replace

import pytest

from rtcdp.testing.driver import differing
from tests.integration.engines.topic_installation import (
    TRAFFIC,
    append,
    dump_of,
    expected,
    installation,
    process,
)


@pytest.mark.usefixtures("no_spark")
def test_a_cluster_of_two_workers_counts_the_same(
    kafka_server, spark_jars, spark_cluster, tmp_path
):
    settings = installation(kafka_server, spark_jars, tmp_path, batch=TRAFFIC.lines // 2)
    append(settings, TRAFFIC.deliveries())
    on_cluster = replace(settings.spark, master=spark_cluster.master)
    process(replace(settings, engine="spark", spark=on_cluster))
    assert differing(expected(settings, tmp_path), dump_of(settings)) == []
