"""The judge catches every planted bug: without that, a walk that agrees would mean little."""

import pytest

from tests.planted.bugs import BUGS, Bug
from tests.planted.hunts import hunts_for
from tests.planted.planting import planted
from tests.scale import scaled

CHOSEN = BUGS[:: scaled(3, chaos=1)]
caught: list[str] = []


@pytest.mark.parametrize("bug", CHOSEN, ids=[bug.name for bug in CHOSEN])
def test_a_planted_bug_is_caught(bug: Bug) -> None:
    for hunt in hunts_for(bug):
        with planted(*bug.edits):
            noticed = hunt()
        if noticed:
            assert hunt() == "", "this is noticed without the bug"
            caught.append(bug.name)
            return
    pytest.fail("nobody noticed")


def test_all_of_them_are_caught() -> None:
    assert len(BUGS) >= 20
    missed = [bug.name for bug in CHOSEN if bug.name not in caught]
    assert not missed, f"caught {len(caught)} of {len(CHOSEN)}; missed: {missed}"
