"""The independent judge and the platform tell the same of any story."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.answers.fold_rows import Told
from rtcdp.definitions import Fold
from rtcdp.folds.paths import Paths
from rtcdp.folds.sessions import Sessions
from rtcdp.verify.plain import is_fold_judged
from rtcdp.verify.story_agreement import StoriesTold, as_shown, story_disagreements
from tests.properties.folds.test_funnels import FUNNELS
from tests.properties.folds.test_funnels import TYPES as FUNNEL_TYPES
from tests.properties.folds.test_funnels import times as funnel_times
from tests.properties.folds.test_joins import DEFINITIONS as JOINS
from tests.properties.folds.test_joins import TYPES as JOIN_TYPES
from tests.properties.folds.test_joins import times as join_times
from tests.properties.folds.test_paths import DEFINITIONS as PATHS
from tests.properties.folds.test_paths import VISITS
from tests.properties.folds.test_retention import DEFINITIONS as RETENTIONS
from tests.properties.folds.test_retention import times as days
from tests.properties.folds.test_sessions import OPTIONS as SESSIONS
from tests.stories import frame_of, stories

HOUR = 3_600_000
PINGS = Sessions(gap_ms=20, longest_ms=60, exclude=("PURCHASE",))
BROKEN_DOWN = {
    f"{name} by product at {at}": replace(FUNNELS[name], breakdown="productId", breakdown_at=at)
    for name, at in (("plain", "first"), ("plain", "last"), ("any order", 2))
}
KNOWN = {
    **{f"funnel {name}": (each, FUNNEL_TYPES, funnel_times) for name, each in FUNNELS.items()},
    **{f"funnel {name}": (each, FUNNEL_TYPES, funnel_times) for name, each in BROKEN_DOWN.items()},
    **{
        f"paths {name}": (each, ("PAGE_VIEW", "PURCHASE", "A"), st.integers(0, 80))
        for name, each in PATHS.items()
    },
    **{f"join {name}": (each, JOIN_TYPES, join_times) for name, each in JOINS.items()},
    "paths with pings": (
        Paths(sessions=replace(VISITS, exclude=("PURCHASE",))),
        ("PAGE_VIEW", "PURCHASE"),
        st.integers(0, 80),
    ),
    **{
        f"retention {name}": (each, ("PAGE_VIEW", "PURCHASE"), days)
        for name, each in RETENTIONS.items()
    },
    **{
        f"sessions {name}": (
            each,
            ("PAGE_VIEW", "PURCHASE", "PING"),
            st.integers(0, 120).map(lambda n, step=HOUR if each.midnight else 1: n * step),
        )
        for name, each in SESSIONS.items()
    },
}


def wrong(step, events):
    fold = Fold("judged", "Judged", step)
    assert is_fold_judged(fold)
    frame = frame_of(events)
    rows = step.rows(step.relevant(frame), "userId")
    told = StoriesTold(None, {fold.name: dict(as_shown(Told(fold, None, None, None), rows))})
    found, too_long = story_disagreements(fold, [{**e, "source": "shop"} for e in events], told)
    assert too_long == 0
    return found


@pytest.mark.parametrize("name", KNOWN)
@settings(max_examples=12)
@given(st.data())
def test_what_the_platform_tells_is_what_the_judge_tells(name, data):
    step, types, times = KNOWN[name]
    assert wrong(step, data.draw(stories(times, types))) == []
