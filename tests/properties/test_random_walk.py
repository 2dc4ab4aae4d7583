"""Whatever happens to an installation, its store says what the independent judge says."""

import pytest

from rtcdp.events import log_time
from rtcdp.testing.random_walk import report
from tests.scale import scaled

LENGTH = 40
SEEDS_A_TEST = 10
WALKS = range(0, scaled(100, chaos=1_000), SEEDS_A_TEST)
LONG_WALKS = range(scaled(3, chaos=100))
CLOCKS_GO_RIGHT = ("set_clock_ahead",)


@pytest.mark.parametrize("first", WALKS)
def test_the_judge_agrees_after_a_walk(first: int) -> None:
    found = [report(seed, LENGTH) for seed in range(first, first + SEEDS_A_TEST)]
    assert not any(found), "\n\n".join(filter(None, found))


@pytest.mark.parametrize("seed", LONG_WALKS)
def test_ids_that_are_forgotten_and_logs_that_are_trimmed_change_nothing(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_time, "BLOCK_OFFSETS", 1)
    found = report(seed, 4 * LENGTH, CLOCKS_GO_RIGHT)
    assert not found, found
