"""The random walk over everything that can drift, on a real topic and a real PostgreSQL, with
folds."""

from pathlib import Path

import pytest

from rtcdp.catalog.catalog import load_folds
from rtcdp.store.postgres import PostgresStore
from rtcdp.testing.random_walk import failure_of, shortest, walk
from tests.chaos.kafka_simulation import NOT_ON_SERVERS, KafkaSimulation
from tests.scale import scaled
from tests.servers import unused_name

SEEDS = range(scaled(2, chaos=50))
LENGTH = 30


@pytest.mark.parametrize("seed", SEEDS)
def test_the_judge_agrees_after_a_walk(seed, kafka_server, new_topic, postgres_server):
    def install(_: Path) -> KafkaSimulation:
        topic = new_topic(2, **{"retention.ms": "-1"})
        store_url = f"{postgres_server.url('shared')}?schema={unused_name()}"
        simulation = KafkaSimulation(
            lambda: PostgresStore(store_url), kafka_server.bootstrap, kafka_server.url(topic)
        )
        simulation.folds = load_folds()
        return simulation

    steps = walk(seed, LENGTH, NOT_ON_SERVERS)
    if failure_of(steps, install):
        script = shortest(steps, lambda fewer: failure_of(fewer, install), tries=60)
        lines = "\n".join(map(str, script))
        pytest.fail(f"seed {seed}: {failure_of(script, install)}\n{lines}")
