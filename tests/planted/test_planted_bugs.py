"""The judge catches every planted bug: without that, a walk that agrees would mean little."""

import pytest

from tests.planted.bugs import BUGS, Bug
from tests.planted.hunts import hunts_for
from tests.planted.planting import planted

caught: list[str] = []


@pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
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
    missed = [bug.name for bug in BUGS if bug.name not in caught]
    assert not missed, f"caught {len(caught)} of {len(BUGS)}; missed: {missed}"
