"""Whatever happens to an installation, its stories are those that the independent judge tells."""

from pathlib import Path

import pytest

from rtcdp.catalog.catalog import load_folds
from rtcdp.definitions import Fold, Present, event_type
from rtcdp.folds.funnels import Funnel, FunnelStep
from rtcdp.folds.sessions import Sessions
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.random_walk import KEPT, report
from rtcdp.testing.simulation import Simulation
from tests.scale import scaled

LENGTH = 30
SEEDS = range(scaled(4, chaos=200))
STEPS = tuple(FunnelStep(name, event_type(name)) for name in ("A", "B"))
FOLDS = (
    *load_folds(),
    Fold("a_then_b", "A then B", Funnel(STEPS, within_ms=600_000)),
    Fold("attempts", "Attempts", Funnel(STEPS, by="attempt", exclusion=Present("pageUrl"))),
    Fold("short", "Short visits", Sessions(gap_ms=20_000, longest_ms=60_000)),
)


def installed(directory: Path) -> Simulation:
    return Simulation(lambda: SqliteStore(directory / "store.db"), KEPT, folds=FOLDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_judge_tells_the_same_stories_after_a_walk(seed: int) -> None:
    # Without deletions, which leave nothing to say of folds that hang on whole stories; or with.
    without = () if seed % 2 else ("keep_house",)
    assert report(seed, LENGTH, without, installed) == ""
