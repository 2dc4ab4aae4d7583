from itertools import pairwise
from random import Random

import pytest

from rtcdp.errors import UsageError
from rtcdp.sources.synthetic.dials import Dials, Quota


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.9, 1])
def test_a_quota_picks_its_share_exactly(share):
    quota = Quota(share, Random(1))
    assert sum(quota.take() for _ in range(1_000)) == share * 1_000


def test_a_quota_picks_at_random_places():
    quota = Quota(0.1, Random(1))
    picked = [position for position in range(1_000) if quota.take()]
    assert len({after - before for before, after in pairwise(picked)}) > 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"duplicates": 1.1},
        {"late": -0.1},
        {"malformed": float("nan")},
        {"disorder_s": float("inf")},
        {"duplicates": 0.5, "late": 0.3, "malformed": 0.3},
        {"duplicates": 0.1, "without_ids": 1},
    ],
)
def test_dials_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError) as refused:
        Dials(**wrong)
    assert refused.value.hint
