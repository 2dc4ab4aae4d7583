"""An installation on Kafka changes its engine in the middle: the same numbers, and nothing counted
twice or not at all."""

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


@pytest.fixture
def settings(kafka_server, spark_jars, tmp_path):
    return installation(kafka_server, spark_jars, tmp_path, batch=TRAFFIC.lines // 4)


@pytest.mark.usefixtures("spark")
def test_a_changed_engine_goes_on_where_the_other_one_stopped(settings, tmp_path):
    deliveries = list(TRAFFIC.deliveries())
    quarter = len(deliveries) // 4
    cuts = [0, quarter, 2 * quarter, 3 * quarter, len(deliveries)]
    engines = ("native", "spark", "native", "spark")
    for engine, first, end in zip(engines, cuts, cuts[1:], strict=False):
        append(settings, deliveries[first:end])
        process(replace(settings, engine=engine))
    assert differing(expected(settings, tmp_path), dump_of(settings)) == []
