"""One verdict, whoever reads: the product's paths and an independent reading of the same rule."""

import pytest

from rtcdp.events.dead_letter import DeadLetterReason
from tests.scale import scaled
from tests.strict_rule import verdicts_that_differ

SEEDS = range(scaled(4, chaos=200))
DOCUMENTS = 5_000


@pytest.mark.parametrize("seed", SEEDS)
def test_every_path_agrees_with_the_independent_reading(seed: int) -> None:
    differing, verdicts = verdicts_that_differ(seed, DOCUMENTS)
    assert not differing, f"seed {seed}: {len(differing)} differ\n" + "\n".join(differing[:10])
    decided_from_the_record = set(DeadLetterReason.__args__) - {
        "corrupt",
        "future",
        "processor_error",
        "not_mapped",
    }
    assert set(verdicts) == {"event"} | decided_from_the_record, verdicts
