"""The random walk with Spark and the native engine in turn, on a real topic."""

from pathlib import Path

import pytest

from rtcdp.testing.random_walk import failure_of, walk
from tests.chaos.spark_simulation import NOT_ON_SPARK, SparkSimulation
from tests.scale import scaled

SEEDS = range(scaled(1, chaos=20))
LENGTH = 25


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_judge_agrees_after_a_walk(seed, kafka_server, new_topic, tmp_path):
    def install(_: Path) -> SparkSimulation:
        topic = new_topic(2, **{"retention.ms": "-1"})
        return SparkSimulation(
            f"sqlite:{tmp_path / 'store.db'}",
            kafka_server.bootstrap,
            kafka_server.url(topic),
            tmp_path / "checkpoints",
        )

    steps = walk(seed, LENGTH, NOT_ON_SPARK)
    failure = failure_of(steps, install)
    assert not failure, f"seed {seed}: {failure}\n" + "\n".join(map(str, steps))
