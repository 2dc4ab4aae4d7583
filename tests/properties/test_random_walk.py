"""Whatever happens to an installation, its store says what the independent judge says."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtcdp.admission import log_time
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.random_walk import KEPT, Step, perform, report
from rtcdp.testing.simulation import Simulation
from tests.scale import scaled

LENGTH = 40
SEEDS_A_TEST = 10
WALKS = range(0, scaled(40, chaos=1_000), SEEDS_A_TEST)
FORGETFUL_WALKS = range(scaled(2, chaos=100))


@pytest.mark.parametrize("first", WALKS)
def test_the_judge_agrees_after_a_walk(first: int) -> None:
    found = [report(seed, LENGTH) for seed in range(first, first + SEEDS_A_TEST)]
    assert not any(found), "\n\n".join(filter(None, found))


@pytest.mark.parametrize("seed", FORGETFUL_WALKS)
def test_ids_that_are_forgotten_change_nothing(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_time, "BLOCK_OFFSETS", 1)
    simulation = Simulation(lambda: SqliteStore(tmp_path / "store.db"), KEPT)
    for step in steady_steps(random.Random(seed)):
        assert perform(simulation, step) == "", f"seed {seed}"
    assert all(offset > 0 for offset in simulation.progress().remembered_from.values())
    simulation.close()


def steady_steps(rng: random.Random) -> Iterator[Step]:
    """Few ids that come again and again, while time goes by and everything is restarted now and
    then."""
    yield Step("start", (2, (0, 1)))
    for number in range(300):
        event = (rng.randrange(25), 0, "A", rng.choice(("ada", "bob")), 3, "/a", 20)
        yield Step("append", (rng.randrange(2), "shop", "live", (event,)))
        yield Step("advance", (rng.choice((1_000, 30_000, 60_000)),))
        if number % 30 == 29:
            yield Step("count", (1_000,))
        if number % 100 == 99:
            yield Step("start", (2, (0, 1)))
            yield Step("judge")
